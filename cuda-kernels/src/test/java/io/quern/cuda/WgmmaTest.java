package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.cuda.driver.Driver;
import io.quern.tensor.DType;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.spi.Tunable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Products by the kernels for Hopper alone, against the scalar twins; on other cards there are none. */
@Tag("wgmma")
class WgmmaTest {
    /** M, K, N: one product deep; borders everywhere, several tiles for each block; more slices than stages; one row. */
    private static final int[][] SIZES = {{64, 16, 8}, {264, 200, 520}, {72, 520, 136}, {1, 64, 264}};

    private static final Set<DType> HALVES = EnumSet.of(DType.BF16, DType.F16);

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    @BeforeEach
    void needsHopper() {
        Assumptions.assumeTrue(CatalogRun.backend().products().hopper(), "the card is not of compute capability 9.0");
    }

    @AfterEach
    void asBefore() {
        products().choose(ProductChooser.Choice.AUTO);
        EmulatedSchedule.set("forward");
    }

    private static ProductChooser products() {
        return CatalogRun.backend().products();
    }

    private static OpCase product(
            String name, int[] a, int[] b, Function<Tensor, Tensor> seeA, Function<Tensor, Tensor> seeB, boolean bias) {
        int n = b.length == 0 ? 0 : b[b.length - 1];
        return new OpCase(
                name,
                EnumSet.copyOf(HALVES),
                Set.of(),
                d -> List.of(d.normal(a), d.normal(b), d.normal(n)),
                t -> new MatMul(seeA.apply(t.get(0)), seeB.apply(t.get(1)), bias ? t.get(2) : null));
    }

    /** What the kernels take. */
    static List<OpCase> cases() {
        List<OpCase> all = new ArrayList<>();
        for (int[] s : SIZES) {
            for (int layout = 0; layout < 4; layout++) {
                boolean ta = (layout & 1) != 0;
                boolean tb = (layout & 2) != 0;
                if (ta && s[0] % 8 != 0) {
                    continue;
                }
                all.add(product(
                        "matmul " + List.of(s[0], s[1], s[2]) + (ta ? ", a transposed" : "")
                                + (tb ? ", b transposed" : ""),
                        ta ? new int[] {s[1], s[0]} : new int[] {s[0], s[1]},
                        tb ? new int[] {s[2], s[1]} : new int[] {s[1], s[2]},
                        a -> ta ? a.transpose(0, 1) : a,
                        b -> tb ? b.transpose(0, 1) : b,
                        !tb));
            }
        }
        all.add(product(
                "n is no multiple of 8",
                new int[] {40, 32},
                new int[] {13, 32},
                a -> a,
                b -> b.transpose(0, 1),
                false));
        all.add(product(
                "head views, two counts",
                new int[] {2, 24, 3, 16},
                new int[] {2, 40, 3, 16},
                a -> a.permute(0, 2, 1, 3),
                b -> b.permute(0, 2, 3, 1),
                false));
        all.add(product(
                "b without the outer count", new int[] {2, 3, 40, 16}, new int[] {3, 16, 24}, a -> a, b -> b, false));
        all.add(product(
                "b without the inner count",
                new int[] {2, 3, 40, 16},
                new int[] {2, 1, 16, 24},
                a -> a,
                b -> b,
                false));
        return all;
    }

    @ParameterizedTest
    @CsvSource({"WGMMA_256, forward", "WGMMA_128, forward", "WGMMA_256, 7", "WGMMA_128, backward"})
    void agreesWithTheTwins(MatMulKernel kernel, String order) {
        EmulatedSchedule.set(order);
        products().choose(ProductChooser.Choice.OWN, kernel);
        List<String> wrong = new ArrayList<>();
        for (OpCase c : cases()) {
            // Other numbers are the same but for how they are read.
            DType dtype = order.equals("forward") ? DType.BF16 : DType.F16;
            wrong.addAll(Scope.run(() -> CatalogRun.compare(c, dtype)));
            assertEquals(kernel.label(), products().last(), c.name());
        }
        assertEquals("", String.join("\n", wrong));
    }

    @Test
    void whatTensorMapsCannotDescribeIsDoneByOthers() {
        products().choose(ProductChooser.Choice.OWN, MatMulKernel.WGMMA_256);
        List<OpCase> others = List.of(
                product("rows of 12", new int[] {16, 12}, new int[] {12, 16}, a -> a, b -> b, true),
                product(
                        "three counts",
                        new int[] {2, 2, 2, 24, 16},
                        new int[] {2, 2, 2, 16, 24},
                        a -> a.permute(2, 1, 0, 3, 4),
                        b -> b,
                        false));
        for (OpCase c : others) {
            assertEquals(List.of(), Scope.run(() -> CatalogRun.compare(c, DType.BF16)), c.name());
            assertTrue(
                    products().last().startsWith("mma"),
                    c.name() + " by " + products().last());
        }
        Scope.run(() -> Tensor.run(new MatMul(noise(DType.F32, 40, 16), noise(DType.F32, 16, 24), null))
                .size());
        assertEquals("tile", products().last());
    }

    private static Tensor noise(DType dtype, int... dims) {
        return Tensor.randn(new Rng(3), 1, dims).cast(dtype).to(CatalogRun.CUDA);
    }

    private static String chosen(ProductChooser chooser, boolean cublas) {
        return Scope.run(() -> {
            Tensor a = noise(DType.BF16, 256, 64);
            Tensor b = noise(DType.BF16, 64, 256);
            chooser.pick(MatMulProblem.of(a, b, null, a.matmul(b)), cublas);
            return chooser.last();
        });
    }

    @Test
    void theyAreTakenByNameAndNotByRuleNorOnOtherCards() {
        KernelTable empty = new KernelTable();
        ProductChooser there = new ProductChooser(4, true, false, true, empty);
        assertEquals("cublas", chosen(there, true));
        assertEquals("mma128", chosen(there, false));
        there.choose("own:wgmma256");
        assertEquals("wgmma256", chosen(there, true));
        ProductChooser elsewhere = new ProductChooser(4, true, false, false, empty);
        elsewhere.choose("own:wgmma128");
        String message = assertThrows(TensorException.class, () -> chosen(elsewhere, true))
                .getMessage();
        assertTrue(message.contains("runs only on cards of compute capability 9.0"), message);
        assertTrue(message.contains("mma128, mma64, mma_any, tile can do the product"), message);
        KernelTable table = new KernelTable();
        Scope.run(() -> {
            Tensor a = noise(DType.BF16, 256, 64);
            Tensor b = noise(DType.BF16, 64, 256);
            table.products()
                    .put(
                            ProductClass.of(MatMulProblem.of(a, b, null, a.matmul(b)), false),
                            new KernelTable.Row("x", Map.of("wgmma256", 1.0, "mma64", 2.0)));
            return null;
        });
        assertEquals("wgmma256", chosen(new ProductChooser(4, true, false, true, table), true));
        assertEquals("mma64", chosen(new ProductChooser(4, true, false, false, table), true));
    }

    /** Several tiles for each block, of which a card has many. */
    @ParameterizedTest
    @ValueSource(strings = {"nn", "nt", "tn", "tt"})
    void manyTilesAreThoseOfThePlainKernel(String layout) {
        int[] s = Emulator.isCard() ? new int[] {8200, 1032, 4104} : new int[] {264, 72, 520};
        boolean ta = layout.charAt(0) == 't';
        boolean tb = layout.charAt(1) == 't';
        for (MatMulKernel kernel : List.of(MatMulKernel.WGMMA_256, MatMulKernel.WGMMA_128)) {
            double off = Scope.run(() -> {
                Tensor a = ta ? noise(DType.BF16, s[1], s[0]).transpose(0, 1) : noise(DType.BF16, s[0], s[1]);
                Tensor b = tb ? noise(DType.BF16, s[2], s[1]).transpose(0, 1) : noise(DType.BF16, s[1], s[2]);
                products().choose(ProductChooser.Choice.OWN, MatMulKernel.TILE);
                Tensor want = Tensor.run(new MatMul(a, b, null));
                products().choose(ProductChooser.Choice.OWN, kernel);
                Tensor got = Tensor.run(new MatMul(a, b, null));
                assertEquals(kernel.label(), products().last());
                return KernelTuner.difference(want, got);
            });
            assertTrue(off < 1e-2, kernel + " is off by " + off);
        }
    }

    /** A kernel that is off in one row of one tile is measured to be so, one that faults is reported; neither is taken. */
    @Test
    void aBadKernelDoesNotComeIntoTheTable() throws Exception {
        Emulator.requireBuild();
        assertTrue(tuned().containsAll(List.of("wgmma128", "wgmma256")));
        Path work = Files.createTempDirectory(EmulatorBuild.TARGET, "bad");
        for (Path source : EmulatorBuild.files(EmulatorBuild.KERNELS, "cu|cuh")) {
            Files.copy(source, work.resolve(source.getFileName()));
        }
        Path source = work.resolve("matmul_wgmma.cu");
        String text = Files.readString(source);
        String right = "round_pair(x[0] + first,";
        assertTrue(text.contains(right) && text.contains("group_commit();"));
        Files.writeString(
                source,
                text.replace(right, "round_pair(x[0] + first + (row + lane == 128 ? 2 : 0),")
                        .replace("group_commit();", "if (TILE_N == 128) { group_commit(); }")
                        .replace("MATMUL_WGMMAS(f16, f16)", ""));
        EmulatedSchedule.replace(EmulatorBuild.replacement(source, work, Emulator.folder()));
        try {
            String message =
                    assertThrows(TensorException.class, WgmmaTest::tuned).getMessage();
            assertTrue(message.startsWith("the kernel wgmma256 fails in a product of [256, 32] times"), message);
            assertTrue(message.endsWith("Go without it by -Dquern.cuda.wgmma=off"), message);
            EmulatedSchedule.forgive(true);
            List<String> left = tuned();
            assertFalse(left.contains("wgmma128") || left.contains("wgmma256"), left.toString());
            assertTrue(left.contains("mma128"), left.toString());
        } finally {
            EmulatedSchedule.replace(null);
            EmulatedSchedule.forgive(false);
        }
    }

    private static List<String> tuned() {
        CudaBackend backend = CatalogRun.backend();
        KernelTuner tuner = new KernelTuner(
                backend.card(), backend.products(), new CudaBackend(Driver.get().open(0), 0).kernelChoices());
        return Scope.run(() -> Tape.noGrad(() ->
                tuner
                        .tune(List.of(new MatMul(noise(DType.BF16, 256, 32), noise(DType.BF16, 32, 128), null)), 1e-6)
                        .stream()
                        .map(Tunable.Timing::variant)
                        .toList()));
    }
}
