package io.quern.cuda;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/**
 * Measures kernels of a card: what moves memory against a measured copy, matrix products by our kernels against cuBLAS,
 * attention. An operation is started many times in a row and waited for once, as in a training step, so the time is that of
 * the device unless starting takes longer; the median of {@value #ROUNDS} rounds counts. The names of rows and the shapes are
 * those of {@code gpu-peers.py}. On the emulated device shapes are tiny and times mean nothing.
 */
final class GpuBench {
    private static final int ROUNDS = 5;
    private static final double ROUND_SECONDS = 0.05;
    private static final int MOST_RUNS = 2000;

    /** A prime, so that no two rows of a matrix are equal. */
    private static final int NOISE = 1_048_573;

    private final CudaBackend backend;
    private final Device device;
    private final String part;
    private final GpuResults results;
    private final boolean tiny;
    private final Tensor noise;
    private double copyGbs;

    GpuBench(CudaBackend backend, String part, GpuResults results) {
        this.backend = backend;
        this.device = backend.device();
        this.part = part;
        this.results = results;
        this.tiny = backend.description().startsWith("emulated");
        try (Tensor host = Tensor.randn(new Rng(1), 1, tiny ? 997 : NOISE)) {
            noise = host.to(device).keep();
        }
    }

    /** Operations that are bound by memory, as fractions of a copy's speed. */
    void memory() {
        int rows = tiny ? 8 : 65536;
        int wide = tiny ? 96 : 768;
        int vocabulary = tiny ? 101 : 50257;
        int tokens = tiny ? 8 : 8192;
        int params = tiny ? 1000 : 124_439_808;
        row("copy", DType.F32, () -> {
            Tensor from = numbers(DType.F32, rows, 4 * wide);
            Tensor to = Tensor.empty(device, DType.F32, from.shape());
            return new Update.Assign(to, from);
        });
        for (DType t : List.of(DType.F32, DType.BF16)) {
            row(
                    "add",
                    t,
                    () -> new Elementwise.Binary(
                            Elementwise.BinaryKind.ADD, numbers(t, rows, wide), numbers(t, rows, wide)));
            row("gelu_tanh", t, () -> new Elementwise.Unary(Elementwise.UnaryKind.GELU_TANH, numbers(t, rows, wide)));
            row("layer_norm", t, () -> layerNorm(t, rows, wide));
            row("layer_norm_grad", t, () -> {
                List<Tensor> y = Tensor.runAll(layerNorm(t, rows, wide));
                return new Norm.LayerNormGrad(
                        numbers(t, rows, wide), numbers(t, wide), y.get(1), y.get(2), numbers(t, rows, wide));
            });
            row("rms_norm", t, () -> new Norm.RmsNorm(numbers(t, rows, wide), numbers(t, wide), 1e-5));
            row("softmax", t, () -> new Reduce.Softmax(numbers(t, rows / 4, 4 * wide), false));
            row("cross_entropy", t, () -> crossEntropy(t, tokens, vocabulary));
            row("cross_entropy_grad", t, () -> {
                Loss.CrossEntropy forward = crossEntropy(t, tokens, vocabulary);
                return gradient(forward, Tensor.runAll(forward));
            });
        }
        row("adamw", DType.F32, () -> {
            Tensor p = numbers(DType.F32, params);
            Tensor v = Tensor.zeros(device, DType.F32, p.shape());
            Tensor m = Tensor.zeros(device, DType.F32, p.shape());
            return new Update.AdamW(
                    List.of(p),
                    List.of(numbers(DType.F32, params)),
                    List.of(m),
                    List.of(v),
                    List.of(0.1),
                    1e-4,
                    0.9,
                    0.95,
                    1e-8,
                    1,
                    1);
        });
    }

    private Norm.LayerNorm layerNorm(DType t, int rows, int wide) {
        return new Norm.LayerNorm(numbers(t, rows, wide), numbers(t, wide), numbers(t, wide), 1e-5);
    }

    private Loss.CrossEntropy crossEntropy(DType t, int tokens, int vocabulary) {
        int[] ids = new int[tokens];
        for (int i = 0; i < tokens; i++) {
            ids[i] = (int) Long.remainderUnsigned(Rng.bits(1, 2, i), vocabulary);
        }
        return new Loss.CrossEntropy(
                numbers(t, tokens, vocabulary), Tensor.of(ids, tokens).to(device), null, -100, 0);
    }

    /** The operation that the tape would run for the gradient of a mean loss. */
    private Op gradient(Loss.CrossEntropy forward, List<Tensor> results) {
        return new Loss.CrossEntropyGrad(
                forward.logits(),
                forward.targets(),
                forward.classWeights(),
                results.get(1),
                Tensor.full(device, results.get(0).dtype(), results.get(0).shape(), 1),
                forward.ignoreIndex(),
                forward.smoothing());
    }

    /** Products of matrices in row-major order, and with the second one transposed, by cuBLAS and by our kernels. */
    void products() {
        boolean tf32 = Boolean.getBoolean("quern.cuda.tf32");
        List<int[]> shapes = tiny
                ? List.of(new int[] {64, 64, 64}, new int[] {33, 65, 17})
                : List.of(
                        new int[] {1024, 1024, 1024},
                        new int[] {4096, 4096, 4096},
                        new int[] {8192, 8192, 8192},
                        new int[] {8192, 768, 2304},
                        new int[] {8192, 768, 50257},
                        new int[] {1, 768, 50257});
        for (DType t : tf32 ? List.of(DType.F32) : List.of(DType.BF16, DType.F16, DType.F32)) {
            for (int[] s : shapes) {
                for (boolean transposed : new boolean[] {false, true}) {
                    product(t, tf32, s[0], s[1], s[2], transposed);
                }
            }
        }
    }

    private void product(DType t, boolean tf32, int m, int k, int n, boolean transposed) {
        String name = m + "x" + k + "x" + n + (transposed ? " NT" : " NN");
        Supplier<Op> make = () ->
                new MatMul(numbers(t, m, k), transposed ? numbers(t, n, k).transpose(0, 1) : numbers(t, k, n), null);
        String dtype = tf32 ? "TF32" : t.name();
        Scope.run(() -> Tape.noGrad(() -> {
            try {
                Op op = make.get();
                backend.products().choose(ProductChooser.Choice.CUBLAS);
                Tensor want = null;
                if (backend.products().hasCublas()) {
                    want = Tensor.runAll(op).getFirst();
                    report(name, dtype, "cuBLAS", op, seconds(op), null);
                }
                backend.products().choose(ProductChooser.Choice.OWN);
                Tensor got = Tensor.runAll(op).getFirst();
                if (!tf32 || backend.products().last().startsWith("tf32")) {
                    report(name, dtype, "own", op, seconds(op), want == null ? null : difference(want, got));
                }
                for (MatMulKernel also : List.of(MatMulKernel.WGMMA_256, MatMulKernel.WGMMA_128)) {
                    backend.products().choose(ProductChooser.Choice.OWN, also);
                    Tensor other =
                            backend.products().hopper() ? Tensor.runAll(op).getFirst() : null;
                    if (other != null && backend.products().last().equals(also.label())) {
                        report(
                                name,
                                dtype,
                                also.label(),
                                op,
                                seconds(op),
                                difference(want == null ? got : want, other));
                    }
                }
            } catch (TensorException e) {
                failed(name, dtype, e);
            }
            return null;
        }));
        backend.trim();
    }

    /** Norm of the difference over the norm of what is wanted. */
    private static double difference(Tensor want, Tensor got) {
        Tensor w = want.cast(DType.F32);
        double off = Tensor.run(new Reduce.SquaredNorm(List.of(w.sub(got.cast(DType.F32)))))
                .item();
        return Math.sqrt(off / Tensor.run(new Reduce.SquaredNorm(List.of(w))).item());
    }

    /** Causal attention, forward and backward, in the shapes of GPT-2 and of wider heads. */
    void attention() {
        List<int[]> shapes = tiny
                ? List.of(new int[] {1, 32, 2, 16})
                : List.of(new int[] {8, 1024, 12, 64}, new int[] {4, 4096, 16, 128});
        for (DType t : List.of(DType.BF16, DType.F32)) {
            for (int[] s : shapes) {
                String name = s[0] + "x" + s[1] + "x" + s[2] + "x" + s[3];
                Attention.Options causal = Attention.Options.causal(1 / Math.sqrt(s[3]));
                row(
                        "forward " + name,
                        t,
                        () -> new Attention.Forward(numbers(t, s), numbers(t, s), numbers(t, s), null, null, causal));
                row("backward " + name, t, () -> {
                    Tensor q = numbers(t, s);
                    Tensor k = numbers(t, s);
                    Tensor v = numbers(t, s);
                    List<Tensor> y = Tensor.runAll(new Attention.Forward(q, k, v, null, null, causal));
                    return new Attention.Gradient(q, k, v, null, y.get(0), y.get(1), numbers(t, s), causal);
                });
            }
        }
    }

    private void row(String name, DType dtype, Supplier<Op> make) {
        Scope.run(() -> Tape.noGrad(() -> {
            try {
                Op op = make.get();
                report(name, dtype.name(), "own", op, seconds(op), null);
            } catch (TensorException e) {
                failed(name, dtype.name(), e);
            }
            return null;
        }));
        backend.trim();
    }

    private double seconds(Op op) {
        for (int i = 0; i < 3; i++) {
            start(op);
        }
        backend.synchronize();
        long before = System.nanoTime();
        start(op);
        backend.synchronize();
        double once = (System.nanoTime() - before) / 1e9;
        int runs = tiny ? 1 : (int) Math.clamp(ROUND_SECONDS / once, 1, MOST_RUNS);
        double[] rounds = new double[tiny ? 1 : ROUNDS];
        for (int r = 0; r < rounds.length; r++) {
            before = System.nanoTime();
            for (int i = 0; i < runs; i++) {
                start(op);
            }
            backend.synchronize();
            rounds[r] = (System.nanoTime() - before) / 1e9 / runs;
        }
        Arrays.sort(rounds);
        return rounds[rounds.length / 2];
    }

    private static void start(Op op) {
        Scope.run(() -> Tensor.runAll(op).size());
    }

    private void report(String name, String dtype, String impl, Op op, double seconds, Double difference) {
        double gbs = op.bytes() / 1e9 / seconds;
        if (name.equals("copy")) {
            copyGbs = gbs;
        }
        Map<String, Object> line = line(name, dtype, impl);
        line.put("ms", 1e3 * seconds);
        line.put("tflops", op.flops() / 1e12 / seconds);
        line.put("gb_s", gbs);
        if (copyGbs > 0) {
            line.put("of_copy", gbs / copyGbs);
        }
        if (difference != null) {
            line.put("difference", difference);
        }
        results.add(line);
        System.out.println(String.format(
                Locale.ROOT,
                "%-28s %-5s %-7s %10.4f ms %9.2f TFLOP/s %9.1f GB/s%s",
                name,
                dtype,
                impl,
                1e3 * seconds,
                op.flops() / 1e12 / seconds,
                gbs,
                copyGbs > 0 ? String.format(Locale.ROOT, " %5.2f of copy", gbs / copyGbs) : ""));
    }

    private void failed(String name, String dtype, TensorException e) {
        Map<String, Object> line = line(name, dtype, "own");
        line.put("error", e.getMessage());
        results.add(line);
        System.out.println(name + " " + dtype + ": " + e.getMessage());
    }

    private Map<String, Object> line(String name, String dtype, String impl) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("part", part);
        line.put("name", name);
        line.put("dtype", dtype);
        line.put("impl", impl);
        return line;
    }

    /** Normal numbers, the same few again and again. */
    private Tensor numbers(DType dtype, int... dims) {
        int n = Math.toIntExact(Shape.of(dims).size());
        int length = noise.dim(0);
        int rows = (n + length - 1) / length;
        Tensor many = noise.reshape(1, length).expand(Shape.of(rows, length)).copy();
        return many.reshape(rows * length).narrow(0, 0, n).reshape(dims).cast(dtype);
    }
}
