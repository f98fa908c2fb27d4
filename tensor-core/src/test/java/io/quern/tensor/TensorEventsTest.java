package io.quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.testing.Recorded;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import org.junit.jupiter.api.Test;

/** Events of operations, memory and copies, read back from a recording. */
class TensorEventsTest {
    private static void product(int rows) {
        Scope.run(() -> {
            Tensor a = Tensor.ones(rows, 64);
            Tensor b = Tensor.ones(64, 32);
            return a.matmul(b).size();
        });
    }

    private static List<RecordedEvent> of(List<RecordedEvent> events, String operation) {
        return events.stream()
                .filter(e -> operation.equals(e.getString("operation")))
                .toList();
    }

    @Test
    void aProductTellsItsShapesCostAndKernel() throws IOException {
        RecordedEvent few =
                of(Recorded.events("Kernel", () -> product(1)), "matmul").getFirst();
        assertEquals("cpu", few.getString("device"));
        assertEquals("F32", few.getString("dtype"));
        assertEquals("[1, 64] [64, 32] -> [1, 32]", few.getString("shapes"));
        assertEquals(2L * 64 * 32, few.getLong("flops"));
        assertEquals(4L * (64 + 64 * 32 + 32), few.getLong("bytes"));
        assertTrue(few.getString("kernel").startsWith("gemv, columns"));
        assertTrue(few.getDuration().toNanos() > 0);
        RecordedEvent many =
                of(Recorded.events("Kernel", () -> product(50)), "matmul").getFirst();
        String gemm = many.getString("kernel");
        assertTrue(
                gemm.startsWith("gemm, vectors of ") || gemm.equals("gemm, machine code") || gemm.equals("gemm, AMX"),
                many.toString());
    }

    @Test
    void kernelsAreThoseThatRun() throws IOException {
        List<RecordedEvent> events = Recorded.events(
                "Kernel",
                () -> Scope.run(() -> {
                    Tensor x = Tensor.ones(40, 64);
                    x.transpose(0, 1).add(Tensor.ones(1)); // packed before
                    Tensor weights = Tensor.ones(32, 64).cast(DType.BF16);
                    x.narrow(0, 0, 1).matmul(weights.transpose(0, 1));
                    x.cast(DType.F64).gelu();
                    return 0;
                }));
        assertEquals(1, of(events, "pack").size(), events.toString());
        RecordedEvent product = of(events, "matmul").getFirst();
        assertEquals("F32 BF16", product.getString("dtype"));
        assertTrue(product.getString("kernel").startsWith("gemv, rows"));
        assertEquals("scalar", of(events, "gelu").getFirst().getString("kernel"));
        String add = of(events, "add").getFirst().getString("kernel");
        assertTrue(add.startsWith("vectors of ") || add.equals("machine code"), events.toString());
    }

    @Test
    void anAllocationTellsWhatIsAlive() throws IOException {
        long[] live = new long[1];
        List<RecordedEvent> events = Recorded.events("Allocation", () -> {
            product(1); // the classes of the events are loaded by now
            try (Tensor kept =
                    Tensor.empty(Device.CPU, DType.F32, Shape.of(1000, 1000)).keep()) {
                live[0] = kept.device().backend().memory().live();
            }
        });
        RecordedEvent big = events.getLast();
        assertEquals("cpu", big.getString("device"));
        assertEquals(4_000_000, big.getLong("bytes"));
        assertEquals(live[0], big.getLong("live"));
        assertTrue(big.getLong("reserved") >= big.getLong("live"));
        assertEquals(4 * 32, of(events, "matmul").getFirst().getLong("bytes"));
    }

    @Test
    void copiesTellTheirDirection() throws IOException {
        List<RecordedEvent> events = Recorded.events(
                "Transfer",
                () -> Scope.run(() -> {
                    Tensor x = Tensor.of(new float[] {1, 2, 3}, 3);
                    x.readInto(MemorySegment.ofArray(new float[3]));
                    return 0;
                }));
        assertEquals(
                List.of("to device", "to host"),
                events.stream().map(e -> e.getString("direction")).toList());
        events.forEach(e -> assertEquals(12, e.getLong("bytes")));
    }

    @Test
    void whatIsDisabledIsNotRecorded() {
        try (Recording only = new Recording()) {
            only.disable("io.quern.Kernel");
            only.start();
            assertNull(KernelEvent.start());
        }
        assertNull(KernelEvent.start());
    }
}
