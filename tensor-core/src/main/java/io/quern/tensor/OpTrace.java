package io.quern.tensor;

import io.quern.tensor.op.Op;

/**
 * Watches the operations that a region of code runs on this thread, forward and backward, in their order. Where nobody
 * watches, an operation costs the look at one {@link ScopedValue}.
 */
public final class OpTrace {
    private static final ScopedValue<Listener> LISTENER = ScopedValue.newInstance();

    private OpTrace() {}

    /** Is told of operations. */
    @FunctionalInterface
    public interface Listener {
        /**
         * An operation was run, or on a device started.
         *
         * @param op as it was asked for
         * @param in the operands that the kernel had, packed where it needed it; null for absent ones
         * @param out the results, which may be gone once this returns; none if operands were changed in place
         */
        void ran(Op op, Tensor[] in, Tensor[] out);
    }

    /** Runs {@code body} and tells {@code listener} of its operations; those that the listener runs are not told. */
    public static <R, X extends Throwable> R watch(Listener listener, ScopedValue.CallableOp<? extends R, X> body)
            throws X {
        return ScopedValue.where(LISTENER, listener).call(body);
    }

    static Listener listener() {
        return LISTENER.isBound() ? LISTENER.get() : null;
    }

    static void tell(Listener listener, Op op, Tensor[] in, Tensor[] out) {
        ScopedValue.where(LISTENER, null)
                .run(() -> Tape.noGrad(() -> {
                    listener.ran(op, in, out);
                    return null;
                }));
    }
}
