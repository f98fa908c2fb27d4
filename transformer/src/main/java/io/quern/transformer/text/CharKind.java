package io.quern.transformer.text;

/** The kinds of character that split rules tell apart, from the JDK's Unicode tables. */
final class CharKind {
    static final byte LETTER = 0;
    static final byte NUMBER = 1;
    static final byte SPACE = 2;
    static final byte OTHER = 3;

    private static final byte[] ASCII = new byte[0x80];

    static {
        for (int c = 0; c < ASCII.length; c++) {
            ASCII[c] = byCategory(c);
        }
    }

    private CharKind() {}

    /** {@code \p{L}}, {@code \p{N}}, {@code \s} or none of them. */
    static byte of(int codePoint) {
        return codePoint < 0x80 ? ASCII[codePoint] : byCategory(codePoint);
    }

    static byte ofAscii(byte c) {
        return ASCII[c];
    }

    /** The Unicode property White_Space; all such characters are in the basic plane. */
    static boolean isWhiteSpace(char c) {
        return of(c) == SPACE;
    }

    /** {@code \w} of Unicode regular expressions (UTS #18, annex C). */
    static boolean isWord(int codePoint) {
        return switch (Character.getType(codePoint)) {
            case Character.NON_SPACING_MARK,
                    Character.ENCLOSING_MARK,
                    Character.COMBINING_SPACING_MARK,
                    Character.DECIMAL_DIGIT_NUMBER,
                    Character.CONNECTOR_PUNCTUATION -> true;
            default -> Character.isAlphabetic(codePoint) || codePoint == 0x200C || codePoint == 0x200D;
        };
    }

    private static byte byCategory(int codePoint) {
        return switch (Character.getType(codePoint)) {
            case Character.UPPERCASE_LETTER,
                    Character.LOWERCASE_LETTER,
                    Character.TITLECASE_LETTER,
                    Character.MODIFIER_LETTER,
                    Character.OTHER_LETTER -> LETTER;
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
            case Character.SPACE_SEPARATOR, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> SPACE;
            case Character.CONTROL -> codePoint >= '\t' && codePoint <= '\r' || codePoint == 0x85 ? SPACE : OTHER;
            default -> OTHER;
        };
    }
}
