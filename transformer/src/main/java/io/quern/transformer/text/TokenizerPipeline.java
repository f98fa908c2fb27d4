package io.quern.transformer.text;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;

/** A tokenizer made of added tokens, a normalizer, a model, and special tokens around each text. */
final class TokenizerPipeline implements Tokenizer {
    private static final byte[] NO_BYTES = {};

    private final SubwordModel model;
    private final Normalizer normalizer;
    private final AddedTokens added;
    private final Frame frame;
    private final SpecialTokens special;
    private final int vocabSize;
    /** By id; filled when first asked for. Threads that race write equal arrays. */
    private final byte[][] bytes;

    /** @param added in the order of ids; those beyond the model's vocabulary follow it without a gap */
    TokenizerPipeline(
            SubwordModel model, Normalizer normalizer, List<AddedToken> added, Frame frame, SpecialTokens special) {
        this.model = model;
        this.normalizer = normalizer;
        this.added = new AddedTokens(added, normalizer);
        this.frame = frame;
        this.special = special;
        int size = model.vocabulary().size();
        for (AddedToken token : added) {
            size = Math.max(size, token.id() + 1);
        }
        this.vocabSize = size;
        this.bytes = new byte[size][];
    }

    SubwordModel model() {
        return model;
    }

    Normalizer normalizer() {
        return normalizer;
    }

    Frame frame() {
        return frame;
    }

    @Override
    public int[] encode(String text, boolean addSpecialTokens) {
        int[] ids = plain(text);
        return addSpecialTokens ? Frame.join(frame.single(), ids).ids() : ids;
    }

    @Override
    public Encoding encode(String text, String pair, int maxTokens) {
        List<Frame.Piece> pieces = pair == null ? frame.single() : frame.pair();
        if (pieces.isEmpty()) {
            throw new IllegalArgumentException("this tokenizer does not encode pairs of texts");
        }
        int room =
                maxTokens - (int) pieces.stream().filter(Frame.Piece::isToken).count();
        if (room < 0) {
            throw new IllegalArgumentException(
                    "at most " + maxTokens + " tokens leave no room for the " + (maxTokens - room) + " special ones");
        }
        int[] first = plain(text);
        if (pair == null) {
            return Frame.join(pieces, Arrays.copyOf(first, Math.min(first.length, room)));
        }
        int[] second = plain(pair);
        // Hugging Face tokenizers cut each to the whole length first, which decides who is the longer.
        int[] kept = longestFirst(Math.min(first.length, maxTokens), Math.min(second.length, maxTokens), room);
        return Frame.join(pieces, Arrays.copyOf(first, kept[0]), Arrays.copyOf(second, kept[1]));
    }

    /** What is left of two lengths where the longer is cut first, and then both to halves. */
    private static int[] longestFirst(int a, int b, int room) {
        if ((long) a + b <= room) {
            return new int[] {a, b};
        }
        int shorter = Math.min(a, b);
        int longer = Math.max(shorter, room - shorter);
        if ((long) shorter + longer > room) {
            shorter = room / 2;
            longer = room - shorter;
        }
        return a > b ? new int[] {longer, shorter} : new int[] {shorter, longer};
    }

    private int[] plain(String text) {
        IntList ids = new IntList(text.length() / 4 + 8);
        added.split(text, new TokenMatcher.Sink() {
            @Override
            public void text(String stretch, int from, int to) {
                model.encode(stretch, from, to, ids);
            }

            @Override
            public void token(int id) {
                ids.add(id);
            }
        });
        return ids.toArray();
    }

    @Override
    public byte[] bytes(int id) {
        if (id >= vocabSize) {
            return NO_BYTES;
        }
        byte[] known = id < 0 ? null : bytes[id];
        if (known == null) {
            known = model.bytes(idToToken(id));
            bytes[id] = known;
        }
        return known;
    }

    @Override
    public byte[] firstBytes(int id) {
        return id >= vocabSize ? NO_BYTES : model.firstBytes(idToToken(id));
    }

    @Override
    public int vocabSize() {
        return vocabSize;
    }

    @Override
    public OptionalInt tokenToId(String token) {
        AddedToken match = added.byContent(token);
        int id = match == null ? model.vocabulary().id(token) : match.id();
        return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
    }

    @Override
    public String idToToken(int id) {
        if (id < 0 || id >= vocabSize) {
            throw new IllegalArgumentException("no token has id " + id + ": expected 0 to " + (vocabSize - 1));
        }
        String text = added.text(id);
        return text == null ? model.vocabulary().token(id) : text;
    }

    @Override
    public boolean isSpecial(int id) {
        AddedToken match = added.byId(id);
        return match != null && match.special();
    }

    @Override
    public SpecialTokens specialTokens() {
        return special;
    }

    @Override
    public List<AddedToken> addedTokens() {
        return added.list();
    }

    @Override
    public void save(Path folder) {
        TokenizerWriter.write(this, folder);
    }
}
