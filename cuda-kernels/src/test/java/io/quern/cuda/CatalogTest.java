package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.Compare;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.OpCatalog;
import io.quern.tensor.check.Tolerance;
import io.quern.tensor.op.Op;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The whole catalogue of operations on the emulated device or a card, against the scalar twins in float64. */
@Tag("gpu")
class CatalogTest {
    private static final long SEED = 20;
    private static final Device CUDA = new Device("cuda", 0);

    /** Absent where the tests run from a bundle. */
    private static final Path DOCUMENT = Path.of("../docs/cuda.md");

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    /** In each order of threads between barriers the results are right; a card has one order, so it runs with cuBLAS and without. */
    @ParameterizedTest
    @ValueSource(strings = {"forward", "backward", "7"})
    void everyCaseAgreesWithTheTwins(String order) throws IOException {
        Assumptions.assumeFalse(Emulator.isCard() && order.equals("7"), "a card has one order");
        EmulatedSchedule.set(order);
        CudaBackend backend = (CudaBackend) CUDA.backend();
        backend.products().choose(order.equals("forward") ? MatMulLauncher.Choice.AUTO : MatMulLauncher.Choice.OWN);
        int cases = 0;
        SupportTable table = new SupportTable();
        List<String> wrong = new ArrayList<>();
        for (OpCase c : OpCatalog.all()) {
            for (DType dtype : c.dtypes()) {
                cases++;
                try {
                    Scope.run(() -> {
                        wrong.addAll(compare(c, dtype));
                        table.add(c.op(c.operands(SEED, dtype, Device.CPU)), dtype);
                        return null;
                    });
                } catch (RuntimeException e) {
                    wrong.add(c.name() + " " + dtype + ": " + e);
                }
            }
        }
        System.out.println((Emulator.isCard() ? backend.description() : "emulated CUDA device") + ", threads in order '"
                + order + "': " + cases + " cases of " + OpCatalog.all().size() + " forms, " + wrong.size() + " wrong");
        assertEquals("", String.join("\n", wrong));
        assertTrue(cases > 1000, "cases " + cases);
        if (Files.exists(DOCUMENT)) {
            table.checkDocument(DOCUMENT);
        }
    }

    private static List<String> compare(OpCase c, DType dtype) {
        List<Tensor> host = c.operands(SEED, dtype, Device.CPU);
        List<Tensor> there = c.operands(SEED, dtype, CUDA);
        Op op = c.op(host);
        List<Tensor> want = c.run(host);
        List<Tensor> got = c.run(there);
        List<String> wrong = new ArrayList<>();
        for (int i = 0; i < want.size(); i++) {
            Tolerance t = Tolerance.of(op, got.get(i).dtype());
            Compare.Result r = Compare.tensors(c.name() + " " + dtype + " result " + i, want.get(i), got.get(i), t);
            if (!r.ok()) {
                wrong.add(r.message());
            }
        }
        return wrong;
    }

    /** F32 times BF16 and F16 weights run; quantised ones are refused, which is counted. */
    @Test
    void narrowerWeightsAgreeOrAreRefused() {
        int ran = 0;
        int refused = 0;
        List<String> wrong = new ArrayList<>();
        for (OpCase c : OpCatalog.quantized()) {
            for (DType dtype : c.dtypes()) {
                try {
                    Scope.run(() -> wrong.addAll(compare(c, dtype)));
                    ran++;
                } catch (TensorException e) {
                    assertTrue(e.getMessage().contains("no kernel"), e.getMessage());
                    refused++;
                }
            }
        }
        System.out.println("CUDA device: " + ran + " cases with narrower weights ran, " + refused + " were refused");
        assertEquals("", String.join("\n", wrong));
        assertTrue(ran > 0 && refused > 0, ran + " and " + refused);
    }

    @Test
    void everyBufferIsGivenBack() {
        long before = CUDA.backend().memory().buffers();
        Scope.run(
                () -> Tensor.zeros(CUDA, DType.F32, io.quern.tensor.Shape.of(3)).toFloats());
        assertEquals(before, CUDA.backend().memory().buffers());
    }
}
