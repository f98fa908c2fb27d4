package io.quern.tensor;

import io.quern.tensor.spi.Buffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * What you return lives, the rest dies: a region of code at whose end every tensor born inside is freed, but for those of
 * the result, which pass to the enclosing scope. Without an enclosing scope the caller owns them and calls
 * {@link Tensor#close()}.
 *
 * <p>Scopes nest, belong to one thread, and cannot stay open: they are bound by {@link ScopedValue}.
 */
public final class Scope {
    private static final ScopedValue<Scope> CURRENT = ScopedValue.newInstance();

    /** Owner of buffers that live until they are closed: parameters, caches, results returned out of all scopes. */
    private static final Object HOME = new Object();

    private final Scope parent;
    private final ArrayList<Buffer> born = new ArrayList<>();

    private Scope(Scope parent) {
        this.parent = parent;
    }

    /**
     * Runs {@code body} and frees what was born inside, except the tensors of its result: a {@link Tensor}, an array or
     * {@link Iterable} of them, the values of a {@link Map}, an {@link Optional} or a {@link TensorHolder}.
     *
     * @throws IllegalArgumentException if the result is of another kind, whose tensors could not be found
     */
    public static <R, X extends Throwable> R tidy(ScopedValue.CallableOp<? extends R, X> body) throws X {
        Scope scope = new Scope(current());
        R result;
        try {
            result = ScopedValue.where(CURRENT, scope).call(body);
            forEachTensor(result, t -> scope.pass(t.buffer()));
        } catch (Throwable t) {
            scope.close();
            throw t;
        }
        scope.close();
        return result;
    }

    /**
     * Runs {@code body}, whose result is a plain value, and frees every tensor born inside.
     *
     * @throws IllegalArgumentException if the result is a tensor: it would be freed
     */
    public static <R, X extends Throwable> R run(ScopedValue.CallableOp<? extends R, X> body) throws X {
        Scope scope = new Scope(current());
        try {
            R result = ScopedValue.where(CURRENT, scope).call(body);
            if (result instanceof Tensor || result instanceof TensorHolder) {
                throw new IllegalArgumentException(
                        "Scope.run frees every tensor born inside, so it cannot return one; use Scope.tidy");
            }
            return result;
        } finally {
            scope.close();
        }
    }

    /** The innermost scope of this thread, or null. */
    static Scope current() {
        return CURRENT.isBound() ? CURRENT.get() : null;
    }

    /** Gives a buffer that holds its first hold to the current scope, or to its caller where there is none. */
    static void adopt(Buffer buffer) {
        Scope scope = current();
        if (scope == null) {
            buffer.setOwner(HOME);
        } else {
            scope.own(buffer);
        }
    }

    /** Takes a buffer out of its scope: it lives until it is closed. */
    static void keep(Buffer buffer) {
        if (buffer.owner() == null) {
            // closed, but alive because the tape holds it
            buffer.retain();
        }
        buffer.setOwner(HOME);
    }

    /** Gives a buffer of the current scope to whoever owns {@code other}. */
    static void moveTo(Buffer buffer, Buffer other) {
        if (other.owner() instanceof Scope scope) {
            scope.own(buffer);
        } else {
            buffer.setOwner(HOME);
        }
    }

    /** Ends the hold of the buffer's scope or home now. */
    static void free(Buffer buffer) {
        if (buffer.owner() != null) {
            buffer.setOwner(null);
            buffer.release();
        }
    }

    private void own(Buffer buffer) {
        buffer.setOwner(this);
        born.add(buffer);
    }

    private void pass(Buffer buffer) {
        if (buffer.owner() == this) {
            if (parent == null) {
                buffer.setOwner(HOME);
            } else {
                parent.own(buffer);
            }
        }
    }

    private void close() {
        for (Buffer b : born) {
            if (b.owner() == this) {
                free(b);
            }
        }
    }

    static void forEachTensor(Object result, Consumer<Tensor> action) {
        switch (result) {
            case null -> {}
            case Tensor t -> action.accept(t);
            case TensorHolder h -> h.forEachTensor(action);
            case Object[] array -> Arrays.asList(array).forEach(x -> forEachTensor(x, action));
            case Iterable<?> all -> all.forEach(x -> forEachTensor(x, action));
            case Map<?, ?> map -> map.values().forEach(x -> forEachTensor(x, action));
            case Optional<?> maybe -> maybe.ifPresent(x -> forEachTensor(x, action));
            default ->
                throw new IllegalArgumentException("Scope.tidy cannot find the tensors inside a "
                        + result.getClass().getName() + "; let it implement TensorHolder, or return plain values from"
                        + " Scope.run");
        }
    }
}
