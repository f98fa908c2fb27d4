package io.quern.tensor.file;

import io.quern.tensor.Device;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** Writes GGUF files, version 3, little-endian, data aligned to 32 bytes. */
public final class GgufWriter {
    private static final int ALIGNMENT = GgufHeader.DEFAULT_ALIGNMENT;
    private static final int CHUNK = 1 << 26;

    private GgufWriter() {}

    /**
     * Writes metadata and tensors in the order of the maps. A value's class decides its type in the file: {@code Integer}
     * u32, {@code Long} u64, {@code Float} f32, {@code Double} f64, {@code Boolean}, {@code String}, lists of strings, and
     * {@code int[]} i32.
     *
     * @param tensors row-major in their own dtypes; those of quantised types packed
     * @throws TensorException if the file cannot be written; what was there before then stays
     */
    public static void write(Path file, Map<String, Object> metadata, Map<String, Tensor> tensors) {
        Bytes header = new Bytes();
        header.i32(GgufHeader.MAGIC);
        header.i32(3);
        header.i64(tensors.size());
        header.i64(metadata.size());
        metadata.forEach((key, value) -> {
            if (key.equals(GgufHeader.ALIGNMENT)) {
                throw new TensorException(file + ": the alignment is always " + ALIGNMENT);
            }
            header.string(key);
            header.value(key, value);
        });
        long at = 0;
        for (Map.Entry<String, Tensor> e : tensors.entrySet()) {
            Tensor t = e.getValue();
            header.string(e.getKey());
            header.i32(t.shape().rank());
            for (int d = t.shape().rank() - 1; d >= 0; d--) {
                header.i64(t.dim(d));
            }
            header.i32(GgufType.of(StoredType.of(t.dtype())).code());
            header.i64(at);
            at += aligned(t.dtype().bytes(t.shape()));
        }
        header.align();
        try {
            AtomicFile.write(file, channel -> {
                AtomicFile.writeFully(channel, ByteBuffer.wrap(header.out.toByteArray()));
                for (Tensor t : tensors.values()) {
                    data(channel, t);
                }
            });
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be written: " + FileErrors.reason(e), e);
        }
    }

    private static long aligned(long bytes) {
        return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }

    private static void data(FileChannel channel, Tensor t) throws IOException {
        Tensor packed = Tape.noGrad(() -> t.detach().to(Device.CPU).pack());
        try {
            long size = t.dtype().bytes(t.shape());
            MemorySegment bytes = packed.data();
            for (long at = 0; at < size; at += CHUNK) {
                AtomicFile.writeFully(
                        channel, bytes.asSlice(at, Math.min(CHUNK, size - at)).asByteBuffer());
            }
            AtomicFile.writeFully(channel, ByteBuffer.allocate((int) (aligned(size) - size)));
        } finally {
            if (packed.buffer() != t.buffer()) {
                packed.close();
            }
        }
    }

    /** Little-endian bytes of the header. */
    private static final class Bytes {
        private final ByteArrayOutputStream out = new ByteArrayOutputStream();

        void i32(int value) {
            out.writeBytes(ByteBuffer.allocate(4)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putInt(value)
                    .array());
        }

        void i64(long value) {
            out.writeBytes(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(value)
                    .array());
        }

        void string(String text) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            i64(bytes.length);
            out.writeBytes(bytes);
        }

        void value(String key, Object value) {
            switch (value) {
                case Integer n -> {
                    i32(4);
                    i32(n);
                }
                case Float x -> {
                    i32(6);
                    i32(Float.floatToRawIntBits(x));
                }
                case Boolean b -> {
                    i32(7);
                    out.write(b ? 1 : 0);
                }
                case String s -> {
                    i32(8);
                    string(s);
                }
                case Long n -> {
                    i32(10);
                    i64(n);
                }
                case Double x -> {
                    i32(12);
                    i64(Double.doubleToRawLongBits(x));
                }
                case int[] array -> {
                    i32(9);
                    i32(5);
                    i64(array.length);
                    for (int n : array) {
                        i32(n);
                    }
                }
                case List<?> list -> {
                    i32(9);
                    i32(8);
                    i64(list.size());
                    list.forEach(s -> string((String) s));
                }
                default -> throw new IllegalArgumentException(key + ": no GGUF type for " + value.getClass());
            }
        }

        void align() {
            out.writeBytes(new byte[(int) (aligned(out.size()) - out.size())]);
        }
    }
}
