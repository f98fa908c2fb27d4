package io.quern.tensor;

import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Op;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.Buffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;

/**
 * The operations of one step of a loop, kept with their operands, so that the next steps run them again without building
 * them: no tensors, shapes or buffers are made then. Meant for steps that do the same every time on memory that stays where
 * it is, as decoding a token does.
 *
 * <p>What differs from step to step is the contents of tensors, which the caller overwrites before ({@link
 * Tensor#writeFrom}), and the views that the recorded code declares with {@link #sliding} and {@link #growing}. Results keep
 * their memory too: each step overwrites them. Whatever else would make a later step differ, such as random numbers, copies
 * to or from the host, or shapes that follow a growing operand, is found while recording and is an {@link #obstacle}.
 *
 * <p>Holds the memory of all tensors that take part until it is closed. Belongs to one thread at a time.
 */
public final class Recording implements AutoCloseable {
    private static final ScopedValue<Recording> CURRENT = ScopedValue.newInstance();

    private final List<Call> calls = new ArrayList<>();
    private final List<Moving> moving = new ArrayList<>();
    private final Set<Tensor> moved = Collections.newSetFromMap(new IdentityHashMap<>());
    private final Set<Buffer> held = Collections.newSetFromMap(new IdentityHashMap<>());
    private List<Tensor> results = List.of();
    private String obstacle;
    private boolean closed;

    private Recording() {}

    /** An operation as the backend had it. */
    private static final class Call {
        private final Backend backend;
        private final Op op;
        private final Tensor[] in;
        private final Tensor[] out;
        private Runnable run;

        Call(Backend backend, Op op, Tensor[] in, Tensor[] out) {
            this.backend = backend;
            this.op = op;
            this.in = in;
            this.out = out;
        }
    }

    /** A view that follows the number of steps: further along an axis, or longer. */
    private record Moving(Tensor view, long offset, Shape shape, int axis, boolean grows) {
        /** @param like what the view before became, whose shape may serve here as well; or null */
        void to(int steps, Moving like) {
            if (!grows) {
                view.move(shape, offset + steps * view.stride(axis));
            } else if (like != null && like.grows && like.axis == axis && like.shape.equals(shape)) {
                view.move(like.view.shape(), offset);
            } else {
                view.move(shape.with(axis, shape.dim(axis) + steps), offset);
            }
        }
    }

    /** Runs {@code body}, without gradients, and records what it does. Its tensors die as at the end of a scope, but for the results. */
    public static Recording of(Supplier<List<Tensor>> body) {
        Recording r = new Recording();
        try {
            Scope.run(() -> ScopedValue.where(CURRENT, r)
                    .call(() -> Tape.noGrad(() -> {
                        r.results = List.copyOf(body.get());
                        r.results.forEach(t -> r.hold(t.buffer()));
                        return null;
                    })));
        } catch (Throwable t) {
            r.close();
            throw t;
        }
        r.prepare();
        return r;
    }

    /** In recorded code: {@code view} is one element further along the axis in each later step. Gives the view. */
    public static Tensor sliding(Tensor view, int axis) {
        return declare(view, axis, false);
    }

    /**
     * In recorded code: {@code view} has one element more along the axis in each later step. Its strides stay; if it is
     * packed, it stays packed. Gives the view.
     */
    public static Tensor growing(Tensor view, int axis) {
        return declare(view, axis, true);
    }

    private static Tensor declare(Tensor view, int axis, boolean grows) {
        Recording r = current();
        if (r != null) {
            r.moving.add(
                    new Moving(view, view.offset(), view.shape(), view.shape().axis(axis), grows));
            r.moved.add(view);
        }
        return view;
    }

    /** What the recorded code gave. */
    public List<Tensor> results() {
        return results;
    }

    /** Why {@link #replay} is not possible, if so. */
    public Optional<String> obstacle() {
        return Optional.ofNullable(obstacle);
    }

    /**
     * Runs the operations again.
     *
     * @param steps how many steps after the recorded one this is
     */
    public void replay(int steps) {
        if (closed || obstacle != null) {
            throw new IllegalStateException(closed ? "the recording is closed" : "cannot be run again: " + obstacle);
        }
        move(steps);
        OpTrace.Listener listener = OpTrace.listener();
        boolean events = Jfr.isOn();
        for (int i = 0; i < calls.size(); i++) {
            Call c = calls.get(i);
            KernelEvent event = events ? KernelEvent.start() : null;
            c.run.run();
            if (event != null) {
                event.finish(c.backend, c.op, c.in, c.out);
            }
            if (listener != null) {
                OpTrace.tell(listener, c.op, c.in, c.out);
            }
        }
    }

    private void move(int steps) {
        Moving last = null;
        for (int i = 0; i < moving.size(); i++) {
            Moving m = moving.get(i);
            m.to(steps, last);
            last = m.grows ? m : last;
        }
    }

    // ---- while recording

    /** The recording of this thread that is going on, or null. */
    static Recording current() {
        return CURRENT.isBound() ? CURRENT.get() : null;
    }

    void add(Backend backend, Op op, Tensor[] in, Tensor[] out) {
        if (op instanceof CustomOp) {
            refuse(op.name() + " is a custom operation");
        } else if (op instanceof Elementwise.Dropout
                || op instanceof io.quern.tensor.op.Attention.Forward a
                        && a.options().dropout() > 0) {
            refuse(op.name() + " draws random numbers");
        }
        hold(in);
        hold(out);
        if (follows(in)) {
            checkResults(op, out);
        }
        calls.add(new Call(backend, op, in.clone(), out.clone()));
    }

    /** Something happens that replay would not repeat. */
    void refuse(String what) {
        if (obstacle == null) {
            obstacle = what;
        }
    }

    /** A view of a tensor is made; it would stay behind if that one moves. */
    void viewed(Tensor x) {
        if (moved.contains(x)) {
            refuse("a view is taken of the moving view " + x.describe());
        }
    }

    private boolean follows(Tensor[] tensors) {
        for (Tensor t : tensors) {
            if (t != null && moved.contains(t)) {
                return true;
            }
        }
        return false;
    }

    /** Results must have the shapes that they have now in the next step too. */
    private void checkResults(Op op, Tensor[] out) {
        try {
            move(1);
            List<Op.Spec> next = op.outputs();
            for (int i = 0; i < out.length; i++) {
                if (!next.get(i).shape().equals(out[i].shape())) {
                    refuse("the result of " + op.name() + " follows a growing operand");
                }
            }
        } catch (TensorException e) {
            refuse("no later step is possible: " + e.getMessage());
        } finally {
            move(0);
        }
    }

    private void hold(Tensor[] tensors) {
        for (Tensor t : tensors) {
            if (t != null) {
                hold(t.buffer());
            }
        }
    }

    private void hold(Buffer b) {
        if (held.add(b)) {
            b.retain();
        }
    }

    private void prepare() {
        for (Call c : calls) {
            c.run = c.backend.prepare(c.op, c.in, c.out, !follows(c.in));
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            calls.clear();
            held.forEach(Buffer::release);
            held.clear();
        }
    }
}
