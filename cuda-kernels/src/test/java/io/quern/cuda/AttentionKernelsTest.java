package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.check.Draw;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.op.Attention;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention on the tensor cores, over several tiles, against the scalar twins. */
@Tag("gpu")
class AttentionKernelsTest {
    private static final Set<DType> HALF = EnumSet.of(DType.BF16, DType.F16);

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    /** Sizes of B, T, S, H, G, D. */
    private record Sizes(int b, int t, int s, int h, int g, int d) {}

    private static final List<Sizes> SIZES = List.of(
            new Sizes(1, 150, 150, 1, 1, 64),
            new Sizes(2, 37, 101, 4, 2, 24),
            new Sizes(1, 70, 130, 2, 1, 128),
            new Sizes(1, 90, 20, 1, 1, 32),
            new Sizes(2, 2, 65, 2, 2, 80));

    private static List<Tensor> operands(Draw d, Sizes z, boolean masked) {
        List<Tensor> all = new ArrayList<>(List.of(
                d.normal(z.b, z.t, z.h, z.d),
                d.normal(z.b, z.s, z.g, z.d),
                d.normal(z.b, z.s, z.g, z.d),
                d.normal(z.b, z.t, z.h, z.d)));
        if (masked) {
            all.add(d.ints(2, z.b, z.s));
        }
        return all;
    }

    static List<OpCase> cases() {
        List<OpCase> all = new ArrayList<>();
        for (Sizes z : SIZES) {
            for (boolean causal : new boolean[] {false, true}) {
                boolean masked = z.b > 1;
                double dropout = z.d == 64 || z.b > 1 ? 0.25 : 0;
                Attention.Options o = new Attention.Options(causal, 1 / Math.sqrt(z.d), dropout, 11, 3);
                String name = z + (causal ? " causal" : "") + (masked ? " masked" : "");
                all.add(new OpCase(
                        "attention " + name,
                        HALF,
                        Set.of(),
                        d -> operands(d, z, masked),
                        t -> new Attention.Forward(t.get(0), t.get(1), t.get(2), masked ? t.get(4) : null, null, o)));
                all.add(new OpCase(
                        "attention_grad " + name,
                        HALF,
                        Set.of(),
                        d -> withResults(operands(d, z, masked), masked, o),
                        t -> {
                            int n = t.size();
                            return new Attention.Gradient(
                                    t.get(0),
                                    t.get(1),
                                    t.get(2),
                                    masked ? t.get(4) : null,
                                    t.get(n - 2),
                                    t.get(n - 1),
                                    t.get(3),
                                    o);
                        }));
            }
        }
        return all;
    }

    /** The results of the forward run are the twins' on both devices. */
    private static List<Tensor> withResults(List<Tensor> operands, boolean masked, Attention.Options o) {
        Device device = operands.getFirst().device();
        List<Tensor> host = operands.stream().map(t -> t.to(Device.CPU)).toList();
        List<Tensor> y = Tensor.runAll(
                new Attention.Forward(host.get(0), host.get(1), host.get(2), masked ? host.get(4) : null, null, o));
        List<Tensor> all = new ArrayList<>(operands);
        y.forEach(t -> all.add(t.to(device)));
        return all;
    }

    @Test
    void agreesWithTheTwins() {
        List<String> wrong = new ArrayList<>();
        int ran = 0;
        for (String order : List.of("forward", "7")) {
            EmulatedSchedule.set(order);
            for (OpCase c : cases()) {
                for (DType dtype : HALF) {
                    wrong.addAll(Scope.run(() -> CatalogRun.compare(c, dtype)));
                    ran++;
                }
            }
        }
        System.out.println("attention on tensor cores: " + ran + " cases");
        assertEquals("", String.join("\n", wrong));
    }

    /** Where rows are no whole pieces of 16 bytes, or there is one query, the plain kernel runs. */
    @ParameterizedTest
    @CsvSource({
        "BF16, 5, 16, attention_mma_d64_bf16", "F16, 2, 72, attention_mma_d128_f16", "BF16, 5, 12, attention_d64_bf16",
        "BF16, 1, 16, attention_d64_bf16", "F32, 5, 16, attention_d64_f32", "F64, 5, 128, attention_d128_f64"
    })
    void theKernelIsThatForDtypeAndAlignment(DType dtype, int queries, int size, String kernel) {
        Attention.Options o = new Attention.Options(true, 0.25, 0, 0, 0);
        Scope.run(() -> {
            Tensor x = Tensor.zeros(CatalogRun.CUDA, dtype, Shape.of(1, queries, 2, size));
            Tensor.runAll(new Attention.Forward(x, x, x, null, null, o));
            assertEquals(kernel, CatalogRun.backend().card().lastKernel());
            return null;
        });
    }
}
