package io.quern.transformer.text;

/**
 * GPT-2's rule that cuts a text into pieces which are encoded on their own. It finds the same pieces as the regular
 * expression of OpenAI's {@code encoder.py}
 *
 * <pre>{@code 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+}</pre>
 *
 * but walks over UTF-8 once, never back. A regular expression needs a recursion or a step back for each character of
 * a run, which ends badly for a megabyte of spaces.
 */
final class Gpt2Splitter {
    private Gpt2Splitter() {}

    /**
     * The end of the piece that begins at {@code start} < {@code end}.
     *
     * @param utf8 valid UTF-8; {@code end} is the end of the text, for white space at the end of a text is not cut
     */
    static int next(byte[] utf8, int start, int end) {
        byte first = utf8[start];
        if (first == '\'') {
            int length = contraction(utf8, start, end);
            if (length > 0) {
                return start + length;
            }
        }
        int begin = start;
        if (first == ' ' && start + 1 < end && kindAt(utf8, start + 1) != CharKind.SPACE) {
            begin = start + 1;
        }
        byte kind = kindAt(utf8, begin);
        int p = begin + lengthAt(utf8, begin);
        int last = begin;
        while (p < end && kindAt(utf8, p) == kind) {
            last = p;
            p += lengthAt(utf8, p);
        }
        // Of several white spaces before something else, the last one is left to what follows.
        return kind == CharKind.SPACE && p < end && last > begin ? last : p;
    }

    private static int contraction(byte[] utf8, int start, int end) {
        if (start + 1 >= end) {
            return 0;
        }
        byte second = utf8[start + 1];
        if (second == 's' || second == 't' || second == 'm' || second == 'd') {
            return 2;
        }
        if (start + 2 >= end) {
            return 0;
        }
        byte third = utf8[start + 2];
        boolean matches = (second == 'r' || second == 'v') && third == 'e' || second == 'l' && third == 'l';
        return matches ? 3 : 0;
    }

    private static byte kindAt(byte[] utf8, int p) {
        byte b = utf8[p];
        return b >= 0 ? CharKind.ofAscii(b) : CharKind.of(codePointAt(utf8, p));
    }

    private static int lengthAt(byte[] utf8, int p) {
        int b = utf8[p];
        return b >= 0 ? 1 : b < (byte) 0xE0 ? 2 : b < (byte) 0xF0 ? 3 : 4;
    }

    private static int codePointAt(byte[] utf8, int p) {
        int b = utf8[p] & 0xFF;
        if (b < 0xE0) {
            return (b & 0x1F) << 6 | utf8[p + 1] & 0x3F;
        }
        if (b < 0xF0) {
            return (b & 0x0F) << 12 | (utf8[p + 1] & 0x3F) << 6 | utf8[p + 2] & 0x3F;
        }
        return (b & 0x07) << 18 | (utf8[p + 1] & 0x3F) << 12 | (utf8[p + 2] & 0x3F) << 6 | utf8[p + 3] & 0x3F;
    }
}
