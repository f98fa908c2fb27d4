package io.quern.transformer.text;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Finds tokens in a text: the leftmost, of those the longest, without overlap. */
final class TokenMatcher {
    /** What {@link #split} finds, in the order of the text. */
    interface Sink {
        /** A stretch between tokens, never empty. */
        void text(String text, int from, int to);

        void token(int id);
    }

    private record Pattern(String content, AddedToken token) {}

    private final Map<Character, List<Pattern>> byFirstChar = new HashMap<>();
    private final boolean[] startsAscii = new boolean[0x80];
    private boolean startsBeyondAscii;

    /** Looks for {@code content}, which may be a normalized form of the token's own. */
    void add(String content, AddedToken token) {
        if (content.isEmpty()) {
            return;
        }
        char first = content.charAt(0);
        List<Pattern> patterns = byFirstChar.computeIfAbsent(first, c -> new ArrayList<>());
        patterns.add(new Pattern(content, token));
        patterns.sort(Comparator.comparingInt(p -> -p.content().length()));
        if (first < 0x80) {
            startsAscii[first] = true;
        } else {
            startsBeyondAscii = true;
        }
    }

    boolean isEmpty() {
        return byFirstChar.isEmpty();
    }

    /** Splits the characters [from, to) of a text as if they were the whole text. */
    void split(String text, int from, int to, Sink sink) {
        int done = from;
        int i = isEmpty() ? to : from;
        while (i < to) {
            Pattern match = match(text, i, to);
            if (match == null) {
                i++;
                continue;
            }
            AddedToken token = match.token();
            int start = i;
            int end = i + match.content().length();
            i = end;
            if (token.singleWord() && (wordEndsAt(text, from, start) || wordStartsAt(text, end, to))) {
                continue;
            }
            if (token.lstrip()) {
                while (start > done && CharKind.isWhiteSpace(text.charAt(start - 1))) {
                    start--;
                }
                start = Math.max(start, done);
            }
            if (token.rstrip()) {
                while (end < to && CharKind.isWhiteSpace(text.charAt(end))) {
                    end++;
                }
            }
            if (done < start) {
                sink.text(text, done, start);
            }
            // A token of white space may have been swallowed by the one before. That it counts all the same, unless it
            // strips to the left, is what Hugging Face tokenizers do.
            if (start < end) {
                sink.token(token.id());
            }
            done = end;
        }
        if (done < to) {
            sink.text(text, done, to);
        }
    }

    private Pattern match(String text, int at, int to) {
        char c = text.charAt(at);
        if (c < 0x80 ? !startsAscii[c] : !startsBeyondAscii) {
            return null;
        }
        for (Pattern pattern : byFirstChar.getOrDefault(c, List.of())) {
            if (pattern.content().length() <= to - at && text.startsWith(pattern.content(), at)) {
                return pattern;
            }
        }
        return null;
    }

    private static boolean wordEndsAt(String text, int from, int at) {
        return at > from && CharKind.isWord(text.codePointBefore(at));
    }

    private static boolean wordStartsAt(String text, int at, int to) {
        return at < to && CharKind.isWord(text.codePointAt(at));
    }
}
