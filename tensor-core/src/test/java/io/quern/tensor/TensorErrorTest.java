package io.quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.op.Attention;
import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Loss;
import java.lang.foreign.Arena;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Wrong use is answered with the operation, what was found, and the rule. */
class TensorErrorTest {
    /** Runs in a scope; the message must have all the parts. */
    private static void refused(Executable body, String... parts) {
        TensorException e = assertThrows(
                TensorException.class,
                () -> Scope.run(() -> {
                    body.execute();
                    return null;
                }));
        for (String part : parts) {
            assertTrue(e.getMessage().contains(part), "'" + part + "' is not in: " + e.getMessage());
        }
    }

    @Test
    void shapesThatDoNotFit() {
        refused(() -> Tensor.zeros(2, 3).add(Tensor.zeros(2)), "add", "[2, 3]", "[2]", "broadcast");
        refused(() -> Tensor.zeros(2, 3).matmul(Tensor.zeros(4, 5)), "matmul", "[2, 3]", "[4, 5]", "3 and 4");
        refused(() -> Tensor.zeros(3).matmul(Tensor.zeros(3, 5)), "matmul", "[3]", "rank 2");
        refused(() -> Tensor.zeros(2, 3).matmul(Tensor.zeros(3, 5), Tensor.zeros(3)), "matmul", "bias", "[5]");
        refused(() -> Tensor.zeros(2, 3).reshape(4, 2), "reshape", "[2, 3]", "[4, 2]");
        refused(() -> Tensor.zeros(2, 3).reshape(-1, 4), "reshape", "[2, 3]", "[-1, 4]");
        refused(() -> Tensor.zeros(2, 3).expand(Shape.of(2, 4)), "expand", "[2, 3]", "[2, 4]");
        refused(() -> Tensor.zeros(2, 3).expand(Shape.of(3)), "expand", "[2, 3]", "[3]");
        refused(() -> Tensor.zeros(2, 3).narrow(1, 2, 2), "narrow", "2 to 4", "[2, 3]");
        refused(() -> Tensor.zeros(2, 3).narrow(0, Integer.MAX_VALUE, 1), "narrow", "[2, 3]");
        refused(() -> Tensor.zeros(2, 3).select(0, -1), "narrow", "[2, 3]");
        refused(() -> Tensor.zeros(2, 3).permute(0, 0), "permute", "[0, 0]", "twice");
        refused(() -> Tensor.zeros(2, 3).permute(0), "permute", "[0]", "[2, 3]");
        refused(() -> Tensor.zeros(2, 3).sum(0, -2), "sum", "twice", "[2, 3]");
        refused(() -> Tensor.zeros(2, 3).sum(2), "axis 2", "[2, 3]");
        refused(() -> Tensor.zeros(2, 0).max(1), "max", "axis 1", "[2, 0]");
        refused(() -> Tensor.zeros(2, 0).argmax(), "argmax", "[2, 0]");
        refused(() -> Tensor.zeros(2, 3).layerNorm(Tensor.ones(2), null, 1e-5), "layer_norm", "weight", "[3]", "[2]");
        refused(() -> Tensor.zeros(2, 3).rmsNorm(Tensor.ones(2), 1e-5), "rms_norm", "weight", "[3]", "[2]");
        refused(() -> Tensor.concat(1, Tensor.zeros(2, 3), Tensor.zeros(3, 3)), "concat", "[2, 3]", "[3, 3]");
        refused(() -> Tensor.concat(0), "concat", "nothing");
        refused(() -> Tensor.zeros(2, 3).item(), "item", "[2, 3]");
        refused(() -> Tensor.of(new float[5], 2, 3), "[2, 3]", "6", "5");
        refused(() -> Shape.of(2, -3), "[2, -3]", "negative");
        refused(() -> Tensor.zeros(2, 3).assign(Tensor.zeros(3, 2)), "assign", "[2, 3]", "[3, 2]");
    }

    @Test
    void attentionThatDoesNotFit() {
        Attention.Options full = Attention.Options.full(1);
        Tensor q = Tensor.zeros(2, 3, 4, 8);
        refused(() -> q.attention(Tensor.zeros(1, 3, 4, 8), Tensor.zeros(1, 3, 4, 8), null, full), "batch", "[1, 3");
        refused(() -> q.attention(Tensor.zeros(2, 3, 4, 7), Tensor.zeros(2, 3, 4, 7), null, full), "head size");
        refused(() -> q.attention(Tensor.zeros(2, 3, 3, 8), Tensor.zeros(2, 3, 3, 8), null, full), "multiple");
        refused(() -> q.attention(Tensor.zeros(2, 3, 4, 8), Tensor.zeros(2, 5, 4, 8), null, full), "[2, 5, 4, 8]");
        refused(
                () -> q.attention(Tensor.zeros(2, 5, 4, 8), Tensor.zeros(2, 5, 4, 8), Tensor.zeros(2, 5), full),
                "key mask",
                "I32 [2, 5]");
        q.close();
    }

    @Test
    void dtypesThatDoNotFit() {
        refused(() -> Tensor.zeros(2).add(Tensor.of(new int[2], 2)), "add", "F32", "I32", "cast");
        refused(() -> Tensor.arange(3).exp(), "exp", "I32", "cast");
        refused(() -> Tensor.arange(3).requireGrad(), "I32");
        refused(() -> Tensor.zeros(2).toInts(), "toInts", "F32");
        refused(() -> Tensor.zeros(4, 2).embedding(Tensor.zeros(2)), "embedding", "I32");
        refused(() -> Tensor.zeros(2).cast(DType.F64).matmul(Tensor.zeros(2, 2)), "matmul", "F64", "F32");
        refused(() -> Tensor.zeros(2).where(Tensor.zeros(2), Tensor.zeros(2)), "where", "I32");
        refused(() -> Tensor.arange(4).div(Tensor.of(new int[] {1, 2, 0, 3}, 4)), "div", "element 2", "zero");
    }

    @Test
    void idsOutOfRangeAreNamedWithTheirPlace() {
        Tensor ids = Tensor.of(new int[] {0, 1, 2, 3, 7, 1}, 2, 3);
        refused(() -> Tensor.zeros(5, 4).embedding(ids), "embedding", "7", "[1, 1]", "4");
        refused(() -> Tensor.zeros(3, 4).embedding(Tensor.of(new int[] {-1}, 1)), "embedding", "-1", "[0]");
        refused(
                () -> Tensor.zeros(2, 4).crossEntropy(Tensor.of(new int[] {0, 4}, 2), -100, 0),
                "cross_entropy",
                "4",
                "row 1");
        refused(
                () -> Tensor.zeros(2, 4).crossEntropy(Tensor.of(new int[] {-1, 3}, 2), -100, 0),
                "cross_entropy",
                "-1",
                "row 0");
        refused(
                () -> Tensor.runAll(new Attention.Forward(
                        Tensor.zeros(1, 1, 1, 4),
                        Tensor.zeros(2, 3, 1, 4),
                        Tensor.zeros(2, 3, 1, 4),
                        null,
                        Tensor.of(new int[] {0, 2, 1}, 1, 3),
                        Attention.Options.full(1))),
                "attention",
                "2");
        ids.close();
    }

    @Test
    void wrongNumbers() {
        refused(() -> Tensor.zeros(2).dropout(1, 0, 0), "dropout", "[0, 1)");
        refused(() -> new Attention.Options(false, 1, -0.1, 0, 0), "attention", "dropout");
        refused(() -> new Loss.CrossEntropy(null, null, null, 0, 1.5), "cross_entropy", "smoothing", "1.5");
    }

    @Test
    void devices() {
        refused(() -> Device.parse("gpu:x"), "gpu:x");
        refused(() -> Device.parse("cpu:-1"), "cpu:-1");
        refused(() -> new Device("abacus", 0).backend(), "abacus", "cpu");
        refused(() -> new Device("cpu", 1).backend(), "cpu:1");
        assertEquals(new Device("cuda", 2), Device.parse("cuda:2"));
        assertEquals(Device.CPU, Device.parse("cpu"));
        Device other = new Device("scalar", 0);
        refused(() -> Tensor.zeros(2).add(Tensor.zeros(other, DType.F32, Shape.of(2))), "add", "cpu", "scalar", "to(");
        refused(() -> Tensor.run(new Nothing(Tensor.zeros(other, DType.F32, Shape.of(2)))), "nothing", "CPU", "scalar");
        refused(() -> Tensor.zeros(other, DType.F32, Shape.of(2)).data(), "scalar");
        Scope.run(() -> {
            Tensor there = Tensor.of(new float[] {1, 2}, 2).to(other);
            assertEquals(other, there.device());
            assertEquals(3, there.sum().item());
            assertEquals(2, there.to(Device.CPU).select(0, 1).item());
            return null;
        });
    }

    private static final class Nothing extends CustomOp {
        private final Tensor x;

        Nothing(Tensor x) {
            this.x = x;
        }

        @Override
        public String name() {
            return "nothing";
        }

        @Override
        public List<Tensor> inputs() {
            return List.of(x);
        }

        @Override
        public List<Spec> outputs() {
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.NONE;
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return List.of(b.gradient(0));
        }

        @Override
        public void runOnHost(Tensor[] in, Tensor[] out) {
            throw new IllegalStateException("broken");
        }
    }

    @Test
    void freedTensorsAreNamed() {
        Tensor t = Tensor.zeros(2, 3).named("weights");
        Tensor view = t.transpose(0, 1);
        t.close();
        refused(() -> t.add(t), "weights", "[2, 3]", "freed", "keep()");
        refused(t::toFloats, "weights", "freed");
        refused(t::data, "weights", "freed");
        refused(t::keep, "weights", "freed");
        refused(t::detach, "weights", "freed");
        refused(() -> t.fill(1), "weights", "freed");
        refused(() -> view.select(0, 0), "[3, 2]", "freed");
        TensorException e = assertThrows(TensorException.class, t::toFloats);
        assertEquals("allocated here", e.getSuppressed()[0].getMessage());
        assertTrue(t.toString().contains("freed"));
    }

    /** Neither results nor packed copies of operands stay behind when a kernel throws outside of any scope. */
    @Test
    void aFailedOperationFreesWhatItAllocated() {
        Tensor table = Tensor.zeros(2, 3);
        Tensor ids = Tensor.of(new int[] {0, 5}, 2);
        long before = Device.CPU.backend().memory().buffers();
        assertThrows(TensorException.class, () -> table.transpose(0, 1).embedding(ids));
        assertThrows(IllegalStateException.class, () -> Tensor.run(new Nothing(table.transpose(0, 1))));
        assertEquals(before, Device.CPU.backend().memory().buffers());
        table.close();
        ids.close();
    }

    @Test
    void wrapTakesNativeMemoryOfTheRightSize() {
        int[] freed = new int[1];
        try (Arena arena = Arena.ofConfined()) {
            var memory = arena.allocateFrom(java.lang.foreign.ValueLayout.JAVA_FLOAT, 1, 2, 3, 4);
            refused(() -> Tensor.wrap(memory, DType.F32, Shape.of(3), () -> {}), "16 bytes", "[3]");
            refused(
                    () -> Tensor.wrap(
                            java.lang.foreign.MemorySegment.ofArray(new float[3]), DType.F32, Shape.of(3), () -> {}),
                    "heap");
            Scope.run(() -> {
                Tensor t = Tensor.wrap(memory, DType.F32, Shape.of(2, 2), () -> freed[0]++);
                assertEquals(10, t.sum().item());
                assertEquals(0, freed[0]);
                return null;
            });
        }
        assertEquals(1, freed[0]);
    }
}
