package io.quern.tensor.spi;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * Device memory with a count of its holds. A hold is a scope, the tape, or a long-lived home such as a model; never a
 * Java handle. The memory goes back to its pool with the last hold.
 */
public abstract class Buffer {
    private static final VarHandle HOLDS;

    static {
        try {
            HOLDS = MethodHandles.lookup().findVarHandle(Buffer.class, "holds", int.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private final Backend backend;
    private final long bytes;
    private final Throwable site;

    private volatile int holds = 1;

    private Object owner;

    @SuppressWarnings("this-escape") // the tracker only keeps the reference
    protected Buffer(Backend backend, long bytes) {
        this.backend = backend;
        this.bytes = bytes;
        this.site = LeakTracker.onAllocate(this);
    }

    public final Backend backend() {
        return backend;
    }

    /** Size in bytes, as asked for. */
    public final long bytes() {
        return bytes;
    }

    /** Whether writing to the memory would crash, as it would to a file that is mapped for reading. */
    public boolean isReadOnly() {
        return false;
    }

    /** Where the memory starts on the device. */
    public abstract long address();

    /** Gives the memory back; called once, with the last hold. */
    protected abstract void free();

    public final boolean isAlive() {
        return holds > 0;
    }

    public final int holds() {
        return holds;
    }

    public final void retain() {
        int before = (int) HOLDS.getAndAdd(this, 1);
        if (before <= 0) {
            HOLDS.getAndAdd(this, -1);
            throw new IllegalStateException("the buffer of " + bytes + " bytes is already freed");
        }
    }

    public final void release() {
        int before = (int) HOLDS.getAndAdd(this, -1);
        if (before == 1) {
            LeakTracker.onFree(this);
            free();
        } else if (before <= 0) {
            HOLDS.getAndAdd(this, 1);
            throw new IllegalStateException("the buffer of " + bytes + " bytes is freed twice");
        }
    }

    /** The scope or home that holds this buffer, or null; kept here for scopes. */
    public final Object owner() {
        return owner;
    }

    public final void setOwner(Object owner) {
        this.owner = owner;
    }

    /** Where the buffer was allocated, or null unless allocation sites are recorded. */
    public final Throwable site() {
        return site;
    }
}
