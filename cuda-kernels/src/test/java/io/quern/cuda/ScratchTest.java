package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.cuda.driver.Driver;
import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.OpCatalog;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.View;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** What launchers take beside operands and results comes back when kernels cannot be loaded. */
class ScratchTest {
    private static final String REFUSAL = "QUERN_EMU_PTX";

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.requireBuild();
        CatalogRun.backend();
    }

    @AfterEach
    void acceptKernels() throws Throwable {
        if (Emulator.folder() != null) {
            environment(REFUSAL, "0");
        }
    }

    /** Changes the environment of this process, which the emulated driver reads. */
    private static void environment(String name, String value) throws Throwable {
        Linker linker = Linker.nativeLinker();
        MethodHandle set = linker.downcallHandle(
                linker.defaultLookup().find("setenv").orElseThrow(),
                FunctionDescriptor.of(
                        ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment n = arena.allocateFrom(name);
            assertEquals(0, (int) set.invoke(n, arena.allocateFrom(value), 1));
        }
    }

    @Test
    void aKernelThatCannotBeLoadedLeavesNoMemoryBehind() throws Throwable {
        // It has loaded nothing yet. Operands and results are memory of the usual one on the same card.
        CudaBackend fresh = new CudaBackend(Driver.get().open(0), 0);
        Set<String> refused = new HashSet<>();
        for (OpCase c : OpCatalog.all()) {
            DType dtype = c.dtypes().contains(DType.F32)
                    ? DType.F32
                    : c.dtypes().iterator().next();
            if (dtype.isQuantized()) {
                continue;
            }
            Scope.run(() -> {
                Op op = c.op(c.operands(CatalogRun.SEED, dtype, CatalogRun.CUDA));
                List<Op.Spec> specs = op.outputs();
                if (op instanceof View || specs.stream().anyMatch(s -> s.dtype().isQuantized())) {
                    return null;
                }
                Tensor[] out = specs.stream()
                        .map(s -> Tensor.zeros(CatalogRun.CUDA, s.dtype(), s.shape()))
                        .toArray(Tensor[]::new);
                CatalogRun.backend().synchronize();
                refuse("222");
                try {
                    fresh.run(op, op.inputs().toArray(Tensor[]::new), out);
                    fresh.synchronize();
                } catch (TensorException e) {
                    assertTrue(e.getMessage().contains("CUDA_ERROR_UNSUPPORTED_PTX_VERSION"), e.getMessage());
                    refused.add(op.name());
                } finally {
                    refuse("0");
                }
                assertEquals(0, fresh.memory().buffers(), c.name());
                return null;
            });
        }
        assertTrue(
                refused.containsAll(
                        Set.of("topk", "sum", "squared_norm", "attention_grad", "layer_norm_grad", "bias_gelu_grad")),
                refused.toString());
    }

    private static void refuse(String code) {
        try {
            environment(REFUSAL, code);
        } catch (Throwable e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void memoryForALaunchIsOneBufferUntilItIsClosed() {
        CudaPool pool = new CudaPool(CatalogRun.backend().card());
        try (CudaPool.Scratch s = pool.scratch(100)) {
            assertEquals(1, pool.stats().buffers());
            assertTrue(s.address() != 0);
        }
        assertEquals(0, pool.stats().buffers());
        assertEquals(0, pool.stats().live());
        assertThrows(TensorException.class, () -> {
            try (CudaPool.Scratch s = pool.scratch(1 << 20)) {
                throw new TensorException("a launch failed at " + s.address());
            }
        });
        assertEquals(0, pool.stats().buffers());
    }
}
