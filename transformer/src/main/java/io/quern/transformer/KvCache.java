package io.quern.transformer;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Recording;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * The keys and values of all tokens so far, so that a new token costs one pass over itself. Memory lives until
 * {@link #close()} and grows in blocks up to the context length.
 *
 * <p>Keys and values are [rows, heads, capacity, head size] for each layer: a head reads its own in one stretch of memory,
 * where the processor's prefetchers follow it. Sequence {@code i} of the current batch writes
 * its next token into row {@code i}; a small table says for every sequence and position which row holds it. So a beam that
 * is continued twice, or a prompt that several sequences continue, is a change of the table ({@link #select}), and no key
 * or value is ever copied: what is written at a position stays there.
 *
 * <p>A step is {@link #begin}, {@link #attend} in every layer, {@link #end}. A step of one token can be recorded and replayed
 * until {@link #revision} changes. Not thread-safe.
 */
public final class KvCache implements AutoCloseable {
    private static final int BLOCK = 64;

    private final Device device;
    private final DType dtype;
    private final int rows;
    private final int heads;
    private final int headSize;
    private final int contextLength;
    private final Tensor[] keys;
    private final Tensor[] values;

    private int capacity;
    private int length;
    private int batch = 1;
    private int[][] table;
    private int[][] spare;
    private boolean shared;

    private int stepTokens;
    private int[] rowsOnHost = new int[0];
    private MemorySegment rowsOnHostMemory;
    private Tensor rowsOnDevice;
    private Tensor stepRows;
    private int revision;

    /**
     * An empty cache for one sequence.
     *
     * @param rows the most sequences that it can hold at a time
     * @param heads number of key heads
     * @param contextLength the most tokens of a sequence
     */
    public KvCache(Device device, DType dtype, int layers, int rows, int heads, int headSize, int contextLength) {
        if (rows < 1) {
            throw new IllegalArgumentException("a cache has one row or more, not " + rows);
        }
        this.device = device;
        this.dtype = dtype;
        this.rows = rows;
        this.heads = heads;
        this.headSize = headSize;
        this.contextLength = contextLength;
        this.keys = new Tensor[layers];
        this.values = new Tensor[layers];
        this.table = new int[rows][0];
        this.spare = new int[rows][0];
    }

    /** Number of tokens of each sequence. */
    public int length() {
        return length;
    }

    /** Number of sequences. */
    public int batch() {
        return batch;
    }

    /** The most tokens of a sequence. */
    public int contextLength() {
        return contextLength;
    }

    /** Memory held, in bytes. */
    public long bytes() {
        return 2L * keys.length * rows * capacity * heads * headSize * dtype.bytes();
    }

    /** Makes room for sequences of so many tokens now, so that steps up to there allocate nothing. */
    public void reserve(int tokens) {
        if (tokens > contextLength) {
            throw new TensorException("a sequence of " + tokens + " tokens is longer than the model's context of "
                    + contextLength + "; shorten the prompt");
        }
        if (tokens <= capacity) {
            return;
        }
        int wanted = Math.max(tokens, capacity + capacity / 2);
        int grown = (int) Math.min(contextLength, (wanted + BLOCK - 1L) / BLOCK * BLOCK);
        for (int i = 0; i < keys.length; i++) {
            keys[i] = grow(keys[i], grown);
            values[i] = grow(values[i], grown);
        }
        for (int i = 0; i < rows; i++) {
            table[i] = Arrays.copyOf(table[i], grown);
            spare[i] = new int[grown];
        }
        capacity = grown;
        dropRows();
        revision++;
    }

    private Tensor grow(Tensor old, int grown) {
        Tensor t = Tensor.empty(device, dtype, Shape.of(rows, heads, grown, headSize))
                .keep();
        if (old != null) {
            t.narrow(2, 0, length).assign(old.narrow(2, 0, length));
            old.close();
        }
        return t;
    }

    /** Starts a step that adds {@code tokens} tokens to each of {@code sequences} sequences. */
    public void begin(int sequences, int tokens) {
        if (length == 0 && sequences <= rows) {
            setBatch(sequences);
        }
        if (sequences != batch) {
            throw new TensorException(
                    "the cache holds " + batch + " sequences (at most " + rows + "), but the step is for " + sequences);
        }
        reserve(Math.addExact(length, tokens));
        for (int i = 0; i < batch; i++) {
            Arrays.fill(table[i], length, length + tokens, i);
        }
        stepTokens = tokens;
        stepRows = null;
        if (shared) {
            sendRows(length + tokens);
        }
    }

    /** Tells the device which row holds each of {@code s} positions. */
    private void sendRows(int s) {
        if (rowsOnDevice == null) {
            rowsOnHost = new int[rows * capacity];
            rowsOnHostMemory = MemorySegment.ofArray(rowsOnHost);
            rowsOnDevice =
                    Tensor.empty(device, DType.I32, Shape.of(rows * capacity)).keep();
        }
        for (int i = 0; i < batch; i++) {
            System.arraycopy(table[i], 0, rowsOnHost, i * s, s);
        }
        rowsOnDevice.writeFrom(rowsOnHostMemory.asSlice(0, 4L * batch * s));
    }

    /** I32 [batch, tokens so far], made in the first layer of a step. */
    private Tensor stepRows() {
        if (shared && stepRows == null) {
            int s = length + stepTokens;
            stepRows = Recording.growing(rowsOnDevice.narrow(0, 0, batch * s).reshape(batch, s), 1);
        }
        return stepRows;
    }

    /**
     * Writes the keys and values of the step's tokens, and attends to all so far.
     *
     * @param q [B, T, H, D]
     * @param k [B, T, heads, D]
     * @param v as k
     * @return [B, T, H, D]
     */
    public Tensor attend(int layer, Tensor q, Tensor k, Tensor v, Attention.Options options) {
        write(keys[layer], k);
        write(values[layer], v);
        return Tensor.runAll(
                        new Attention.Forward(q, sofar(keys[layer]), sofar(values[layer]), null, stepRows(), options))
                .getFirst();
    }

    /** What the sequences attend to. */
    private Tensor sofar(Tensor all) {
        Tensor sequences = shared ? byTime(all) : byTime(all).narrow(0, 0, batch);
        return Recording.growing(sequences.narrow(1, 0, length + stepTokens), 1);
    }

    private void write(Tensor all, Tensor x) {
        Recording.sliding(byTime(all).narrow(0, 0, batch).narrow(1, length, stepTokens), 1)
                .assign(x);
    }

    /** The view [rows, capacity, heads, head size] that attention takes. */
    private static Tensor byTime(Tensor all) {
        return all.permute(0, 2, 1, 3);
    }

    /** Ends a step: its tokens now belong to the sequences. */
    public void end() {
        length += stepTokens;
        stepTokens = 0;
        stepRows = null;
    }

    /**
     * Sets which sequences go on: the new sequence {@code i} continues the old sequence {@code parents[i]}. One may go on
     * several times or not at all.
     */
    public void select(int... parents) {
        if (parents.length < 1 || parents.length > rows) {
            throw new IllegalArgumentException(
                    "from 1 to " + rows + " sequences can go on in this cache, not " + parents.length);
        }
        for (int i = 0; i < parents.length; i++) {
            if (parents[i] < 0 || parents[i] >= batch) {
                throw new IllegalArgumentException("there is no sequence " + parents[i] + " among " + batch);
            }
            System.arraycopy(table[parents[i]], 0, spare[i], 0, length);
            if (!shared && parents[i] != i && length > 0) {
                shared = true;
                revision++;
            }
        }
        int[][] old = table;
        table = spare;
        spare = old;
        setBatch(parents.length);
    }

    private void setBatch(int sequences) {
        if (batch != sequences) {
            batch = sequences;
            revision++;
        }
    }

    /**
     * Changes when a step may use other memory or another number of sequences than the one before, so that what was
     * recorded of it ({@link Recording}) does not fit any more.
     */
    public int revision() {
        return revision;
    }

    /** Forgets all tokens from {@code newLength} on; memory stays. */
    public void truncate(int newLength) {
        if (newLength < 0 || newLength > length) {
            throw new IllegalArgumentException("cannot cut a cache of " + length + " tokens to " + newLength);
        }
        length = newLength;
        if (shared && length == 0) {
            shared = false;
            revision++;
        }
    }

    private void dropRows() {
        if (rowsOnDevice != null) {
            rowsOnDevice.close();
            rowsOnDevice = null;
        }
        stepRows = null;
    }

    @Override
    public void close() {
        dropRows();
        revision++;
        for (int i = 0; i < keys.length; i++) {
            if (keys[i] != null) {
                keys[i].close();
                values[i].close();
                keys[i] = null;
                values[i] = null;
            }
        }
        capacity = 0;
        length = 0;
        shared = false;
    }
}
