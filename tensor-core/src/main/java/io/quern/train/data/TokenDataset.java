package io.quern.train.data;

import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * A sequence of token ids for language models, in memory or in a mapped file, from which batches are cut: inputs are a
 * piece of the sequence, targets the same piece one token later. Parts of a dataset share its memory; the memory of a
 * mapped file is released when no part is left.
 */
public final class TokenDataset {
    private static final int CHUNK = 1 << 20;

    private final MemorySegment tokens;
    private final TokenWidth width;
    private final Device device;
    private String fingerprint;

    private TokenDataset(MemorySegment tokens, TokenWidth width, Device device) {
        this.tokens = tokens;
        this.width = width;
        this.device = device;
    }

    /** Token ids in memory; the array must not change. Batches are made on the CPU. */
    public static TokenDataset of(int... tokens) {
        return new TokenDataset(MemorySegment.ofArray(tokens), TokenWidth.INT32, Device.CPU);
    }

    /**
     * Maps a file of nothing but little-endian token ids, such as {@link TokenWidth#write} and nanoGPT write.
     *
     * @throws TensorException if the size of the file is no multiple of the width
     */
    public static TokenDataset map(Path file, TokenWidth width) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long bytes = channel.size();
            if (bytes % width.bytes() != 0) {
                throw new TensorException("token file " + file + " has " + bytes + " bytes, which is no multiple of "
                        + width.bytes() + ": it is cut off, or not of width " + width);
            }
            MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, bytes, Arena.ofAuto());
            return new TokenDataset(all, width, Device.CPU);
        }
    }

    /**
     * Sequences end to end, each followed by a separator: no padding, and pieces may span two of them. {@link PaddedBatches} is
     * the other way.
     */
    public static TokenDataset packed(List<int[]> sequences, int separator) {
        long size = sequences.stream().mapToLong(s -> s.length + 1L).sum();
        int[] all = new int[Math.toIntExact(size)];
        int at = 0;
        for (int[] s : sequences) {
            System.arraycopy(s, 0, all, at, s.length);
            at += s.length;
            all[at++] = separator;
        }
        return of(all);
    }

    /** The same tokens, with batches made on another device. */
    public TokenDataset on(Device target) {
        return new TokenDataset(tokens, width, target);
    }

    /**
     * Number and CRC-32C of the tokens, such as {@code 1000 tokens of 2 bytes, crc32c 1a2b3c4d}. Reads all of them, once.
     */
    public String fingerprint() {
        if (fingerprint == null) {
            fingerprint = "%d tokens of %d bytes, crc32c %08x".formatted(size(), width.bytes(), crc());
        }
        return fingerprint;
    }

    private long crc() {
        CRC32C crc = new CRC32C();
        byte[] chunk = new byte[(int) Math.min(CHUNK, tokens.byteSize())];
        for (long at = 0; at < tokens.byteSize(); at += CHUNK) {
            int n = (int) Math.min(CHUNK, tokens.byteSize() - at);
            MemorySegment.copy(tokens, ValueLayout.JAVA_BYTE, at, chunk, 0, n);
            crc.update(chunk, 0, n);
        }
        return crc.getValue();
    }

    /** Number of tokens. */
    public long size() {
        return tokens.byteSize() / width.bytes();
    }

    /** Tokens {@code from} to {@code from + count}. */
    public int[] read(long from, int count) {
        int[] ids = new int[count];
        width.read(tokens, from, ids, 0, count);
        return ids;
    }

    /** Tokens {@code from} to {@code to}, without a copy. */
    public TokenDataset slice(long from, long to) {
        if (from < 0 || to < from || to > size()) {
            throw new TensorException(
                    "tokens " + from + " to " + to + " are outside the " + size() + " of the dataset");
        }
        return new TokenDataset(tokens.asSlice(from * width.bytes(), (to - from) * width.bytes()), width, device);
    }

    /** The beginning of a dataset for training and its end for validation. */
    public record Split(TokenDataset train, TokenDataset validation) {}

    /** Cuts off the end for validation: {@code trainFraction} of the tokens, rounded down, stay for training. */
    public Split split(double trainFraction) {
        if (!(trainFraction >= 0 && trainFraction <= 1)) {
            throw new IllegalArgumentException("the fraction for training must be in [0, 1], not " + trainFraction);
        }
        long cut = (long) (size() * trainFraction);
        return new Split(slice(0, cut), slice(cut, size()));
    }

    /** {@code batch} pieces of {@code time} tokens at random places, independently drawn: for training. */
    public Batches<Batch> randomCrops(int batch, int time, long seed) {
        return new TokenBatches(this, device, new TokenBatches.Crops(seed, places(time)), batch, time);
    }

    /**
     * Every window of {@code time} tokens once an epoch, in an order that the seed shuffles anew for each epoch: for
     * training by epochs. The windows that fill no batch are left out; they are others in each epoch.
     */
    public Batches<Batch> shuffledWindows(int batch, int time, long seed) {
        return new TokenBatches(this, device, new TokenBatches.Shuffled(seed, windowCount(time)), batch, time);
    }

    /** The windows of {@code time} tokens in order, the last batch having as many as are left: for evaluation. */
    public Batches<Batch> windows(int batch, int time) {
        return new TokenBatches(this, device, new TokenBatches.InOrder(windowCount(time)), batch, time);
    }

    private long windowCount(int time) {
        places(time);
        return (size() - 1) / time;
    }

    /** Number of places where a piece of {@code time} tokens and its target can begin. */
    private long places(int time) {
        if (time < 1) {
            throw new IllegalArgumentException("a piece needs 1 token or more, not " + time);
        }
        if (size() <= time) {
            throw new TensorException("the dataset has " + size() + " tokens, too few for a piece of " + time
                    + " and the token that follows: take a shorter context, or more text");
        }
        return size() - time;
    }

    void read(long from, int[] target, int at, int count) {
        width.read(tokens, from, target, at, count);
    }
}
