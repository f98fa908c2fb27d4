package io.quern.tensor;

import io.quern.tensor.op.Op;
import io.quern.tensor.spi.Backend;
import java.util.LinkedHashSet;
import java.util.Set;
import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** An operation that a backend ran; see docs/jfr.md. Touched only where {@link Jfr#isOn}. */
@Name("io.quern.Kernel")
@Label("Kernel")
@Category({"Quern", "Tensors"})
@Description("An operation that a device ran, or on a device that runs behind the host, started")
@StackTrace(false)
final class KernelEvent extends Event {
    @Label("Operation")
    private String operation;

    @Label("Device")
    private String device;

    @Label("Kernel")
    @Description("What the backend chose for these operands")
    private String kernel;

    @Label("Data Types")
    private String dtype;

    @Label("Shapes")
    private String shapes;

    @Label("Floating-Point Operations")
    private long flops;

    @Label("Bytes")
    @Description("What moves at least: every operand and result once")
    @DataAmount
    private long bytes;

    private KernelEvent() {}

    /** An event that has begun, or null if none is recorded. */
    static KernelEvent start() {
        KernelEvent e = new KernelEvent();
        if (!e.isEnabled()) {
            return null;
        }
        e.begin();
        return e;
    }

    /** Ends the event and records it. */
    void finish(Backend backend, Op op, Tensor[] in, Tensor[] out) {
        end();
        if (!shouldCommit()) {
            return;
        }
        operation = op.name();
        device = backend.device().toString();
        kernel = backend.kernel(op, in, out);
        dtype = dtypes(in);
        shapes = shapes(in, out);
        flops = op.flops();
        bytes = op.bytes();
        commit();
    }

    private static String dtypes(Tensor[] in) {
        Set<String> names = new LinkedHashSet<>();
        for (Tensor t : in) {
            if (t != null) {
                names.add(t.dtype().name());
            }
        }
        return String.join(" ", names);
    }

    private static String shapes(Tensor[] in, Tensor[] out) {
        StringBuilder s = new StringBuilder();
        for (Tensor t : in) {
            if (t != null) {
                s.append(t.shape()).append(' ');
            }
        }
        s.append("->");
        for (Tensor t : out) {
            s.append(' ').append(t.shape());
        }
        return s.toString();
    }
}
