package io.quern.vision.data;

import com.twelvemonkeys.imageio.plugins.webp.WebPImageReaderSpi;
import io.quern.tensor.TensorException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import javax.imageio.ImageReader;
import javax.imageio.stream.MemoryCacheImageInputStream;

/**
 * What comes before the decoding of a WebP file by TwelveMonkeys' reader: its chunks are checked, since the reader takes a
 * file that is cut short for one that goes on with zeros, and takes memory for what the inner picture claims to be.
 */
final class WebpFile {
    private static final int HEADER = 12;
    private static final int CHUNK = 8;

    private WebpFile() {}

    static boolean isOne(byte[] b) {
        return b.length >= HEADER && name(b, 0).equals("RIFF") && name(b, 8).equals("WEBP");
    }

    /** A reader; {@link Input} feeds it. */
    static ImageReader reader() throws IOException {
        return new WebPImageReaderSpi().createReaderInstance(null);
    }

    /**
     * Refuses what is cut short, too large or animated.
     *
     * @param file for messages
     */
    static void check(String file, byte[] b) {
        long end = HEADER - 4 + number(b, 4, 4);
        if (end > b.length) {
            throw new TensorException(
                    file + " is a truncated WebP: it has " + b.length + " bytes of " + end + " that it says it has");
        }
        boolean picture = false;
        long at = HEADER;
        while (at + CHUNK <= end) {
            int from = (int) at + CHUNK;
            long size = number(b, (int) at + 4, 4);
            String kind = name(b, (int) at);
            if (from + size > end) {
                throw new TensorException(file + " is a broken WebP: its part '" + kind.strip() + "' of " + size
                        + " bytes goes beyond the end");
            }
            switch (kind) {
                case "VP8X" -> checkSize(file, size >= 10, 1 + number(b, from + 4, 3), 1 + number(b, from + 7, 3));
                case "VP8 " -> {
                    checkSize(file, size >= 10, number(b, from + 6, 2) & 0x3FFF, number(b, from + 8, 2) & 0x3FFF);
                    picture = true;
                }
                case "VP8L" -> {
                    long bits = size >= 5 ? number(b, from + 1, 4) : 0;
                    checkSize(file, size >= 5, 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF));
                    picture = true;
                }
                case "ANIM", "ANMF" ->
                    throw new TensorException(
                            file + " is an animated WebP, which is not decoded; save one picture of it");
                default -> {}
            }
            at = from + size + (size & 1);
        }
        if (!picture) {
            throw new TensorException(file + " is a broken WebP: there is no picture in it");
        }
    }

    private static void checkSize(String file, boolean whole, long width, long height) {
        if (!whole) {
            throw new TensorException(file + " is a broken WebP: its header is too short");
        }
        ImageFile.checkSize(file, width, height);
    }

    private static String name(byte[] b, int at) {
        return new String(b, at, 4, StandardCharsets.ISO_8859_1);
    }

    /** A little-endian number; 0 beyond the end, for the caller to find that there is too little. */
    private static long number(byte[] b, int at, int bytes) {
        long n = 0;
        for (int i = bytes - 1; i >= 0; i--) {
            n = n << 8 | (at + i < b.length ? b[at + i] & 0xFF : 0);
        }
        return n;
    }

    /**
     * The bytes of a file, and a few zeros: the reader looks ahead. In a broken file it would read zeros for minutes, so that
     * reading on is an error.
     */
    static final class Input extends MemoryCacheImageInputStream {
        private static final int AHEAD = 16;

        Input(byte[] bytes) {
            super(new ByteArrayInputStream(Arrays.copyOf(bytes, bytes.length + AHEAD)));
        }

        @Override
        public int read() throws IOException {
            return checked(super.read());
        }

        @Override
        public int read(byte[] into, int from, int length) throws IOException {
            return checked(super.read(into, from, length));
        }

        private static int checked(int result) throws IOException {
            if (result < 0) {
                throw new IOException("it ends too early");
            }
            return result;
        }
    }
}
