package io.quern.cuda.driver;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * JCuda's native half of cuBLAS, which asks for cuBLAS 12 by name, changed in memory so that it asks for 13. All functions that
 * it names are in both with the same prototypes; only the name of the library, which is that of its symbols' version too,
 * differs. Two edits do it: a digit of the name, and the hash by which the loader compares versions.
 */
final class CublasNatives {
    /** As JCuda's loader names it. */
    static final String FILE = "libJCublas2-12.6.0-linux-x86_64.so";

    private static final String TWELVE = "libcublas.so.12";
    private static final String THIRTEEN = "libcublas.so.13";

    private CublasNatives() {}

    /** The changed library. */
    static byte[] forThirteen() throws IOException {
        try (InputStream in = CublasNatives.class.getResourceAsStream("/lib/" + FILE)) {
            if (in == null) {
                throw new IOException("JCuda's " + FILE + " is not on the class path; cuBLAS 12 would do without it");
            }
            return rename(in.readAllBytes());
        }
    }

    /** @throws IOException unless the name and its hash are there once each */
    static byte[] rename(byte[] library) throws IOException {
        byte[] copy = library.clone();
        replace(copy, name(TWELVE), name(THIRTEEN));
        replace(copy, hash(TWELVE), hash(THIRTEEN));
        return copy;
    }

    /** The whole string: the library's symbol table has names that end with it. */
    private static byte[] name(String s) {
        return ("\0" + s + "\0").getBytes(StandardCharsets.US_ASCII);
    }

    /** The hash of symbol versions in ELF files. Source: System V Application Binary Interface, "Hash Table". */
    private static byte[] hash(String s) {
        int h = 0;
        for (int i = 0; i < s.length(); i++) {
            h = (h << 4) + s.charAt(i);
            int high = h & 0xF0000000;
            h = (h ^ high >>> 24) & ~high;
        }
        return ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(h).array();
    }

    private static void replace(byte[] in, byte[] from, byte[] to) throws IOException {
        int found = -1;
        for (int i = 0; i + from.length <= in.length; i++) {
            if (in[i] == from[0] && Arrays.equals(in, i, i + from.length, from, 0, from.length)) {
                if (found >= 0) {
                    throw new IOException(
                            "JCuda's " + FILE + " names cuBLAS 12 more than once, so it cannot be changed");
                }
                found = i;
            }
        }
        if (found < 0) {
            throw new IOException("JCuda's " + FILE + " does not name cuBLAS 12, so it cannot be changed");
        }
        System.arraycopy(to, 0, in, found, to.length);
    }
}
