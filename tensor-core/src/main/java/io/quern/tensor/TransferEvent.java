package io.quern.tensor;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** A copy between host memory and a device; see docs/jfr.md. Touched only where {@link Jfr#isOn}. */
@Name("io.quern.Transfer")
@Label("Transfer")
@Category({"Quern", "Tensors"})
@Description("A copy between memory of the program and a device; to the host, it waits for what the device was doing")
@StackTrace(false)
final class TransferEvent extends Event {
    @Label("Device")
    private String device;

    @Label("Direction")
    private String direction;

    @Label("Bytes")
    @DataAmount
    private long bytes;

    private TransferEvent() {}

    /** An event that has begun, or null if none is recorded. */
    static TransferEvent start() {
        TransferEvent e = new TransferEvent();
        if (!e.isEnabled()) {
            return null;
        }
        e.begin();
        return e;
    }

    /** Ends the event and records it. */
    void finish(Device of, boolean toHost, long size) {
        end();
        if (!shouldCommit()) {
            return;
        }
        device = of.toString();
        direction = toHost ? "to host" : "to device";
        bytes = size;
        commit();
    }
}
