package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class Utf8Test {
    private static String decode(byte[] bytes) {
        Utf8Decoder decoder = new Utf8Decoder();
        StringBuilder text = new StringBuilder();
        decoder.push(bytes, text);
        decoder.flush(text);
        return text.toString();
    }

    /** One U+FFFD for each maximal valid beginning (Unicode 16, table 3-8 and following), as Rust's from_utf8_lossy. */
    @ParameterizedTest
    @CsvSource({
        "41C342, A?B",
        "E28241, ?A",
        "F09F9841, ?A",
        "F09F98, ?",
        "EDA080, ???",
        "C080, ??",
        "E08041, ??A",
        "F08080, ???",
        "F4908080, ????",
        "F5, ?",
        "80BF, ??",
        "FF41FE, ?A?",
        "E2E282AC, ?\u20AC",
        "F0908080, \uD800\uDC00"
    })
    void invalidBytes(String hex, String expected) {
        assertEquals(expected.replace('?', '\uFFFD'), decode(HexFormat.of().parseHex(hex)));
    }

    @Test
    void everyCodePoint() {
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            String text = Character.toString(c);
            String expected = c >= 0xD800 && c <= 0xDFFF ? "\uFFFD" : text;
            Utf8Buffer buffer = new Utf8Buffer(1);
            buffer.append(text, 0, text.length());
            byte[] utf8 = Arrays.copyOf(buffer.array(), buffer.size());
            assertArrayEquals(expected.getBytes(StandardCharsets.UTF_8), utf8);
            assertEquals(expected, decode(utf8));
        }
    }

    @Test
    void splitAnywhere() {
        Random random = new Random(5);
        for (int i = 0; i < 2000; i++) {
            byte[] bytes = RandomText.next(random).getBytes(StandardCharsets.UTF_8);
            if (bytes.length > 0 && random.nextBoolean()) {
                bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
            }
            Utf8Decoder decoder = new Utf8Decoder();
            StringBuilder text = new StringBuilder();
            for (byte b : bytes) {
                int before = text.length();
                decoder.push(new byte[] {b}, text);
                if (text.length() > before) {
                    // A piece never ends inside a surrogate pair.
                    assertEquals(false, Character.isHighSurrogate(text.charAt(text.length() - 1)));
                }
            }
            decoder.flush(text);
            assertEquals(decode(bytes), text.toString());
        }
    }

    @Test
    void unpairedSurrogates() {
        Utf8Buffer buffer = new Utf8Buffer(1);
        String text = "a\uD800b\uDC00\uD800\uD83D\uDE00\uD800";
        buffer.append(text, 0, text.length());
        assertEquals(
                "a\uFFFDb\uFFFD\uFFFD\uD83D\uDE00\uFFFD",
                new String(buffer.array(), 0, buffer.size(), StandardCharsets.UTF_8));
    }
}
