package io.quern.transformer.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Learns merges from counted words: over and over the most frequent pair of neighbours becomes a token. After a merge
 * only the words that had the pair are looked at again, and the counts of its neighbours corrected.
 *
 * <p>Source: "Neural Machine Translation of Rare Words with Subword Units" (Sennrich et al. 2016), section 3.2.
 */
final class MergeLearner {
    private final List<String> tokens;
    private final Map<String, Integer> ids = new HashMap<>();
    private final List<ByteBpe.Merge> merges = new ArrayList<>();
    private final PairCounts pairs = new PairCounts();

    private final WordCounts words;
    /** The symbols of all words; word w has its {@code lengths[w]} symbols from {@code starts[w]} on. */
    private final int[] symbols;

    private final int[] starts;
    private final int[] lengths;

    /** @param alphabet the tokens to begin with, among them all characters of the {@link ByteAlphabet} */
    MergeLearner(WordCounts words, List<String> alphabet) {
        this.words = words;
        this.tokens = new ArrayList<>(alphabet);
        for (String token : alphabet) {
            ids.put(token, ids.size());
        }
        int[] idOfByte = new int[ByteAlphabet.SIZE];
        Arrays.setAll(idOfByte, b -> ids.get(String.valueOf(ByteAlphabet.charOf(b))));
        symbols = new int[words.totalLength()];
        starts = new int[words.size()];
        lengths = new int[words.size()];
        int n = 0;
        for (int word = 0; word < words.size(); word++) {
            starts[word] = n;
            lengths[word] = words.length(word);
            for (int i = 0; i < lengths[word]; i++) {
                symbols[n++] = idOfByte[words.byteAt(word, i)];
            }
            for (int i = starts[word]; i + 1 < n; i++) {
                pairs.add(symbols[i], symbols[i + 1], words.count(word), word);
            }
        }
        pairs.pushAll();
    }

    List<String> tokens() {
        return tokens;
    }

    List<ByteBpe.Merge> merges() {
        return merges;
    }

    /** Learns the next merge. Returns false if no pair comes {@code minFrequency} times. */
    boolean learn(long minFrequency) {
        int pair = pairs.removeMostFrequent();
        if (pair < 0 || pairs.count(pair) < minFrequency) {
            return false;
        }
        int left = pairs.left(pair);
        int right = pairs.right(pair);
        merges.add(new ByteBpe.Merge(tokens.get(left), tokens.get(right)));
        String token = tokens.get(left) + tokens.get(right);
        // Another pair may have made the same token: "aa" + "a" and "a" + "aa".
        Integer known = ids.putIfAbsent(token, tokens.size());
        if (known == null) {
            tokens.add(token);
        }
        merge(pair, left, right, known == null ? tokens.size() - 1 : known);
        return true;
    }

    private void merge(int pair, int left, int right, int merged) {
        IntList where = pairs.wordsOf(pair);
        IntList grown = new IntList(16);
        for (int k = 0; k < where.size(); k++) {
            int word = where.get(k);
            mergeIn(word, left, right, merged, grown);
        }
        pairs.clear(pair);
        for (int k = 0; k < grown.size(); k++) {
            pairs.push(grown.get(k));
        }
    }

    private void mergeIn(int word, int left, int right, int merged, IntList grown) {
        int start = starts[word];
        int end = start + lengths[word];
        long count = words.count(word);
        int out = start;
        for (int i = start; i < end; i++) {
            if (symbols[i] != left || i + 1 == end || symbols[i + 1] != right) {
                symbols[out++] = symbols[i];
                continue;
            }
            if (out > start) {
                int before = symbols[out - 1];
                pairs.subtract(before, left, count);
                grown.add(pairs.add(before, merged, count, word));
            }
            if (i + 2 < end) {
                int after = symbols[i + 2];
                pairs.subtract(right, after, count);
                grown.add(pairs.add(merged, after, count, word));
            }
            symbols[out++] = merged;
            i++;
        }
        lengths[word] = out - start;
    }
}
