package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Elementwise.UnaryKind;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Vector kernels on sizes of GPT-2 (124M): 512 rows, 768 channels, 12 heads of 64, 50257 classes. Results go to the same
 * memory every time, so that neither allocation nor the tape is measured. {@code -p threads=2} shares the work.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(
        value = 1,
        jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"})
public class KernelBenchmark {
    /** What runs; the sizes are in the names of {@link #build}. */
    @Param({
        "gelu_tanh",
        "gelu_tanh_grad",
        "gelu",
        "add",
        "add_row",
        "dropout",
        "softmax",
        "layer_norm",
        "layer_norm_grad",
        "sum_rows",
        "cross_entropy",
        "cross_entropy_grad",
        "adamw",
        "attention",
        "attention_grad",
        "decode",
        "cast_bf16",
        "transpose"
    })
    public String kernel;

    @Param("1")
    public int threads;

    private final Kernels kernels = new VectorKernels();
    private Op op;
    private Tensor[] in;
    private Tensor[] out;

    @Setup
    public void setUp() {
        Workers.setThreads(threads);
        op = build(kernel);
        in = op.inputs().toArray(new Tensor[0]);
        out = op.outputs().stream()
                .map(s -> Tensor.empty(Device.CPU, s.dtype(), s.shape()))
                .toArray(Tensor[]::new);
    }

    @Benchmark
    public Object run() {
        kernels.run(op, in, out);
        return out;
    }

    private static Tensor normal(int... dims) {
        return Tensor.randn(new Rng(1), 1, dims);
    }

    private static Op build(String kernel) {
        return switch (kernel) {
            case "gelu_tanh" -> new Elementwise.Unary(UnaryKind.GELU_TANH, normal(512, 3072));
            case "gelu_tanh_grad" ->
                new Elementwise.UnaryGrad(UnaryKind.GELU_TANH, normal(512, 3072), normal(512, 3072));
            case "gelu" -> new Elementwise.Unary(UnaryKind.GELU, normal(512, 3072));
            case "add" -> new Elementwise.Binary(Elementwise.BinaryKind.ADD, normal(512, 3072), normal(512, 3072));
            case "add_row" -> new Elementwise.Binary(Elementwise.BinaryKind.ADD, normal(512, 3072), normal(3072));
            case "dropout" -> new Elementwise.Dropout(normal(512, 768), 0.1, 1, 2);
            case "softmax" -> new Reduce.Softmax(normal(512, 1024), false);
            case "layer_norm" -> new Norm.LayerNorm(normal(512, 768), normal(768), normal(768), 1e-5);
            case "layer_norm_grad" ->
                new Norm.LayerNormGrad(normal(512, 768), normal(768), normal(512), normal(512), normal(512, 768));
            case "sum_rows" -> new Reduce.Axes(Reduce.Kind.SUM, normal(512, 3072), List.of(0));
            case "cross_entropy" -> new Loss.CrossEntropy(normal(64, 50257), targets(), null, -100, 0);
            case "cross_entropy_grad" ->
                new Loss.CrossEntropyGrad(
                        normal(64, 50257), targets(), null, filled(11.3, 64), filled(0.01, 64), -100, 0);
            case "adamw" ->
                new Update.AdamW(
                        List.of(normal(1 << 23)),
                        List.of(normal(1 << 23)),
                        List.of(normal(1 << 23)),
                        List.of(filled(1e-3, 1 << 23)),
                        List.of(0.1),
                        1e-9,
                        0.9,
                        0.999,
                        1e-8,
                        1,
                        3);
            case "attention" -> attention(1, 512, 512);
            case "attention_grad" -> {
                Attention.Forward f = attention(1, 512, 512);
                List<Tensor> result = Tensor.runAll(f);
                yield new Attention.Gradient(
                        f.q(), f.k(), f.v(), null, result.get(0), result.get(1), normal(1, 512, 12, 64), f.options());
            }
            case "decode" -> attention(1, 1, 1024);
            case "cast_bf16" -> new Elementwise.Cast(normal(512, 3072), DType.BF16);
            case "transpose" -> new Index.Pack(normal(512, 3072).transpose(0, 1));
            default -> throw new IllegalArgumentException("no kernel " + kernel);
        };
    }

    private static Attention.Forward attention(int batch, int queries, int keys) {
        return new Attention.Forward(
                normal(batch, queries, 12, 64),
                normal(batch, keys, 12, 64),
                normal(batch, keys, 12, 64),
                null,
                null,
                Attention.Options.causal(0.125));
    }

    private static Tensor targets() {
        int[] t = new int[64];
        Arrays.setAll(t, i -> i * 700);
        return Tensor.of(t, 64);
    }

    private static Tensor filled(double value, int n) {
        return Tensor.full(Device.CPU, DType.F32, Shape.of(n), value);
    }
}
