package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.check.Compare;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.Tolerance;
import io.quern.tensor.op.Attention;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Attention by the kernels for Hopper alone, which are asked for, against the scalar twins. */
@Tag("wgmma")
class WgmmaAttentionTest {
    /** Batch, queries, keys, heads, heads of keys, size, whether causal. */
    private static final int[][] SHAPES = {
        {2, 200, 200, 2, 1, 64, 1},
        {1, 40, 300, 2, 2, 64, 0},
        {2, 3, 270, 1, 1, 128, 1},
        {1, 260, 130, 1, 1, 128, 1},
        {1, 136, 8, 2, 2, 64, 1},
        {1, 1, 520, 1, 1, 64, 0},
    };

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    @BeforeEach
    void needsHopper() {
        Assumptions.assumeTrue(CatalogRun.backend().products().hopper(), "the card is not of compute capability 9.0");
        CatalogRun.backend().attention().useHopper(true);
    }

    @AfterEach
    void asBefore() {
        CatalogRun.backend().attention().useHopper(false);
        EmulatedSchedule.set("forward");
    }

    static List<OpCase> cases() {
        Set<DType> halves = EnumSet.of(DType.BF16, DType.F16);
        List<OpCase> all = new ArrayList<>();
        for (int[] s : SHAPES) {
            Attention.Options o = new Attention.Options(s[6] == 1, 1 / Math.sqrt(s[5]), 0, 0, 0);
            for (boolean masked : new boolean[] {false, true}) {
                all.add(new OpCase(
                        "attention " + Arrays.toString(s) + (masked ? ", masked" : ""),
                        halves,
                        Set.of(),
                        d -> List.of(
                                d.normal(s[0], s[1], s[3], s[5]),
                                d.normal(s[0], s[2], s[4], s[5]),
                                d.normal(s[0], s[2], s[4], s[5]),
                                d.ints(2, s[0], s[2])),
                        t -> new Attention.Forward(t.get(0), t.get(1), t.get(2), masked ? t.get(3) : null, null, o)));
            }
        }
        Attention.Options causal = Attention.Options.causal(0.125);
        all.add(new OpCase(
                "views of one tensor",
                halves,
                Set.of(),
                d -> List.of(d.normal(2, 150, 3, 2, 64)),
                t -> new Attention.Forward(
                        t.get(0).select(2, 0), t.get(0).select(2, 1), t.get(0).select(2, 2), null, null, causal)));
        return all;
    }

    @ParameterizedTest
    @CsvSource({"BF16, forward", "F16, backward", "BF16, 7"})
    void agreesWithTheTwins(DType dtype, String order) {
        EmulatedSchedule.set(order);
        List<String> wrong = new ArrayList<>();
        Set<String> launched = new HashSet<>();
        for (OpCase c : cases()) {
            launched.clear();
            CatalogRun.backend().card().watch(launched::add);
            try {
                wrong.addAll(Scope.run(() -> compare(c, dtype)));
            } finally {
                CatalogRun.backend().card().watch(null);
            }
            assertTrue(launched.stream().anyMatch(k -> k.startsWith("attention_wgmma_")), c.name() + ": " + launched);
        }
        assertEquals("", String.join("\n", wrong));
    }

    /** The twins do not round the weights to 16 bits: outputs, sums of values by weights, may be off by such a rounding. */
    static List<String> compare(OpCase c, DType dtype) {
        List<Tensor> want = c.run(c.operands(CatalogRun.SEED, dtype, Device.CPU));
        List<Tensor> got = c.run(c.operands(CatalogRun.SEED, dtype, CatalogRun.CUDA));
        double rounding = dtype == DType.BF16 ? 0x1p-8 : 0x1p-11;
        List<Tolerance> tolerances = List.of(new Tolerance(rounding, 2 * rounding), new Tolerance(1e-5, 1e-5));
        List<String> wrong = new ArrayList<>();
        for (int i = 0; i < want.size(); i++) {
            Compare.Result r = Compare.tensors(
                    c.name() + " " + dtype + " result " + i, want.get(i), got.get(i), tolerances.get(i));
            if (!r.ok()) {
                wrong.add(r.message());
            }
        }
        return wrong;
    }
}
