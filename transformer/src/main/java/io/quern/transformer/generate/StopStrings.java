package io.quern.transformer.generate;

import io.quern.transformer.text.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Finds stop strings in the text of token sequences that share their beginnings, as beams do, without decoding all. */
final class StopStrings {
    private final Tokenizer tokenizer;
    private final List<byte[]> stops;
    private final int longest;

    /** The tokenizer may be null if there are no strings. */
    StopStrings(Tokenizer tokenizer, List<String> strings) {
        this.tokenizer = tokenizer;
        this.stops =
                strings.stream().map(s -> s.getBytes(StandardCharsets.UTF_8)).toList();
        this.longest = stops.stream().mapToInt(b -> b.length).max().orElse(0);
    }

    /** Whether a stop string ends within {@code token} when it is added to these new tokens. */
    boolean completedBy(TokenSequence before, int token) {
        if (longest == 0) {
            return false;
        }
        byte[] last = bytes(token);
        byte[] tail = last;
        for (int i = before.length() - 1; i >= before.promptLength() && tail.length < last.length + longest - 1; i--) {
            tail = join(bytes(before.get(i)), tail);
        }
        for (byte[] stop : stops) {
            int first = Math.max(0, tail.length - last.length - stop.length + 1);
            for (int at = first; at + stop.length <= tail.length; at++) {
                if (java.util.Arrays.equals(tail, at, at + stop.length, stop, 0, stop.length)) {
                    return true;
                }
            }
        }
        return false;
    }

    private byte[] bytes(int token) {
        return tokenizer.isSpecial(token) ? new byte[0] : tokenizer.bytes(token);
    }

    private static byte[] join(byte[] a, byte[] b) {
        byte[] all = java.util.Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, all, a.length, b.length);
        return all;
    }
}
