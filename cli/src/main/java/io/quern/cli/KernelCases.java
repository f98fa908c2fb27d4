package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Op;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * What {@code bench kernels} measures: every operation of the catalogue in shapes of GPT-2, ViT-B and MiniLM. A quick run
 * takes fewer shapes.
 */
final class KernelCases {
    /** Weights of one matrix-vector product, copied until no cache holds them all, or in a quick run hardly one. */
    private static final long COLD_BYTES = 256L << 20;

    private static final long QUICK_COLD_BYTES = 64L << 20;

    private static final List<int[]> PRODUCTS = List.of(
            new int[] {1024, 1024, 1024},
            new int[] {512, 768, 2304}, // GPT-2, 512 tokens
            new int[] {512, 768, 3072},
            new int[] {512, 3072, 768},
            new int[] {512, 768, 50257},
            new int[] {197, 768, 2304}, // ViT-B/16, one picture
            new int[] {4096, 384, 1152}); // MiniLM, 32 x 128 tokens

    private static final int QUICK_PRODUCTS = 2;

    private static final List<int[]> WEIGHTS =
            List.of(new int[] {768, 3072}, new int[] {768, 2304}, new int[] {3072, 768}, new int[] {768, 50257});

    private static final List<int[]> ATTENTIONS =
            List.of(new int[] {1, 512, 12, 64}, new int[] {1, 1024, 12, 64}, new int[] {64, 256, 6, 64});

    /**
     * A row of the table.
     *
     * @param op a name of a row: that of the operation, or gemv for a product with a vector
     * @param shape as in {@code --shape}
     * @param dtype of the weights of products with a vector, else of all numbers
     * @param ops makes what is run in turn, with its operands, in the current scope
     */
    record Case(String op, String shape, DType dtype, Supplier<List<Op>> ops) {
        /** As {@link BenchRow#key}. */
        String key() {
            return op + " " + shape + " " + dtype.name();
        }
    }

    private final Device device;
    private final DType dtype;
    private final boolean quick;
    private final BenchOperands operands;

    /** Of products with a vector: converting them takes longer than measuring, and every round needs them anew. */
    private final Map<String, MemorySegment> weights = new HashMap<>();

    /**
     * @param dtype of the numbers; null for F32 and, in products with a vector, weights of every type
     */
    KernelCases(Device device, DType dtype, boolean quick) {
        this.device = device;
        this.dtype = dtype;
        this.quick = quick;
        this.operands = new BenchOperands(device, dtype == null || dtype.isQuantized() ? DType.F32 : dtype);
    }

    /** The products of one shape m x k x n: with one row a matrix-vector product, else of matrices. */
    List<Case> products(int m, int k, int n) {
        List<Case> all = new ArrayList<>();
        if (m > 1) {
            if (dtype == null || !dtype.isQuantized()) {
                all.add(product(m, k, n, "NN"));
                all.add(product(m, k, n, "NT"));
                all.add(product(m, k, n, "TN"));
            }
        } else {
            for (DType type : DType.values()) {
                boolean weight = type != DType.F64 && type != DType.I32;
                if (dtype == null ? weight : type == dtype) {
                    all.add(vectorProduct(k, n, type));
                }
            }
        }
        return all;
    }

    /** All rows. */
    List<Case> all() {
        List<Case> all = new ArrayList<>();
        some(PRODUCTS, QUICK_PRODUCTS).forEach(p -> all.addAll(products(p[0], p[1], p[2])));
        some(WEIGHTS, 1).forEach(w -> all.addAll(products(1, w[0], w[1])));
        if (dtype == null || !dtype.isQuantized()) {
            some(ATTENTIONS, 1).forEach(s -> attention(all, true, s[0], s[1], s[2], s[3]));
            attention(all, false, 1, 197, 12, 64);
            all.add(decoding());
            new LayerCases(operands, all::add).add(quick);
        }
        return all;
    }

    private List<int[]> some(List<int[]> shapes, int whenQuick) {
        return quick ? shapes.subList(0, whenQuick) : shapes;
    }

    private Case product(int m, int k, int n, String layout) {
        return new Case("matmul", m + "x" + k + "x" + n + " " + layout, operands.dtype(), () -> {
            Tensor a = layout.charAt(0) == 'T' ? operands.numbers(k, m).transpose(0, 1) : operands.numbers(m, k);
            Tensor b = layout.charAt(1) == 'T' ? operands.numbers(n, k).transpose(0, 1) : operands.numbers(k, n);
            return List.of(new MatMul(a, b, null));
        });
    }

    private Case vectorProduct(int k, int n, DType type) {
        DType plain = type == DType.F64 ? DType.F64 : DType.F32;
        BenchOperands host = new BenchOperands(Device.CPU, plain);
        return new Case("gemv", "1x" + k + "x" + n + " NT", type, () -> {
            Tensor x = new BenchOperands(device, plain).numbers(1, k);
            List<Op> ops = new ArrayList<>();
            Shape shape = Shape.of(n, k);
            MemorySegment weight = weights.computeIfAbsent(
                    type + " " + shape,
                    key -> Scope.run(() -> kept(host.numbers(n, k).cast(type))));
            for (long at = 0; at < (quick ? QUICK_COLD_BYTES : COLD_BYTES); at += type.bytes(shape)) {
                // The numbers are the same, the memory is not.
                Tensor w = Tensor.from(device, type, shape, weight);
                ops.add(new MatMul(x, w.transpose(0, 1), null));
            }
            return ops;
        });
    }

    private static MemorySegment kept(Tensor t) {
        return Arena.ofAuto().allocate(t.data().byteSize(), Long.BYTES).copyFrom(t.data());
    }

    private void attention(List<Case> all, boolean causal, int b, int t, int h, int d) {
        String shape = b + "x" + t + "x" + h + "x" + d + (causal ? " causal" : "");
        Attention.Options options = new Attention.Options(causal, 1 / Math.sqrt(d), 0, 0, 0);
        all.add(new Case("attention", shape, operands.dtype(), () -> {
            Tensor q = operands.numbers(b, t, h, d);
            return List.of(new Attention.Forward(
                    q, operands.numbers(b, t, h, d), operands.numbers(b, t, h, d), null, null, options));
        }));
        all.add(new Case("attention_grad", shape, operands.dtype(), () -> {
            Tensor q = operands.numbers(b, t, h, d);
            Tensor k = operands.numbers(b, t, h, d);
            Tensor v = operands.numbers(b, t, h, d);
            List<Tensor> y = Tensor.runAll(new Attention.Forward(q, k, v, null, null, options));
            return List.of(
                    new Attention.Gradient(q, k, v, null, y.get(0), y.get(1), operands.numbers(b, t, h, d), options));
        }));
    }

    /** One token that attends to 1024. */
    private Case decoding() {
        return new Case(
                "attention",
                "12x64 at 1024",
                operands.dtype(),
                () -> List.of(new Attention.Forward(
                        operands.numbers(1, 1, 12, 64),
                        operands.numbers(1, 1024, 12, 64),
                        operands.numbers(1, 1024, 12, 64),
                        null,
                        null,
                        Attention.Options.causal(0.125))));
    }
}
