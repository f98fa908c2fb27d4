package io.quern.transformer.text;

import java.util.Arrays;

/** A growing buffer of UTF-8. Unpaired surrogates become U+FFFD, so that its contents are always valid. */
final class Utf8Buffer {
    private static final int MAX_SIZE = Integer.MAX_VALUE - 8;

    private byte[] bytes;
    private int size;

    Utf8Buffer(int capacity) {
        bytes = new byte[capacity];
    }

    void clear() {
        size = 0;
    }

    int size() {
        return size;
    }

    /** The bytes themselves, valid up to {@link #size()} and until the next append. */
    byte[] array() {
        return bytes;
    }

    void append(byte value) {
        ensure(1);
        bytes[size++] = value;
    }

    /** Appends the characters of {@code text} in [from, to). */
    void append(String text, int from, int to) {
        ensure(to - from);
        int i = from;
        byte[] target = bytes;
        int n = size;
        while (i < to && text.charAt(i) < 0x80) {
            target[n++] = (byte) text.charAt(i++);
        }
        size = n;
        while (i < to) {
            char c = text.charAt(i++);
            if (Character.isHighSurrogate(c) && i < to && Character.isLowSurrogate(text.charAt(i))) {
                append(Character.toCodePoint(c, text.charAt(i++)));
            } else {
                append(Character.isSurrogate(c) ? 0xFFFD : c);
            }
        }
    }

    private void append(int codePoint) {
        ensure(4);
        if (codePoint < 0x80) {
            bytes[size++] = (byte) codePoint;
            return;
        }
        if (codePoint < 0x800) {
            bytes[size++] = (byte) (0xC0 | codePoint >> 6);
        } else {
            if (codePoint < 0x10000) {
                bytes[size++] = (byte) (0xE0 | codePoint >> 12);
            } else {
                bytes[size++] = (byte) (0xF0 | codePoint >> 18);
                bytes[size++] = (byte) (0x80 | codePoint >> 12 & 0x3F);
            }
            bytes[size++] = (byte) (0x80 | codePoint >> 6 & 0x3F);
        }
        bytes[size++] = (byte) (0x80 | codePoint & 0x3F);
    }

    private void ensure(int more) {
        long needed = (long) size + more;
        if (needed > MAX_SIZE) {
            throw new TokenizerException("a text of more than 2 GiB cannot be encoded at once: split it");
        }
        if (needed > bytes.length) {
            bytes = Arrays.copyOf(bytes, (int) Math.min(MAX_SIZE, Math.max(needed, bytes.length * 3L / 2)));
        }
    }
}
