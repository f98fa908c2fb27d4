package io.quern.tensor.file;

import io.quern.tensor.Shape;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Collectors;

/** NumPy's array files, version 1.0, C order, little-endian. */
public final class Npy {
    private static final int CHUNK = 1 << 16;

    private Npy() {}

    /**
     * Writes a float32 array.
     *
     * @throws TensorException if the file cannot be written; what was there before then stays
     */
    public static void write(Path file, Shape shape, float[] values) {
        if (shape.size() != values.length) {
            throw new TensorException(file + ": shape " + shape + " does not fit " + values.length + " values");
        }
        try {
            AtomicFile.write(file, channel -> {
                AtomicFile.writeFully(channel, ByteBuffer.wrap(header(shape)));
                ByteBuffer chunk = ByteBuffer.allocate(CHUNK * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                for (int at = 0; at < values.length; at += CHUNK) {
                    int n = Math.min(CHUNK, values.length - at);
                    chunk.clear();
                    chunk.asFloatBuffer().put(values, at, n);
                    AtomicFile.writeFully(channel, chunk.limit(n * Float.BYTES));
                }
            });
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be written: " + FileErrors.reason(e), e);
        }
    }

    private static byte[] header(Shape shape) {
        String dims = Arrays.stream(shape.dims()).mapToObj(d -> d + ",").collect(Collectors.joining(" "));
        String text = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + dims + "), }";
        int prefix = 10;
        int length = (prefix + text.length() + 1 + 63) / 64 * 64 - prefix;
        ByteBuffer b = ByteBuffer.allocate(prefix + length).order(ByteOrder.LITTLE_ENDIAN);
        b.put(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}).putShort((short) length);
        b.put(text.getBytes(StandardCharsets.US_ASCII));
        while (b.hasRemaining()) {
            b.put((byte) (b.remaining() == 1 ? '\n' : ' '));
        }
        return b.array();
    }
}
