package io.quern.train.data;

import io.quern.tensor.TensorException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;

/**
 * The same batches, the next of which are prepared on virtual threads while one is used. Only what needs no device is done
 * there ({@link Batches#prepare}): reading, decoding, augmentation. Used by one thread.
 */
public final class Prefetch<B> implements Batches<B>, AutoCloseable {
    private final Batches<B> data;
    private final int ahead;
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final Map<Long, Future<Supplier<B>>> coming = new HashMap<>();

    /** @param ahead batches to prepare, 1 or more; each takes memory */
    public Prefetch(Batches<B> data, int ahead) {
        if (ahead < 1) {
            throw new IllegalArgumentException("there must be 1 batch or more to prepare, not " + ahead);
        }
        this.data = data;
        this.ahead = ahead;
    }

    @Override
    public B batch(long index) {
        return prepare(index).get();
    }

    @Override
    public Supplier<B> prepare(long index) {
        Future<Supplier<B>> prepared = coming.remove(index);
        coming.entrySet().removeIf(e -> {
            boolean unwanted = e.getKey() < index || e.getKey() > index + ahead;
            if (unwanted) {
                e.getValue().cancel(true);
            }
            return unwanted;
        });
        for (long i = index + 1; i <= index + ahead; i++) {
            long next = i;
            coming.computeIfAbsent(next, x -> threads.submit(() -> data.prepare(next)));
        }
        return prepared == null ? data.prepare(index) : result(prepared, index);
    }

    private Supplier<B> result(Future<Supplier<B>> prepared, long index) {
        try {
            return prepared.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RuntimeException cause) {
                throw cause;
            }
            throw new TensorException("batch " + index + " could not be prepared: " + e.getCause(), e.getCause());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TensorException("interrupted while batch " + index + " was prepared", e);
        }
    }

    @Override
    public long perEpoch() {
        return data.perEpoch();
    }

    @Override
    public long items(B batch) {
        return data.items(batch);
    }

    @Override
    public String unit() {
        return data.unit();
    }

    @Override
    public String fingerprint() {
        return data.fingerprint();
    }

    /** Ends the preparations; the data stays usable. */
    @Override
    public void close() {
        threads.shutdownNow();
        coming.clear();
    }
}
