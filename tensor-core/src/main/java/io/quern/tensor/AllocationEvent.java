package io.quern.tensor;

import io.quern.tensor.op.Op;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.MemoryStats;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** Memory for a tensor; see docs/jfr.md. Touched only where {@link Jfr#isOn}. */
@Name("io.quern.Allocation")
@Label("Allocation")
@Category({"Quern", "Tensors"})
@Description("Memory that a device gave to a tensor")
@StackTrace(false)
final class AllocationEvent extends Event {
    @Label("Device")
    private String device;

    @Label("Operation")
    @Description("Whose result the tensor is; nothing for other tensors")
    private String operation;

    @Label("Bytes")
    @DataAmount
    private long bytes;

    @Label("Live")
    @Description("Bytes that the tensors of the device hold, this one included")
    @DataAmount
    private long live;

    @Label("Reserved")
    @Description("Bytes that the device's pool has from the system")
    @DataAmount
    private long reserved;

    private AllocationEvent() {}

    /** An event that has begun, or null if none is recorded. */
    static AllocationEvent start() {
        AllocationEvent e = new AllocationEvent();
        if (!e.isEnabled()) {
            return null;
        }
        e.begin();
        return e;
    }

    /** Ends the event and records it. */
    void finish(Backend backend, long size, Object purpose) {
        end();
        if (!shouldCommit()) {
            return;
        }
        MemoryStats memory = backend.memory();
        device = backend.device().toString();
        operation = purpose instanceof Op op ? op.name() : null;
        bytes = size;
        live = memory.live();
        reserved = memory.reserved();
        commit();
    }
}
