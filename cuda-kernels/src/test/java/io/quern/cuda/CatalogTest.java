package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.OpCatalog;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Reduce;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The whole catalogue of operations on the emulated device or a card, against the scalar twins in float64. */
@Tag("gpu")
class CatalogTest {
    private static final Device CUDA = CatalogRun.CUDA;

    /** Absent where the tests run from a bundle. */
    private static final Path DOCUMENT = Path.of("../docs/cuda.md");

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    /** With cuBLAS and without; on the emulated device in a random order of threads too. */
    @ParameterizedTest
    @ValueSource(strings = {"forward", "7"})
    void everyCaseAgreesWithTheTwins(String order) throws IOException {
        EmulatedSchedule.set(order);
        CatalogRun.backend()
                .products()
                .choose(order.equals("forward") ? ProductChooser.Choice.AUTO : ProductChooser.Choice.OWN);
        int cases = 0;
        SupportTable table = new SupportTable();
        List<String> wrong = new ArrayList<>();
        boolean all = order.equals("forward") || Emulator.isCard();
        for (OpCase c : OpCatalog.all()) {
            for (DType dtype : c.dtypes()) {
                if (!all && !Scope.run(() -> meets(c.op(c.operands(CatalogRun.SEED, dtype, Device.CPU))))) {
                    continue;
                }
                cases++;
                try {
                    Scope.run(() -> {
                        wrong.addAll(CatalogRun.compare(c, dtype));
                        table.add(c.op(c.operands(CatalogRun.SEED, dtype, Device.CPU)), dtype);
                        return null;
                    });
                } catch (RuntimeException e) {
                    wrong.add(c.name() + " " + dtype + ": " + e);
                }
            }
        }
        System.out.println(CatalogRun.backend().description() + ", threads in order '" + order + "': " + cases
                + " cases of " + OpCatalog.all().size() + " forms, " + wrong.size() + " wrong");
        assertEquals("", String.join("\n", wrong));
        assertTrue(cases > 1000, "cases " + cases);
        if (all && Files.exists(DOCUMENT)) {
            table.checkDocument(DOCUMENT);
        }
    }

    /** Whether threads of its kernels meet, so that their order could matter. */
    private static boolean meets(Op op) {
        return op instanceof MatMul
                || op instanceof Attention
                || op instanceof Reduce
                || op instanceof Norm
                || op instanceof Elementwise.BiasUnaryGrad
                || op instanceof Index.EmbeddingGrad
                || op instanceof Loss;
    }

    /** Products and embeddings with narrower weights run; rounding to blocks is refused, which is counted. */
    @Test
    void narrowerWeightsAgreeOrAreRefused() {
        int ran = 0;
        int refused = 0;
        List<String> wrong = new ArrayList<>();
        for (OpCase c : OpCatalog.quantized()) {
            for (DType dtype : c.dtypes()) {
                try {
                    Scope.run(() -> wrong.addAll(CatalogRun.compare(c, dtype)));
                    ran++;
                } catch (TensorException e) {
                    assertTrue(
                            e.getMessage().contains("no kernel") && c.name().matches("cast.* to Q\\w+( .*)?"),
                            c.name() + ": " + e.getMessage());
                    refused++;
                }
            }
        }
        System.out.println("CUDA device: " + ran + " cases with narrower weights ran, " + refused + " were refused");
        assertEquals("", String.join("\n", wrong));
        assertTrue(ran > 100, "cases " + ran);
    }

    @Test
    void everyBufferIsGivenBack() {
        long before = CUDA.backend().memory().buffers();
        Scope.run(
                () -> Tensor.zeros(CUDA, DType.F32, io.quern.tensor.Shape.of(3)).toFloats());
        assertEquals(before, CUDA.backend().memory().buffers());
    }
}
