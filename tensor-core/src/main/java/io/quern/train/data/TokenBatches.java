package io.quern.train.data;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/** Batches of pieces of a token sequence, at the places that an order gives. */
final class TokenBatches implements Batches<Batch> {

    /** Where the pieces of a batch begin. */
    sealed interface Order {
        /** Batches in one pass. */
        long perEpoch(int batch, int time);

        /** First token of row {@code row} of batch {@code index}, or -1 if the batch has no such row. */
        long start(long index, int row, int batch, int time);
    }

    /** Anywhere, independently. */
    record Crops(long seed, long places) implements Order {
        @Override
        public long perEpoch(int batch, int time) {
            return Math.max(1, places / ((long) batch * time));
        }

        @Override
        public long start(long index, int row, int batch, int time) {
            Rng rng = new Rng(seed, Rng.stream("crops"));
            rng.seek(2 * (index * batch + row));
            // The high half of the product is uniform but for a bias of places / 2^64.
            return Math.unsignedMultiplyHigh(rng.nextLong(), places);
        }
    }

    /** Each window once an epoch. */
    record Shuffled(long seed, long windows) implements Order {
        @Override
        public long perEpoch(int batch, int time) {
            return Math.max(1, windows / batch);
        }

        @Override
        public long start(long index, int row, int batch, int time) {
            long epoch = index / perEpoch(batch, time);
            long window = index % perEpoch(batch, time) * batch + row;
            return window >= windows
                    ? -1
                    : new Permutation(windows, seed, Rng.stream("shuffle") + epoch).at(window) * time;
        }
    }

    /** One window after the other. */
    record InOrder(long windows) implements Order {
        @Override
        public long perEpoch(int batch, int time) {
            return (windows + batch - 1) / batch;
        }

        @Override
        public long start(long index, int row, int batch, int time) {
            long window = index % perEpoch(batch, time) * batch + row;
            return window >= windows ? -1 : window * time;
        }
    }

    private final TokenDataset tokens;
    private final Device device;
    private final Order order;
    private final int batch;
    private final int time;

    TokenBatches(TokenDataset tokens, Device device, Order order, int batch, int time) {
        if (batch < 1) {
            throw new IllegalArgumentException("a batch needs 1 row or more, not " + batch);
        }
        this.tokens = tokens;
        this.device = device;
        this.order = order;
        this.batch = batch;
        this.time = time;
    }

    @Override
    public Batch batch(long index) {
        return prepare(index).get();
    }

    @Override
    public Supplier<Batch> prepare(long index) {
        int[] inputs = new int[Math.multiplyExact(batch, time)];
        int[] targets = new int[inputs.length];
        int rows = 0;
        while (rows < batch) {
            long start = order.start(index, rows, batch, time);
            if (start < 0) {
                break;
            }
            tokens.read(start, inputs, rows * time, time);
            tokens.read(start + 1, targets, rows * time, time);
            rows++;
        }
        int count = rows;
        return () -> new Batch(tensor(inputs, count), tensor(targets, count));
    }

    private Tensor tensor(int[] ids, int rows) {
        MemorySegment bytes = MemorySegment.ofArray(ids).asSlice(0, (long) rows * time * Integer.BYTES);
        return Tensor.from(device, DType.I32, Shape.of(rows, time), bytes);
    }

    @Override
    public long perEpoch() {
        return order.perEpoch(batch, time);
    }

    @Override
    public long items(Batch b) {
        return b.targets().size();
    }

    @Override
    public String fingerprint() {
        return tokens.fingerprint();
    }

    @Override
    public String unit() {
        return "tok";
    }
}
