package io.quern.transformer.text;

import java.util.Random;

/** Random texts that dwell on what split rules and UTF-8 find hard. */
final class RandomText {
    private static final String[] PIECES = {
        " ",
        "  ",
        "\n",
        "\t",
        "\r\n",
        "\u00A0",
        "\u3000",
        "\u2028",
        "\u0085",
        "\u001C",
        "'",
        "'s",
        "'re",
        "'ll",
        "'S",
        "''",
        "a",
        "the",
        "Z",
        "\u00E9",
        "e\u0301",
        "\u4E2D",
        "\u0434",
        "\u05D0",
        "7",
        "42",
        "\u0663",
        "\u00BD",
        "\u2163",
        ".",
        "...",
        "_",
        "-",
        "<|endoftext|>",
        "<|",
        "\uD83D\uDE00",
        "\uD83D\uDC68\u200D\uD83D\uDC69",
        "\uD801\uDC00",
        "\uFFFD",
        "\uFEFF",
        "\u200B",
        "\u0000",
        "\u007F"
    };

    private RandomText() {}

    /** Valid Unicode. */
    static String next(Random random) {
        StringBuilder text = new StringBuilder();
        int length = random.nextInt(60);
        for (int i = 0; i < length; i++) {
            if (random.nextInt(6) > 0) {
                text.append(PIECES[random.nextInt(PIECES.length)]);
            } else {
                int codePoint = random.nextInt(0x110000 - 0x800);
                text.appendCodePoint(codePoint < 0xD800 ? codePoint : codePoint + 0x800);
            }
        }
        return text.toString();
    }
}
