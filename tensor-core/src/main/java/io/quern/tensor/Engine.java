package io.quern.tensor;

import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Update;
import io.quern.tensor.op.View;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.Buffer;
import java.lang.foreign.MemorySegment;
import java.util.List;

/**
 * The one place that every operation passes: shape rule, same device, pack if needed, allocate in the current scope, run,
 * record on the tape.
 */
final class Engine {
    private Engine() {}

    static Tensor[] run(Op op) {
        List<Tensor> inputs = op.inputs();
        Device device = device(op, inputs);
        List<Op.Spec> specs = op.outputs();
        Backend backend = device.backend();
        Tape tape = Tape.recording(inputs);
        if (tape != null && op instanceof Update) {
            throw new TensorException(
                    op.name() + ": a tensor that the tape follows cannot be changed in place; use Tape.noGrad");
        }
        if (op instanceof Update update) {
            refuseReadOnly(update, inputs);
        }
        if (op instanceof CustomOp && !device.equals(Device.CPU)) {
            throw new TensorException(
                    op.name() + " is a custom operation and runs on the CPU only; its operands are on " + device
                            + ": move them with to(Device.CPU)");
        }
        Tensor[] in = new Tensor[inputs.size()];
        Tensor[] out = new Tensor[specs.size()];
        boolean done = false;
        try {
            for (int i = 0; i < in.length; i++) {
                Tensor t = inputs.get(i);
                in[i] = t == null || fits(t, op.layout(i)) ? t : pack(t, backend);
            }
            for (int i = 0; i < out.length; i++) {
                out[i] = allocate(backend, specs.get(i), op);
            }
            launch(backend, op, in, out);
            OpTrace.Listener listener = OpTrace.listener();
            if (listener != null) {
                OpTrace.tell(listener, op, in, out);
            }
            done = true;
        } finally {
            for (int i = 0; i < in.length; i++) {
                if (in[i] != null && in[i] != inputs.get(i)) {
                    in[i].close();
                }
            }
            for (int i = 0; i < out.length && !done; i++) {
                if (out[i] != null) {
                    out[i].close();
                }
            }
        }
        if (tape != null) {
            tape.record(op, out);
        }
        return out;
    }

    private static void launch(Backend backend, Op op, Tensor[] in, Tensor[] out) {
        KernelEvent event = Jfr.isOn() ? KernelEvent.start() : null;
        if (op instanceof CustomOp custom) {
            custom.runOnHost(in, out);
        } else {
            backend.run(op, in, out);
        }
        if (event != null) {
            event.finish(backend, op, in, out);
        }
        Recording recording = Recording.current();
        if (recording != null) {
            recording.add(backend, op, in, out);
        }
    }

    private static void refuseReadOnly(Update op, List<Tensor> inputs) {
        for (int i = 0; i < inputs.size(); i++) {
            if (op.writes(i) && inputs.get(i).buffer().isReadOnly()) {
                throw new TensorException(op.name() + ": " + inputs.get(i).describe()
                        + " lies in memory that is read-only, such as a mapped file; copy() it first, or load the model"
                        + " for training");
            }
        }
    }

    /** A view of {@code op.x()} with other strides; recorded like any operation. */
    static Tensor view(View op, long offset, long[] strides) {
        Tensor x = op.x();
        x.checkAlive();
        if (x.dtype().isQuantized()) {
            keepBlocksWhole(op);
        }
        Recording recording = Recording.current();
        if (recording != null) {
            recording.viewed(x);
        }
        Tensor view = new Tensor(x.buffer(), x.dtype(), op.shape(), offset, strides);
        Tape tape = Tape.recording(op.inputs());
        if (tape != null) {
            tape.record(op, view);
        }
        return view;
    }

    private static void keepBlocksWhole(View op) {
        Tensor x = op.x();
        boolean whole = switch (op) {
            case View.Permute p -> true;
            case View.Narrow n -> x.stride(n.axis()) != 1 || n.length() == x.dim(n.axis());
            case View.Reshape r ->
                x.isPacked()
                        && r.shape().rank() > 0
                        && r.shape().dim(-1) % x.dtype().blockSize() == 0;
            case View.Expand e -> false;
        };
        if (!whole) {
            throw new TensorException(op.name() + ": " + x.describe() + " to " + op.shape() + " would cut or repeat its"
                    + " blocks of " + x.dtype().blockSize() + " numbers; cast it to F32 first");
        }
    }

    /** @param purpose the operation that has this result, the tensor that this is a copy of, or null; for errors */
    static Tensor allocate(Backend backend, Op.Spec spec, Object purpose) {
        AllocationEvent event = Jfr.isOn() ? AllocationEvent.start() : null;
        long bytes;
        Buffer buffer;
        try {
            bytes = spec.dtype().bytes(spec.shape());
            buffer = backend.allocate(bytes);
        } catch (TensorException e) {
            String what = switch (purpose) {
                case Op op -> "the result of " + op.name() + ", ";
                case Tensor t -> "a copy of " + t.describe() + ", ";
                case null, default -> "";
            };
            throw new TensorException(what + spec.dtype() + " " + spec.shape() + ": " + e.getMessage(), e);
        }
        if (event != null) {
            event.finish(backend, bytes, purpose);
        }
        Scope.adopt(buffer);
        return new Tensor(buffer, spec.dtype(), spec.shape(), 0, spec.shape().strides());
    }

    /** Copies from a device into host memory. */
    static void read(Buffer source, long byteOffset, MemorySegment target) {
        TransferEvent event = Jfr.isOn() ? TransferEvent.start() : null;
        refuseInRecording("numbers are copied to the host");
        source.backend().read(source, byteOffset, target);
        if (event != null) {
            event.finish(source.backend().device(), true, target.byteSize());
        }
    }

    /** Copies from host memory. */
    static void write(MemorySegment source, Buffer target, long byteOffset) {
        TransferEvent event = Jfr.isOn() ? TransferEvent.start() : null;
        refuseInRecording("numbers are copied from the host");
        target.backend().write(source, target, byteOffset);
        if (event != null) {
            event.finish(target.backend().device(), false, source.byteSize());
        }
    }

    private static void refuseInRecording(String what) {
        Recording recording = Recording.current();
        if (recording != null) {
            recording.refuse(what);
        }
    }

    private static Tensor pack(Tensor t, Backend backend) {
        Op.Spec spec = new Op.Spec(t.shape(), t.dtype());
        Tensor packed = allocate(backend, spec, t);
        launch(backend, new io.quern.tensor.op.Index.Pack(t), new Tensor[] {t}, new Tensor[] {packed});
        return packed;
    }

    private static boolean fits(Tensor t, Op.Layout layout) {
        return switch (layout) {
            case PACKED -> t.isPacked();
            case ROWS -> Layouts.hasRows(t.shape(), t.strides());
            case MATRIX -> Layouts.isMatrix(t.shape(), t.strides());
            case ANY -> true;
        };
    }

    private static void checkQuantized(Op op, List<Tensor> inputs, Tensor t) {
        for (int i = 0; i < inputs.size(); i++) {
            if (inputs.get(i) == t && !op.takesQuantized(i)) {
                throw new TensorException(op.name() + ": does not take quantised numbers; got " + t.describe()
                        + ": cast it to F32 first");
            }
        }
        if (!t.device().backend().hasQuantized()) {
            throw new TensorException(op.name() + ": " + t.device() + " has no kernels for quantised weights; got "
                    + t.describe() + ": cast it to F32, or use the CPU");
        }
    }

    private static Device device(Op op, List<Tensor> inputs) {
        Device device = null;
        for (Tensor t : inputs) {
            if (t == null) {
                continue;
            }
            t.checkAlive();
            if (t.dtype().isQuantized()) {
                checkQuantized(op, inputs, t);
            }
            if (device == null) {
                device = t.device();
            } else if (!device.equals(t.device())) {
                throw new TensorException(op.name() + ": operands are on " + device + " and " + t.device()
                        + "; move one with to(device)");
            }
        }
        if (device == null) {
            throw new TensorException(op.name() + ": there is no operand");
        }
        return device;
    }
}
