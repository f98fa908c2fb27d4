package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class Gpt2SplitterTest {
    private static final Pattern RULE = Pattern.compile(
            "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            Pattern.UNICODE_CHARACTER_CLASS);

    private static List<String> byRule(String text) {
        List<String> pieces = new ArrayList<>();
        Matcher matcher = RULE.matcher(text);
        while (matcher.find()) {
            pieces.add(matcher.group());
        }
        return pieces;
    }

    private static List<String> split(String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        List<String> pieces = new ArrayList<>();
        for (int start = 0; start < utf8.length; ) {
            int end = Gpt2Splitter.next(utf8, start, utf8.length);
            pieces.add(new String(utf8, start, end - start, StandardCharsets.UTF_8));
            start = end;
        }
        return pieces;
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "Hello world",
                "I'm you're he'll they've I'd can't it's 'S",
                "a  b   c \n d\n\n\ne",
                "   ",
                " \n",
                "x ",
                "' '' 's' '' re",
                "\u00A0x \u3000y",
                "1\u00BD\u2163 x\u00B2",
                "e\u0301 \u0301",
                "'",
                "'l",
                "'r x",
                " '",
                " 's"
            })
    void samples(String text) {
        assertEquals(byRule(text), split(text));
    }

    @Test
    void randomTexts() {
        Random random = new Random(17);
        for (int i = 0; i < 20_000; i++) {
            String text = RandomText.next(random);
            assertEquals(byRule(text), split(text));
        }
    }

    /**
     * The sizes of {@code \p{L}}, {@code \p{N}} and {@code \s} in Hugging Face tokenizers 0.23 (Unicode 16). A JDK with
     * a newer Unicode has more of them: then these numbers change, and ids of such characters may differ.
     */
    @Test
    void characterKindsAreThoseOfUnicode16() {
        int[] sizes = new int[4];
        for (int c = 0; c <= Character.MAX_CODE_POINT; c++) {
            sizes[CharKind.of(c)]++;
        }
        assumeTrue(Runtime.version().feature() == 25, "a JDK with Unicode 16");
        assertEquals(141_028, sizes[CharKind.LETTER]);
        assertEquals(1_911, sizes[CharKind.NUMBER]);
        assertEquals(25, sizes[CharKind.SPACE]);
    }

    @Test
    void kindsAreThoseOfTheRule() {
        Pattern letter = Pattern.compile("\\p{L}", Pattern.UNICODE_CHARACTER_CLASS);
        Pattern number = Pattern.compile("\\p{N}", Pattern.UNICODE_CHARACTER_CLASS);
        Pattern space = Pattern.compile("\\s", Pattern.UNICODE_CHARACTER_CLASS);
        Pattern word = Pattern.compile("\\w", Pattern.UNICODE_CHARACTER_CLASS);
        for (int c = 0; c <= Character.MAX_CODE_POINT; c += c < 0x30000 ? 1 : 97) {
            String text = Character.toString(c);
            byte expected = letter.matcher(text).matches()
                    ? CharKind.LETTER
                    : number.matcher(text).matches()
                            ? CharKind.NUMBER
                            : space.matcher(text).matches() ? CharKind.SPACE : CharKind.OTHER;
            assertEquals(expected, CharKind.of(c), () -> "U+" + Integer.toHexString(text.codePointAt(0)));
            assertEquals(word.matcher(text).matches(), CharKind.isWord(c), () -> "word " + text);
        }
    }
}
