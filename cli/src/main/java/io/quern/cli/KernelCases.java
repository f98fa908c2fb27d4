package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/** The operations that {@code bench kernels} measures, in shapes of GPT-2, ViT-B and MiniLM. */
final class KernelCases {
    /** Weights of one matrix-vector product, copied until no cache holds them all. */
    private static final long COLD_BYTES = 256L << 20;

    private static final List<int[]> PRODUCTS = List.of(
            new int[] {1024, 1024, 1024},
            new int[] {512, 768, 2304}, // GPT-2, 512 tokens
            new int[] {512, 768, 3072},
            new int[] {512, 3072, 768},
            new int[] {512, 768, 50257},
            new int[] {197, 768, 2304}, // ViT-B/16, one picture
            new int[] {4096, 384, 1152}); // MiniLM, 32 x 128 tokens

    private static final List<int[]> WEIGHTS =
            List.of(new int[] {768, 2304}, new int[] {768, 3072}, new int[] {3072, 768}, new int[] {768, 50257});

    /**
     * A row of the table.
     *
     * @param shape as in {@code --shape}
     * @param dtype of the weights of products, else of all numbers
     * @param ops makes what is run in turn, with its operands, in the current scope
     */
    record Case(String op, String shape, DType dtype, Supplier<List<Op>> ops) {}

    private final Device device;

    KernelCases(Device device) {
        this.device = device;
    }

    /** The products of one shape m x k x n: with one row a matrix-vector product, else of matrices. */
    List<Case> products(int m, int k, int n) {
        List<Case> all = new ArrayList<>();
        if (m > 1) {
            all.add(product(m, k, n, false));
            all.add(product(m, k, n, true));
        } else {
            for (DType type : DType.values()) {
                if (isWeight(type)) {
                    all.add(vectorProduct(k, n, type));
                }
            }
        }
        return all;
    }

    private static boolean isWeight(DType type) {
        return type != DType.F64 && type != DType.I32;
    }

    /** All rows. */
    List<Case> all() {
        List<Case> all = new ArrayList<>();
        PRODUCTS.forEach(p -> all.addAll(products(p[0], p[1], p[2])));
        WEIGHTS.forEach(w -> all.addAll(products(1, w[0], w[1])));
        for (int[] s : List.of(new int[] {1, 512, 12, 64}, new int[] {1, 1024, 12, 64}, new int[] {64, 256, 6, 64})) {
            attention(all, s[0], s[1], s[2], s[3]);
        }
        all.add(new Case("attention", "12x64 at 1024", DType.F32, () -> {
            Tensor cache = numbers(1, 1024, 12, 64);
            return List.of(new Attention.Forward(
                    numbers(1, 1, 12, 64),
                    cache,
                    numbers(1, 1024, 12, 64),
                    null,
                    null,
                    Attention.Options.causal(0.125)));
        }));
        norms(all, 512, 768);
        elementwise(all, 512, 3072);
        losses(all, 512, 50257);
        all.add(new Case(
                "embedding",
                "512 of 50257x768",
                DType.F32,
                () -> List.of(new Index.Embedding(numbers(50257, 768), ids(50257, 512)))));
        all.add(new Case(
                "embedding_grad",
                "512 of 50257x768",
                DType.F32,
                () -> List.of(new Index.EmbeddingGrad(ids(50257, 512), numbers(512, 768), 50257))));
        all.add(new Case(
                "pack",
                "transpose 3072x768",
                DType.F32,
                () -> List.of(new Index.Pack(numbers(3072, 768).transpose(0, 1)))));
        all.add(new Case("adamw", "32M", DType.F32, () -> List.of(adamW(32 << 20))));
        all.add(new Case(
                "squared_norm", "32M", DType.F32, () -> List.of(new Reduce.SquaredNorm(List.of(numbers(32 << 20))))));
        return all;
    }

    private Case product(int m, int k, int n, boolean transposed) {
        return new Case(
                "matmul",
                m + "x" + k + "x" + n + (transposed ? " NT" : " NN"),
                DType.F32,
                () -> List.of(
                        new MatMul(numbers(m, k), transposed ? numbers(n, k).transpose(0, 1) : numbers(k, n), null)));
    }

    private Case vectorProduct(int k, int n, DType type) {
        return new Case("gemv", "1x" + k + "x" + n + " NT", type, () -> {
            Tensor weight = numbers(n, k).cast(type);
            List<Op> ops = new ArrayList<>();
            long bytes = type.bytes(weight.shape());
            for (long at = 0; at < COLD_BYTES; at += bytes) {
                // The numbers are the same, the memory is not.
                Tensor w = at == 0
                        ? weight
                        : Tensor.from(
                                device,
                                type,
                                weight.shape(),
                                weight.to(Device.CPU).data());
                ops.add(new MatMul(numbers(1, k), w.transpose(0, 1), null));
            }
            return ops;
        });
    }

    private void attention(List<Case> all, int b, int t, int h, int d) {
        String shape = b + "x" + t + "x" + h + "x" + d;
        Attention.Options causal = Attention.Options.causal(1 / Math.sqrt(d));
        all.add(new Case(
                "attention",
                shape,
                DType.F32,
                () -> List.of(new Attention.Forward(
                        numbers(b, t, h, d), numbers(b, t, h, d), numbers(b, t, h, d), null, null, causal))));
        all.add(new Case("attention_grad", shape, DType.F32, () -> {
            Tensor q = numbers(b, t, h, d);
            Tensor k = numbers(b, t, h, d);
            Tensor v = numbers(b, t, h, d);
            List<Tensor> y = Tensor.runAll(new Attention.Forward(q, k, v, null, null, causal));
            return List.of(new Attention.Gradient(q, k, v, null, y.get(0), y.get(1), numbers(b, t, h, d), causal));
        }));
    }

    private void norms(List<Case> all, int rows, int width) {
        String shape = rows + "x" + width;
        all.add(new Case(
                "layer_norm",
                shape,
                DType.F32,
                () -> List.of(new Norm.LayerNorm(numbers(rows, width), numbers(width), numbers(width), 1e-5))));
        all.add(new Case("layer_norm_grad", shape, DType.F32, () -> {
            Tensor x = numbers(rows, width);
            Tensor w = numbers(width);
            List<Tensor> y = Tensor.runAll(new Norm.LayerNorm(x, w, numbers(width), 1e-5));
            return List.of(new Norm.LayerNormGrad(x, w, y.get(1), y.get(2), numbers(rows, width)));
        }));
        all.add(new Case(
                "rms_norm",
                shape,
                DType.F32,
                () -> List.of(new Norm.RmsNorm(numbers(rows, width), numbers(width), 1e-5))));
    }

    private void elementwise(List<Case> all, int rows, int width) {
        String shape = rows + "x" + width;
        for (Elementwise.UnaryKind kind :
                List.of(Elementwise.UnaryKind.GELU_TANH, Elementwise.UnaryKind.GELU, Elementwise.UnaryKind.SILU)) {
            all.add(new Case(
                    kind.name().toLowerCase(java.util.Locale.ROOT),
                    shape,
                    DType.F32,
                    () -> List.of(new Elementwise.Unary(kind, numbers(rows, width)))));
            all.add(new Case(
                    kind.name().toLowerCase(java.util.Locale.ROOT) + "_grad",
                    shape,
                    DType.F32,
                    () -> List.of(new Elementwise.UnaryGrad(kind, numbers(rows, width), numbers(rows, width)))));
        }
        all.add(new Case(
                "add",
                shape,
                DType.F32,
                () -> List.of(new Elementwise.Binary(
                        Elementwise.BinaryKind.ADD, numbers(rows, width), numbers(rows, width)))));
        all.add(new Case(
                "softmax", "512x1024", DType.F32, () -> List.of(new Reduce.Softmax(numbers(512, 1024), false))));
    }

    private void losses(List<Case> all, int rows, int classes) {
        String shape = rows + "x" + classes;
        all.add(new Case(
                "cross_entropy",
                shape,
                DType.F32,
                () -> List.of(new Loss.CrossEntropy(numbers(rows, classes), ids(classes, rows), null, -100, 0))));
    }

    private Update.AdamW adamW(int n) {
        return new Update.AdamW(
                List.of(numbers(n)),
                List.of(numbers(n)),
                List.of(Tensor.zeros(device, DType.F32, Shape.of(n))),
                List.of(Tensor.zeros(device, DType.F32, Shape.of(n))),
                List.of(0.1),
                1e-4,
                0.9,
                0.95,
                1e-8,
                1,
                10);
    }

    /** Spread evenly over [-1, 1): normal numbers would take longer to draw, and no kernel here minds. */
    private Tensor numbers(int... dims) {
        float[] x = new float[Math.toIntExact(Shape.of(dims).size())];
        int state = 12345;
        for (int i = 0; i < x.length; i++) {
            state = state * 1664525 + 1013904223;
            x[i] = (state >> 8) * 0x1p-23f;
        }
        return Tensor.of(x, dims).to(device);
    }

    private Tensor ids(int bound, int n) {
        int[] x = new int[n];
        for (int i = 0; i < n; i++) {
            x[i] = (int) Long.remainderUnsigned(Rng.bits(1, 1, i), bound);
        }
        return Tensor.of(x, n).to(device);
    }
}
