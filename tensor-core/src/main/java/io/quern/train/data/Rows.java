package io.quern.train.data;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.function.Supplier;
import java.util.zip.CRC32C;

/**
 * Rows of numbers in memory, each with a class or with numbers that shall be made of it: for regression, and for networks on
 * plain features.
 */
public final class Rows {
    /** What each row has: so many elements of 4 bytes, in a tensor of that shape after the batch. */
    private record Column(MemorySegment values, DType dtype, int width, boolean flat) {
        long rowBytes() {
            return (long) width * Integer.BYTES;
        }

        Column slice(int from, int to) {
            return new Column(values.asSlice(from * rowBytes(), (to - from) * rowBytes()), dtype, width, flat);
        }

        MemorySegment gather(int[] rows) {
            MemorySegment to = MemorySegment.ofArray(new int[Math.multiplyExact(rows.length, width)]);
            for (int r = 0; r < rows.length; r++) {
                MemorySegment.copy(values, rows[r] * rowBytes(), to, r * rowBytes(), rowBytes());
            }
            return to;
        }

        Tensor tensor(MemorySegment gathered, int rows, Device device) {
            return Tensor.from(device, dtype, flat ? Shape.of(rows) : Shape.of(rows, width), gathered);
        }
    }

    private final Column inputs;
    private final Column targets;
    private final int size;
    private final Device device;
    private String fingerprint;

    private Rows(Column inputs, Column targets, int size, Device device) {
        this.inputs = inputs;
        this.targets = targets;
        this.size = size;
        this.device = device;
    }

    private static Rows of(float[] inputs, int width, Column targets) {
        if (width < 1 || targets.width < 1) {
            throw new IllegalArgumentException(
                    "rows have 1 number or more, and targets too, not " + width + " and " + targets.width);
        }
        long size = targets.values.byteSize() / targets.rowBytes();
        if (inputs.length == 0
                || inputs.length != size * width
                || targets.values.byteSize() != size * targets.rowBytes()) {
            throw new TensorException(inputs.length + " numbers in rows of " + width + " do not go with "
                    + targets.values.byteSize() / Integer.BYTES + " targets of " + targets.width
                    + ": each row needs its own");
        }
        Column in = new Column(MemorySegment.ofArray(inputs), DType.F32, width, false);
        return new Rows(in, targets, (int) size, Device.CPU);
    }

    /**
     * For classification: inputs are F32 [B, width], targets I32 [B]. The arrays must not change. Batches are made on the CPU.
     *
     * @param inputs row by row
     * @throws TensorException if there are no rows, or not as many as classes
     */
    public static Rows classes(float[] inputs, int width, int... classes) {
        return of(inputs, width, new Column(MemorySegment.ofArray(classes), DType.I32, 1, true));
    }

    /**
     * For regression: inputs are F32 [B, width], targets F32 [B, targetWidth]. The arrays must not change. Batches are made on
     * the CPU.
     *
     * @param inputs row by row
     * @throws TensorException if there are no rows, or not as many as rows of targets
     */
    public static Rows numbers(float[] inputs, int width, float[] targets, int targetWidth) {
        return of(inputs, width, new Column(MemorySegment.ofArray(targets), DType.F32, targetWidth, false));
    }

    /** The same rows, with batches made on another device. */
    public Rows on(Device target) {
        return new Rows(inputs, targets, size, target);
    }

    /** Number of rows. */
    public int size() {
        return size;
    }

    /** Rows {@code from} to {@code to}, without a copy. */
    public Rows slice(int from, int to) {
        if (from < 0 || to <= from || to > size) {
            throw new TensorException("rows " + from + " to " + to + " are outside the " + size + ", or none");
        }
        return new Rows(inputs.slice(from, to), targets.slice(from, to), to - from, device);
    }

    /** All rows in one batch, whose tensors are born in the current scope. */
    public Batch all() {
        return inOrder(size).batch(0);
    }

    /** The rows in order, the last batch having as many as are left: for evaluation. */
    public Batches<Batch> inOrder(int batch) {
        return new Cut(batch, null);
    }

    /**
     * Every row once an epoch, in an order that the seed shuffles anew for each epoch. The rows that fill no batch are left
     * out; they are others in each epoch.
     */
    public Batches<Batch> shuffled(int batch, long seed) {
        return new Cut(batch, seed);
    }

    /** Number of rows and CRC-32C of all that is in them. */
    private String fingerprint() {
        if (fingerprint == null) {
            CRC32C crc = new CRC32C();
            crc.update(inputs.values.toArray(ValueLayout.JAVA_BYTE));
            crc.update(targets.values.toArray(ValueLayout.JAVA_BYTE));
            fingerprint = "%d rows of %d numbers, crc32c %08x".formatted(size, inputs.width, crc.getValue());
        }
        return fingerprint;
    }

    private final class Cut implements Batches<Batch> {
        private final int batch;
        private final Long seed;

        Cut(int batch, Long seed) {
            if (batch < 1) {
                throw new IllegalArgumentException("a batch needs 1 row or more, not " + batch);
            }
            this.batch = Math.min(batch, size);
            this.seed = seed;
        }

        @Override
        public Batch batch(long index) {
            return prepare(index).get();
        }

        @Override
        public Supplier<Batch> prepare(long index) {
            int first = Math.toIntExact(index % perEpoch() * batch);
            int[] rows = new int[Math.min(batch, size - first)];
            Permutation order =
                    seed == null ? null : new Permutation(size, seed, Rng.stream("rows") + index / perEpoch());
            for (int r = 0; r < rows.length; r++) {
                rows[r] = order == null ? first + r : (int) order.at(first + r);
            }
            MemorySegment in = inputs.gather(rows);
            MemorySegment out = targets.gather(rows);
            return () -> new Batch(inputs.tensor(in, rows.length, device), targets.tensor(out, rows.length, device));
        }

        @Override
        public long perEpoch() {
            return seed == null ? (size + batch - 1L) / batch : size / batch;
        }

        @Override
        public long items(Batch b) {
            return b.inputs().dim(0);
        }

        @Override
        public String unit() {
            return "rows";
        }

        @Override
        public String fingerprint() {
            return Rows.this.fingerprint();
        }
    }
}
