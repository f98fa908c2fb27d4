package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.OpCatalog;
import io.quern.tensor.op.MatMul;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Each of our own kernels of matrix products, on all that it takes, against the scalar twins; those for Hopper have
 * {@link WgmmaTest}.
 */
@Tag("gpu")
class MatMulKernelsTest {
    /** M, K, N: more than a tile and odd; whole tiles; whole pieces of 8; few rows. */
    private static final int[][] SIZES = {{136, 104, 72}, {67, 40, 130}, {8, 72, 200}, {1, 1032, 40}, {4, 264, 24}};

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    @AfterEach
    void asBefore() {
        CatalogRun.backend().products().choose(ProductChooser.Choice.AUTO);
        MatMulKernel.allowTf32(false);
    }

    /** Products large enough for several tiles and slices, in the four layouts, with a bias, in batches. */
    static List<OpCase> cases() {
        List<OpCase> all = new ArrayList<>();
        for (int[] s : SIZES) {
            for (int layout = 0; layout < 4; layout++) {
                boolean ta = (layout & 1) != 0;
                boolean tb = (layout & 2) != 0;
                boolean bias = layout == 0;
                all.add(new OpCase(
                        "matmul " + List.of(s[0], s[1], s[2]) + (ta ? ", a transposed" : "")
                                + (tb ? ", b transposed" : ""),
                        EnumSet.of(DType.F32, DType.BF16, DType.F16),
                        Set.of(),
                        d -> List.of(
                                ta ? d.normal(s[1], s[0]) : d.normal(s[0], s[1]),
                                tb ? d.normal(s[2], s[1]) : d.normal(s[1], s[2]),
                                d.normal(s[2])),
                        t -> new MatMul(
                                ta ? t.get(0).transpose(0, 1) : t.get(0),
                                tb ? t.get(1).transpose(0, 1) : t.get(1),
                                bias ? t.get(2) : null)));
            }
        }
        all.add(new OpCase(
                "matmul of head views",
                EnumSet.of(DType.F32, DType.BF16, DType.F16),
                Set.of(),
                d -> List.of(d.normal(2, 24, 3, 16), d.normal(2, 40, 3, 16)),
                t -> new MatMul(t.get(0).permute(0, 2, 1, 3), t.get(1).permute(0, 2, 3, 1), null)));
        return all;
    }

    @ParameterizedTest
    @EnumSource(
            value = MatMulKernel.class,
            mode = EnumSource.Mode.EXCLUDE,
            names = {"WGMMA_256", "WGMMA_128"})
    void agreesWithTheTwins(MatMulKernel kernel) {
        EmulatedSchedule.set("11");
        ProductChooser products = CatalogRun.backend().products();
        products.choose(ProductChooser.Choice.OWN, kernel);
        int ran = 0;
        List<String> wrong = new ArrayList<>();
        for (OpCase c : cases()) {
            for (DType dtype : dtypes(kernel)) {
                wrong.addAll(compare(c, kernel, dtype));
                ran += products.last().equals(kernel.label()) ? 1 : 0;
            }
        }
        for (OpCase c : OpCatalog.all()) {
            DType dtype = dtypes(kernel).getFirst();
            if (c.name().startsWith("matmul") && kernel != MatMulKernel.MMA_128 && kernel != MatMulKernel.TILE) {
                wrong.addAll(compare(c, kernel, dtype));
                ran += products.last().equals(kernel.label()) ? 1 : 0;
            }
        }
        System.out.println("matrix products by " + kernel.label() + ": " + ran + " cases");
        assertEquals("", String.join("\n", wrong));
        assertTrue(ran >= 8, ran + " cases");
    }

    private static boolean isTf32(MatMulKernel kernel) {
        return kernel == MatMulKernel.TF32_128 || kernel == MatMulKernel.TF32_64;
    }

    /** What is wrong with a product by the kernel; for TF32 the twins get factors that are rounded to it. */
    static List<String> compare(OpCase c, MatMulKernel kernel, DType dtype) {
        MatMulKernel.allowTf32(isTf32(kernel));
        if (isTf32(kernel)) {
            List<String> wrong = Scope.run(() -> CatalogRun.compare(rounded(c), dtype));
            if (CatalogRun.backend().products().last().equals(kernel.label())) {
                return wrong;
            }
        }
        return Scope.run(() -> CatalogRun.compare(c, dtype));
    }

    private static OpCase rounded(OpCase c) {
        return new OpCase(
                c.name(),
                c.dtypes(),
                c.differentiable(),
                d -> rounded(c.operands().apply(d)),
                c::op);
    }

    /** The device gets the factors as they are, and must round them the same. */
    private static List<Tensor> rounded(List<Tensor> operands) {
        List<Tensor> all = new ArrayList<>(operands);
        for (int i = 0; i < 2; i++) {
            Tensor t = all.get(i);
            if (t.device().equals(Device.CPU)) {
                float[] x = t.toFloats();
                for (int j = 0; j < x.length; j++) {
                    x[j] = Float.intBitsToFloat(Float.floatToRawIntBits(x[j]) + 0x1000 & ~0x1FFF);
                }
                all.set(i, Tensor.of(x, t.shape().dims()));
            }
        }
        return all;
    }

    /** Those that run the kernel: CatalogTest has the others. */
    private static List<DType> dtypes(MatMulKernel kernel) {
        return switch (kernel) {
            case GEMV, GEMV_2, GEMV_4, GEMV_8 -> List.of(DType.BF16, DType.F32);
            case MMA_128, MMA_64, MMA_ANY, WGMMA_256, WGMMA_128 -> List.of(DType.BF16, DType.F16);
            case TF32_128, TF32_64, TILE_128, TILE -> List.of(DType.F32);
        };
    }

    /** What is chosen for the products of GPT-2, on a card with 132 multiprocessors. */
    @Test
    void theKernelsAreThoseMeantForTheShapes() {
        assertEquals(MatMulKernel.GEMV, chosen(DType.BF16, 1, 768, 2304));
        assertEquals(MatMulKernel.MMA_128, chosen(DType.BF16, 8192, 768, 3072));
        assertEquals(MatMulKernel.MMA_64, chosen(DType.F16, 1024, 768, 768));
        assertEquals(MatMulKernel.MMA_ANY, chosen(DType.BF16, 1024, 100, 50257));
        assertEquals(MatMulKernel.TILE_128, chosen(DType.F32, 8192, 768, 3072));
        assertEquals(MatMulKernel.TILE, chosen(DType.F32, 64, 768, 768));
        assertEquals(MatMulKernel.TILE, chosen(DType.F64, 1, 8, 8));
        MatMulKernel.allowTf32(true);
        assertEquals(MatMulKernel.TF32_128, chosen(DType.F32, 8192, 768, 3072));
        assertEquals(MatMulKernel.TF32_64, chosen(DType.F32, 64, 768, 768));
        assertEquals(MatMulKernel.TILE, chosen(DType.F32, 64, 766, 768));
        assertEquals(MatMulKernel.MMA_128, chosen(DType.BF16, 8192, 768, 3072));
    }

    private static MatMulKernel chosen(DType dtype, int m, int k, int n) {
        return Scope.run(() -> {
            Tensor a = Tensor.zeros(CatalogRun.CUDA, dtype, Shape.of(1, k)).expand(Shape.of(m, k));
            Tensor b = Tensor.zeros(CatalogRun.CUDA, dtype, Shape.of(1, n)).expand(Shape.of(k, n));
            long[] none = {};
            MatMulProblem p = new MatMulProblem(a, b, m, n, k, 1, new int[0], none, none, k, 1, n, 1, false);
            return MatMulKernel.choose(p, 132);
        });
    }

    @Test
    void anUnknownKernelIsNamed() {
        TensorException e =
                assertThrows(TensorException.class, () -> CatalogRun.backend().choose("own:fast"));
        assertTrue(
                e.getMessage()
                        .contains("gemv, gemv_2, gemv_4, gemv_8, mma128, mma64, wgmma256, wgmma128, mma_any, tf32_128,"
                                + " tf32_64, tile128, tile"),
                e.getMessage());
    }
}
