package io.quern.train.data;

import io.quern.nn.Losses;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.function.Supplier;
import java.util.zip.CRC32C;

/**
 * Batches of separate token sequences, such as sentences or documents, padded to the longest of the batch and cut at a
 * largest length. {@link TokenDataset#packed} is the other way: sequences end to end, without padding.
 */
public final class PaddedBatches implements Batches<PaddedBatch> {
    private final List<int[]> sequences;
    private final int[] classes;
    private final int batch;
    private final int time;
    private final int pad;
    private final Long seed;
    private final Device device;
    private String fingerprint;

    private PaddedBatches(
            List<int[]> sequences, int[] classes, int batch, int time, int pad, Long seed, Device device) {
        if (batch < 1 || time < 1) {
            throw new IllegalArgumentException(
                    "a batch needs 1 sequence or more of 1 token or more, not " + batch + " of " + time);
        }
        int shortest = classes == null ? 2 : 1;
        for (int i = 0; i < sequences.size(); i++) {
            if (sequences.get(i).length < shortest) {
                throw new TensorException("sequence " + i + " has " + sequences.get(i).length + " tokens, but "
                        + (classes == null ? "predicting the next one takes 2" : "classifying it takes 1"));
            }
        }
        if (sequences.isEmpty() || classes != null && classes.length != sequences.size()) {
            throw new TensorException("there are " + sequences.size() + " sequences"
                    + (classes == null ? "" : " and " + classes.length + " classes") + ": nothing to train on");
        }
        this.sequences = List.copyOf(sequences);
        this.classes = classes;
        this.batch = Math.min(batch, sequences.size());
        this.time = time;
        this.pad = pad;
        this.seed = seed;
        this.device = device;
    }

    /**
     * For classification: targets are the classes [B].
     *
     * @param time the most tokens of a sequence; the rest is cut off
     * @param pad token id that fills
     */
    public static PaddedBatches classes(List<int[]> sequences, int[] classes, int batch, int time, int pad) {
        return new PaddedBatches(sequences, classes.clone(), batch, time, pad, null, Device.CPU);
    }

    /** For language models: targets [B, T] are the tokens that follow, {@link Losses#IGNORE} at the padding. */
    public static PaddedBatches nextTokens(List<int[]> sequences, int batch, int time, int pad) {
        return new PaddedBatches(sequences, null, batch, time, pad, null, Device.CPU);
    }

    /** In an order that the seed shuffles anew for each epoch; sequences that fill no batch are others in each. */
    public PaddedBatches shuffled(long by) {
        return new PaddedBatches(sequences, classes, batch, time, pad, by, device);
    }

    /** The same batches, made on another device. */
    public PaddedBatches on(Device target) {
        return new PaddedBatches(sequences, classes, batch, time, pad, seed, target);
    }

    @Override
    public PaddedBatch batch(long index) {
        return prepare(index).get();
    }

    @Override
    public Supplier<PaddedBatch> prepare(long index) {
        int[] at = places(index);
        int rows = at.length;
        int ahead = classes == null ? 1 : 0;
        int[] lengths = new int[rows];
        for (int r = 0; r < rows; r++) {
            lengths[r] = Math.min(time, sequences.get(at[r]).length - ahead);
        }
        int longest = Arrays.stream(lengths).max().orElseThrow();
        int[] inputs = new int[rows * longest];
        int[] mask = new int[inputs.length];
        int[] targets = new int[classes == null ? inputs.length : rows];
        Arrays.fill(inputs, pad);
        if (classes == null) {
            Arrays.fill(targets, Losses.IGNORE);
        }
        for (int r = 0; r < rows; r++) {
            int[] s = sequences.get(at[r]);
            System.arraycopy(s, 0, inputs, r * longest, lengths[r]);
            Arrays.fill(mask, r * longest, r * longest + lengths[r], 1);
            if (classes == null) {
                System.arraycopy(s, 1, targets, r * longest, lengths[r]);
            } else {
                targets[r] = classes[at[r]];
            }
        }
        Shape table = Shape.of(rows, longest);
        Shape column = Shape.of(rows);
        return () -> new PaddedBatch(
                tensor(inputs, table),
                tensor(mask, table),
                tensor(lengths, column),
                tensor(targets, classes == null ? table : column));
    }

    /** Which sequences make batch {@code index}. */
    private int[] places(long index) {
        long first = index % perEpoch() * batch;
        int rows = (int) Math.min(batch, sequences.size() - first);
        int[] at = new int[rows];
        Permutation order = seed == null
                ? null
                : new Permutation(sequences.size(), seed, Rng.stream("sequences") + index / perEpoch());
        for (int r = 0; r < rows; r++) {
            at[r] = (int) (order == null ? first + r : order.at(first + r));
        }
        return at;
    }

    private Tensor tensor(int[] values, Shape shape) {
        return Tensor.from(device, DType.I32, shape, MemorySegment.ofArray(values));
    }

    @Override
    public long perEpoch() {
        return seed == null ? (sequences.size() + batch - 1L) / batch : sequences.size() / batch;
    }

    /** Sequences if they are classified, else tokens that are predicted. */
    @Override
    public long items(PaddedBatch b) {
        return classes == null
                ? Arrays.stream(b.lengths().toInts()).asLongStream().sum()
                : b.targets().size();
    }

    @Override
    public String unit() {
        return classes == null ? "tok" : "seq";
    }

    @Override
    public String fingerprint() {
        if (fingerprint == null) {
            CRC32C crc = new CRC32C();
            sequences.forEach(s -> update(crc, s));
            if (classes != null) {
                update(crc, classes);
            }
            fingerprint = "%d token sequences, crc32c %08x".formatted(sequences.size(), crc.getValue());
        }
        return fingerprint;
    }

    private static void update(CRC32C crc, int[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(values.length + 1, Integer.BYTES));
        bytes.putInt(values.length).asIntBuffer().put(values);
        crc.update(bytes.array());
    }
}
