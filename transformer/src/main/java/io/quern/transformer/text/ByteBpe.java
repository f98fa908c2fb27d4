package io.quern.transformer.text;

import java.util.List;

/**
 * GPT-2's byte-level BPE: a text is cut by {@link Gpt2Splitter}, each piece written as bytes in the
 * {@link ByteAlphabet}, and the bytes are merged by {@link MergeTable}. Every text can be encoded, and decoding gives
 * it back exactly.
 *
 * <p>Source: "Language Models are Unsupervised Multitask Learners" (Radford et al. 2019) and its code; options as in
 * Hugging Face tokenizers' {@code BPE} and {@code ByteLevel}.
 */
final class ByteBpe implements SubwordModel {
    /**
     * Options of the model and its pre-tokenizer.
     *
     * @param addPrefixSpace whether a stretch of text that does not begin with a space gets one
     * @param splitWords whether {@link Gpt2Splitter} cuts the text; otherwise a stretch is one piece
     * @param ignoreMerges whether a piece that is a token as a whole becomes that token, whatever the merges say
     * @param unkToken stands for bytes without a token; null: they are left out
     * @param fuseUnk whether neighbouring unknown bytes become one unknown token
     */
    record Options(boolean addPrefixSpace, boolean splitWords, boolean ignoreMerges, String unkToken, boolean fuseUnk) {
        static final Options GPT2 = new Options(false, true, false, null, false);
    }

    private static final int NO_TOKEN = -1;

    private final Vocabulary vocabulary;
    private final MergeTable merges;
    private final Options options;
    private final int unkId;
    private final int[] idOfByte = new int[ByteAlphabet.SIZE];
    private final PieceCache cache = new PieceCache();

    private ByteBpe(Vocabulary vocabulary, MergeTable merges, Options options, int unkId) {
        this.vocabulary = vocabulary;
        this.merges = merges;
        this.options = options;
        this.unkId = unkId;
        for (int b = 0; b < idOfByte.length; b++) {
            idOfByte[b] = vocabulary.id(String.valueOf(ByteAlphabet.charOf(b)));
        }
    }

    /** @param merges two tokens each, in the order of their rank */
    static ByteBpe of(Vocabulary vocabulary, List<Merge> merges, Options options, String source) {
        int[] lefts = new int[merges.size()];
        int[] rights = new int[merges.size()];
        int[] results = new int[merges.size()];
        for (int rank = 0; rank < lefts.length; rank++) {
            Merge merge = merges.get(rank);
            lefts[rank] = partOf(merge, merge.left(), vocabulary, rank, source);
            rights[rank] = partOf(merge, merge.right(), vocabulary, rank, source);
            results[rank] = partOf(merge, merge.left() + merge.right(), vocabulary, rank, source);
        }
        int unkId = NO_TOKEN;
        if (options.unkToken() != null) {
            unkId = vocabulary.id(options.unkToken());
            if (unkId < 0) {
                throw new TokenizerException(source + ": the unknown token " + Vocabulary.quote(options.unkToken())
                        + " is not in the vocabulary");
            }
        }
        return new ByteBpe(vocabulary, new MergeTable(lefts, rights, results), options, unkId);
    }

    private static int partOf(Merge merge, String token, Vocabulary vocabulary, int rank, String source) {
        int id = vocabulary.id(token);
        if (id < 0) {
            throw new TokenizerException(source + ": merge " + (rank + 1) + ", " + Vocabulary.quote(merge.left())
                    + " + " + Vocabulary.quote(merge.right()) + ", needs the token " + Vocabulary.quote(token)
                    + ", which is not in the vocabulary");
        }
        return id;
    }

    /** Two neighbouring tokens that become one. */
    record Merge(String left, String right) {}

    @Override
    public Vocabulary vocabulary() {
        return vocabulary;
    }

    MergeTable merges() {
        return merges;
    }

    Options options() {
        return options;
    }

    ByteBpe withPrefixSpace(boolean addPrefixSpace) {
        if (addPrefixSpace == options.addPrefixSpace()) {
            return this;
        }
        var changed = new Options(
                addPrefixSpace, options.splitWords(), options.ignoreMerges(), options.unkToken(), options.fuseUnk());
        return new ByteBpe(vocabulary, merges, changed, unkId);
    }

    @Override
    public byte[] bytes(String token) {
        return ByteAlphabet.bytesOf(token);
    }

    @Override
    public void encode(String text, int from, int to, IntList ids) {
        if (from == to) {
            return;
        }
        Utf8Buffer buffer = new Utf8Buffer(to - from + 1);
        if (options.addPrefixSpace() && text.charAt(from) != ' ') {
            buffer.append((byte) ' ');
        }
        buffer.append(text, from, to);
        byte[] utf8 = buffer.array();
        int end = buffer.size();
        int start = 0;
        while (start < end) {
            int next = options.splitWords() ? Gpt2Splitter.next(utf8, start, end) : end;
            encodePiece(utf8, start, next, ids);
            start = next;
        }
    }

    private void encodePiece(byte[] utf8, int from, int to, IntList ids) {
        if (to - from > PieceCache.MAX_LENGTH) {
            mergePiece(utf8, from, to, ids);
            return;
        }
        int hash = PieceCache.hash(utf8, from, to);
        int[] known = cache.get(utf8, from, to, hash);
        if (known == null) {
            int before = ids.size();
            mergePiece(utf8, from, to, ids);
            cache.put(utf8, from, to, hash, ids.tail(before));
        } else {
            ids.addAll(known);
        }
    }

    private void mergePiece(byte[] utf8, int from, int to, IntList ids) {
        if (options.ignoreMerges()) {
            int whole = vocabulary.id(ByteAlphabet.write(utf8, from, to));
            if (whole >= 0) {
                ids.add(whole);
                return;
            }
        }
        int[] symbols = new int[to - from];
        int count = 0;
        boolean afterUnknown = false;
        for (int i = from; i < to; i++) {
            int id = idOfByte[utf8[i] & 0xFF];
            boolean unknown = id < 0;
            if (!unknown) {
                symbols[count++] = id;
            } else if (unkId >= 0 && !(options.fuseUnk() && afterUnknown)) {
                symbols[count++] = unkId;
            }
            afterUnknown = unknown;
        }
        count = merges.apply(symbols, count);
        for (int i = 0; i < count; i++) {
            ids.add(symbols[i]);
        }
    }
}
