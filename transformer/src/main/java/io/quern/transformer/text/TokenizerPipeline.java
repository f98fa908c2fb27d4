package io.quern.transformer.text;

import java.nio.file.Path;
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

    /**
     * The ids before and after each text.
     *
     * @param before ids that {@link Tokenizer#encode(String)} puts before a text
     * @param after ids that it puts after a text
     */
    record Frame(List<Integer> before, List<Integer> after) {
        static final Frame NONE = new Frame(List.of(), List.of());

        Frame {
            before = List.copyOf(before);
            after = List.copyOf(after);
        }
    }

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
        IntList ids = new IntList(text.length() / 4 + 8);
        if (addSpecialTokens) {
            frame.before().forEach(ids::add);
        }
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
        if (addSpecialTokens) {
            frame.after().forEach(ids::add);
        }
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
