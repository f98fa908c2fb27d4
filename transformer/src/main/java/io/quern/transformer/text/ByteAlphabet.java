package io.quern.transformer.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The printable characters by which GPT-2 writes bytes in its vocabulary ({@code bytes_to_unicode} in OpenAI's
 * {@code encoder.py}): visible Latin-1 characters stand for themselves, the other 68 bytes, in ascending order, for
 * U+0100 and on. So a space is written U+0120 and a line feed U+010A.
 */
final class ByteAlphabet {
    static final int SIZE = 256;

    private static final char[] CHAR_OF_BYTE = new char[SIZE];
    /** By character; -1 where a character stands for no byte. */
    private static final short[] BYTE_OF_CHAR = new short[0x100 + 68];

    static {
        Arrays.fill(BYTE_OF_CHAR, (short) -1);
        char next = 0x100;
        for (int b = 0; b < SIZE; b++) {
            boolean visible = b >= '!' && b <= '~' || b >= 0xA1 && b <= 0xAC || b >= 0xAE;
            char c = visible ? (char) b : next++;
            CHAR_OF_BYTE[b] = c;
            BYTE_OF_CHAR[c] = (short) b;
        }
    }

    private ByteAlphabet() {}

    static char charOf(int unsignedByte) {
        return CHAR_OF_BYTE[unsignedByte];
    }

    /** The byte (0..255) that a character stands for, or -1. */
    static int byteOf(char c) {
        return c < BYTE_OF_CHAR.length ? BYTE_OF_CHAR[c] : -1;
    }

    /**
     * The bytes that a token stands for. A token with any character from outside the alphabet stands for its own UTF-8:
     * this is how Hugging Face decodes added tokens such as one with a space in it.
     */
    static byte[] bytesOf(String token) {
        byte[] bytes = new byte[token.length()];
        for (int i = 0; i < bytes.length; i++) {
            int b = byteOf(token.charAt(i));
            if (b < 0) {
                return token.getBytes(StandardCharsets.UTF_8);
            }
            bytes[i] = (byte) b;
        }
        return bytes;
    }

    /** Bytes [from, to) as they are written in a vocabulary. */
    static String write(byte[] bytes, int from, int to) {
        char[] chars = new char[to - from];
        for (int i = 0; i < chars.length; i++) {
            chars[i] = CHAR_OF_BYTE[bytes[from + i] & 0xFF];
        }
        return new String(chars);
    }
}
