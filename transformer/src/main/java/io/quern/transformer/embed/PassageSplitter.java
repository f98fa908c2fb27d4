package io.quern.transformer.embed;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;

/** Cuts texts into passages: the lines, or stretches of whole words that a model can take in at once. */
public final class PassageSplitter {
    /** The tokens of a word; null: passages are lines. */
    private final ToIntFunction<String> tokens;

    private final int most;
    private final int overlap;

    private PassageSplitter(ToIntFunction<String> tokens, int most, int overlap) {
        this.tokens = tokens;
        this.most = most;
        this.overlap = overlap;
    }

    /** Every line that is not blank. */
    public static PassageSplitter lines() {
        return new PassageSplitter(null, 0, 0);
    }

    /**
     * Stretches of up to {@code most} tokens. They end at a blank line or at the end of a sentence where there is one in
     * their second half, else after any word; a word of more tokens is a passage.
     *
     * @param tokens how many tokens a word has
     * @param overlap up to how many tokens from the end of a passage the next one repeats, if it ended in mid-text
     * @throws IllegalArgumentException if the passages are empty, or overlap by half or more
     */
    public static PassageSplitter chunks(ToIntFunction<String> tokens, int most, int overlap) {
        if (most < 1 || overlap < 0 || overlap > (most - 1) / 2) {
            throw new IllegalArgumentException("passages of " + most + " tokens cannot overlap by " + overlap
                    + "; expected 1 token or more, and an overlap of less than half");
        }
        return new PassageSplitter(tokens, most, overlap);
    }

    /** A word and what ends with it. */
    private record Word(int from, int to, int line, int tokens, boolean endsSentence, boolean endsParagraph) {}

    /** The passages of a text. */
    public List<Passage> split(String source, String text) {
        List<Passage> passages = new ArrayList<>();
        if (tokens == null) {
            int number = 1;
            for (String line : text.split("\\R", -1)) {
                if (!line.isBlank()) {
                    passages.add(new Passage(source, number, line.strip()));
                }
                number++;
            }
            return passages;
        }
        List<Word> words = words(text);
        int from = 0;
        while (from < words.size()) {
            int to = end(words, from);
            passages.add(new Passage(
                    source,
                    words.get(from).line(),
                    text.substring(words.get(from).from(), words.get(to - 1).to())));
            from = to == words.size() || words.get(to - 1).endsParagraph() ? to : repeated(words, from, to);
        }
        return passages;
    }

    private List<Word> words(String text) {
        List<Word> words = new ArrayList<>();
        int line = 1;
        int i = 0;
        while (i < text.length()) {
            if (Character.isWhitespace(text.charAt(i))) {
                line += text.charAt(i) == '\n' ? 1 : 0;
                i++;
                continue;
            }
            int from = i;
            while (i < text.length() && !Character.isWhitespace(text.charAt(i))) {
                i++;
            }
            int breaks = 0;
            for (int j = i; j < text.length() && Character.isWhitespace(text.charAt(j)) && breaks < 2; j++) {
                breaks += text.charAt(j) == '\n' ? 1 : 0;
            }
            String word = text.substring(from, i);
            boolean ends = ".!?\u3002".indexOf(word.charAt(word.length() - 1)) >= 0;
            words.add(new Word(from, i, line, tokens.applyAsInt(word), ends, breaks == 2));
        }
        return words;
    }

    /** Past the last word of the passage that begins at a word. */
    private int end(List<Word> words, int from) {
        int sum = 0;
        int sentence = -1;
        int i = from;
        for (; i < words.size(); i++) {
            sum += words.get(i).tokens();
            if (sum > most && i > from) {
                return sentence > 0 ? sentence : i;
            }
            if (sum > most / 2) {
                if (words.get(i).endsParagraph()) {
                    return i + 1;
                }
                sentence = words.get(i).endsSentence() ? i + 1 : sentence;
            }
        }
        return i;
    }

    /** Where the passage after [from, to) begins. */
    private int repeated(List<Word> words, int from, int to) {
        int sum = 0;
        int start = to;
        // A long word that the repeated ones leave no room for begins a passage.
        int room = Math.min(overlap, most - words.get(to).tokens());
        while (start - 1 > from && sum + words.get(start - 1).tokens() <= room) {
            start--;
            sum += words.get(start).tokens();
        }
        return start;
    }
}
