package io.quern.train.data;

import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;

/** How many bytes a token id takes in a file. */
public enum TokenWidth {
    /** Two bytes, unsigned: vocabularies up to 65,536 tokens; what nanoGPT writes. */
    UINT16(2, 0xFFFF),
    /** Four bytes, signed. */
    INT32(4, Integer.MAX_VALUE);

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final int CHUNK = 1 << 16;

    private final int bytes;
    private final int largest;

    TokenWidth(int bytes, int largest) {
        this.bytes = bytes;
        this.largest = largest;
    }

    public int bytes() {
        return bytes;
    }

    /** The narrowest width for a vocabulary. */
    public static TokenWidth forVocabulary(int size) {
        return size <= UINT16.largest + 1 ? UINT16 : INT32;
    }

    void read(MemorySegment tokens, long from, int[] target, int at, int count) {
        switch (this) {
            case UINT16 -> {
                for (int i = 0; i < count; i++) {
                    target[at + i] = tokens.get(SHORT, (from + i) * 2) & 0xFFFF;
                }
            }
            case INT32 -> MemorySegment.copy(tokens, INT, from * 4, target, at, count);
        }
    }

    /**
     * Writes token ids little-endian to a file, which appears once it is whole.
     *
     * @throws TensorException if an id does not fit the width
     */
    public void write(Path file, int... tokens) throws IOException {
        AtomicFile.write(file, channel -> {
            ByteBuffer buffer = ByteBuffer.allocate(CHUNK).order(ByteOrder.LITTLE_ENDIAN);
            for (int id : tokens) {
                if (!buffer.hasRemaining()) {
                    flush(buffer, channel);
                }
                put(id, buffer);
            }
            flush(buffer, channel);
        });
    }

    private void put(int id, ByteBuffer buffer) {
        if (id < 0 || id > largest) {
            throw new TensorException("token id " + id + " does not fit " + this + ", which holds 0 to " + largest);
        }
        switch (this) {
            case UINT16 -> buffer.putShort((short) id);
            case INT32 -> buffer.putInt(id);
        }
    }

    private static void flush(ByteBuffer buffer, FileChannel channel) throws IOException {
        buffer.flip();
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
        buffer.clear();
    }
}
