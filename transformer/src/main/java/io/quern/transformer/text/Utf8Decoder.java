package io.quern.transformer.text;

/**
 * Decodes UTF-8 that arrives in parts. A character comes out when its last byte is there; bytes that cannot be part of
 * a character become U+FFFD, one for each maximal valid beginning, as the Unicode standard recommends (section 3.9) and
 * as Hugging Face tokenizers do. The JDK's decoder differs from that for encoded surrogates.
 */
final class Utf8Decoder {
    private static final char REPLACEMENT = '\uFFFD';

    private int codePoint;
    private int missing;
    /** The range that the next byte must be in; narrower than 80..BF only after E0, ED, F0 and F4. */
    private int lowest = 0x80;

    private int highest = 0xBF;

    void push(byte[] bytes, StringBuilder out) {
        push(bytes, bytes.length, out);
    }

    void push(byte[] bytes, int length, StringBuilder out) {
        for (int i = 0; i < length; i++) {
            int b = bytes[i] & 0xFF;
            if (missing == 0) {
                begin(b, out);
            } else if (b < lowest || b > highest) {
                missing = 0;
                out.append(REPLACEMENT);
                begin(b, out);
            } else {
                codePoint = codePoint << 6 | b & 0x3F;
                lowest = 0x80;
                highest = 0xBF;
                if (--missing == 0) {
                    out.appendCodePoint(codePoint);
                }
            }
        }
    }

    /** Ends the input: a character that is incomplete comes out as U+FFFD. */
    void flush(StringBuilder out) {
        if (missing > 0) {
            missing = 0;
            out.append(REPLACEMENT);
        }
    }

    private void begin(int b, StringBuilder out) {
        lowest = 0x80;
        highest = 0xBF;
        if (b < 0x80) {
            out.append((char) b);
        } else if (b >= 0xC2 && b <= 0xDF) {
            missing = 1;
            codePoint = b & 0x1F;
        } else if (b >= 0xE0 && b <= 0xEF) {
            missing = 2;
            codePoint = b & 0x0F;
            lowest = b == 0xE0 ? 0xA0 : 0x80;
            highest = b == 0xED ? 0x9F : 0xBF;
        } else if (b >= 0xF0 && b <= 0xF4) {
            missing = 3;
            codePoint = b & 0x07;
            lowest = b == 0xF0 ? 0x90 : 0x80;
            highest = b == 0xF4 ? 0x8F : 0xBF;
        } else {
            out.append(REPLACEMENT);
        }
    }
}
