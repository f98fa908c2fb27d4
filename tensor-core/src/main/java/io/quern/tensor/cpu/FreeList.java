package io.quern.tensor.cpu;

import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.function.Supplier;

/**
 * Scratch objects that are used again from call to call. Not thread-local: kernels are called from virtual threads too,
 * each of which would make its own.
 */
final class FreeList<T> {
    private static final int SLOTS = 64;

    private final AtomicReferenceArray<T> free = new AtomicReferenceArray<>(SLOTS);
    private final Supplier<T> maker;

    FreeList(Supplier<T> maker) {
        this.maker = maker;
    }

    /** One that nobody uses; give it back when done. */
    T take() {
        for (int i = 0; i < SLOTS; i++) {
            T t = free.getPlain(i);
            if (t != null && free.compareAndSet(i, t, null)) {
                return t;
            }
        }
        return maker.get();
    }

    /** Returns what {@link #take} gave. False if there are enough already: then it is the caller's to release. */
    boolean give(T t) {
        for (int i = 0; i < SLOTS; i++) {
            if (free.getPlain(i) == null && free.compareAndSet(i, null, t)) {
                return true;
            }
        }
        return false;
    }
}
