package io.quern.transformer.text;

import java.text.Normalizer.Form;
import java.util.Locale;

/**
 * BERT's cleaning of texts, in the order of Hugging Face tokenizers' {@code BertNormalizer}.
 *
 * @param cleanText whether control characters vanish and all white space becomes spaces
 * @param handleChineseChars whether ideographs get spaces around them, so that each is a word
 * @param stripAccents whether characters lose their accents; null: if and only if they are made lower case
 * @param lowercase whether characters become lower case, each for itself
 */
record BertNormalizer(boolean cleanText, boolean handleChineseChars, Boolean stripAccents, boolean lowercase)
        implements Normalizer {
    static final BertNormalizer UNCASED = new BertNormalizer(true, true, null, true);

    private static final int REPLACEMENT = 0xFFFD;

    @Override
    public String apply(String text) {
        boolean plain = isPlain(text);
        String clean = plain ? text : separate(text);
        boolean accents = stripAccents == null ? lowercase : stripAccents;
        if (accents && !plain) {
            clean = withoutAccents(clean);
        }
        return lowercase ? lower(clean, plain) : clean;
    }

    /** Printable ASCII, which only lower case changes. */
    private static boolean isPlain(String text) {
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c < ' ' || c > '~') {
                return false;
            }
        }
        return true;
    }

    private String separate(String text) {
        StringBuilder out = new StringBuilder(text.length() + 16);
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            i += Character.charCount(c);
            if (Character.getType(c) == Character.SURROGATE) {
                c = REPLACEMENT; // unpaired
            }
            if (cleanText) {
                if (c == 0 || c == REPLACEMENT || isControl(c)) {
                    continue;
                }
                c = CharKind.of(c) == CharKind.SPACE ? ' ' : c;
            }
            if (handleChineseChars && isChinese(c)) {
                out.append(' ').appendCodePoint(c).append(' ');
            } else {
                out.appendCodePoint(c);
            }
        }
        return out.toString();
    }

    /** Control, format and private-use characters, but not the white space among them. */
    private static boolean isControl(int c) {
        if (c == '\t' || c == '\n' || c == '\r') {
            return false;
        }
        return switch (Unicode8.type(c)) {
            case Character.CONTROL, Character.FORMAT, Character.PRIVATE_USE -> true;
            default -> false;
        };
    }

    /** The blocks that BERT's authors call Chinese characters; without those of Japanese and Korean alphabets. */
    private static boolean isChinese(int c) {
        return c >= 0x4E00 && c <= 0x9FFF
                || c >= 0x3400 && c <= 0x4DBF
                || c >= 0x20000 && c <= 0x2A6DF
                || c >= 0x2A700 && c <= 0x2B73F
                || c >= 0x2B740 && c <= 0x2B81F
                || c >= 0x2B920 && c <= 0x2CEAF
                || c >= 0xF900 && c <= 0xFAFF
                || c >= 0x2F800 && c <= 0x2FA1F;
    }

    private static String withoutAccents(String text) {
        String parts = java.text.Normalizer.normalize(text, Form.NFD);
        StringBuilder out = new StringBuilder(parts.length());
        parts.codePoints()
                .filter(c -> Unicode8.type(c) != Character.NON_SPACING_MARK)
                .forEach(out::appendCodePoint);
        return out.toString();
    }

    private static String lower(String text, boolean plain) {
        if (plain) {
            return text.toLowerCase(Locale.ROOT);
        }
        StringBuilder out = new StringBuilder(text.length());
        for (int i = 0; i < text.length(); ) {
            int c = text.codePointAt(i);
            i += Character.charCount(c);
            if (c < 0x80) {
                out.append((char) Character.toLowerCase(c));
            } else {
                // A character for itself: a sigma at the end of a word is one like any other.
                out.append(Character.toString(c).toLowerCase(Locale.ROOT));
            }
        }
        return out.toString();
    }
}
