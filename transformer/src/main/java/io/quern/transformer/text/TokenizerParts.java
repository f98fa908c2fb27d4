package io.quern.transformer.text;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What has been read of a tokenizer so far; {@link #build()} makes the tokenizer. */
final class TokenizerParts {
    private final String source;
    private Normalizer normalizer;
    private final Map<Integer, AddedToken> added = new TreeMap<>();
    private final Map<String, Integer> addedIds = new HashMap<>();
    private final Map<String, Integer> roles = new HashMap<>();
    private SubwordModel model;
    private Frame frame = Frame.NONE;
    private int size;

    TokenizerParts(String source, SubwordModel model, Normalizer normalizer) {
        this.source = source;
        this.model = model;
        this.normalizer = normalizer;
        this.size = model.vocabulary().size();
    }

    /**
     * Adds a token, or replaces the flags of one that is there.
     *
     * @throws TokenizerException if the id is not the token's own or the next free one. Hugging Face tokenizers number
     *     such a token anew; it would then have another id than its model was trained with.
     */
    void addAt(AddedToken token) {
        int id = idOf(token.content());
        if (id < 0) {
            id = size;
        }
        if (id != token.id()) {
            throw new TokenizerException(source + ": added token " + Vocabulary.quote(token.content()) + " has id "
                    + token.id() + "; expected " + id
                    + (id == size ? ", the next free id" : ", its id in the vocabulary"));
        }
        put(token);
    }

    /** Makes a token special; a token that is not there gets the next free id. Returns the id. */
    int makeSpecial(AddedToken token) {
        int id = idOf(token.content());
        AddedToken known = added.get(id);
        if (known != null) {
            put(known.asSpecial());
        } else {
            id = id < 0 ? size : id;
            put(new AddedToken(
                    id, token.content(), token.singleWord(), token.lstrip(), token.rstrip(), token.normalized(), true));
        }
        return id;
    }

    /** Whether there is such a token and {@code tokenizer.json} does not say that it is not special. */
    boolean mayBeSpecial(String content) {
        AddedToken token = added.get(idOf(content));
        return token == null ? idOf(content) >= 0 : token.special();
    }

    void role(String name, int id) {
        roles.put(name, id);
    }

    Integer role(String name) {
        return roles.get(name);
    }

    void frame(Frame newFrame) {
        frame = newFrame;
    }

    Normalizer normalizer() {
        return normalizer;
    }

    void normalizer(Normalizer newNormalizer) {
        normalizer = newNormalizer;
    }

    SubwordModel model() {
        return model;
    }

    void model(SubwordModel newModel) {
        model = newModel;
    }

    /** The id of a token of the vocabulary or an added one, or -1. */
    int idOf(String content) {
        Integer id = addedIds.get(content);
        return id == null ? model.vocabulary().id(content) : id;
    }

    Tokenizer build() {
        for (int id : frame.tokens()) {
            if (id < 0 || id >= size) {
                throw new TokenizerException(source + ": post_processor adds the id " + id
                        + ", which no token has; expected 0 to " + (size - 1));
            }
        }
        return new TokenizerPipeline(model, normalizer, List.copyOf(added.values()), frame, new SpecialTokens(roles));
    }

    private void put(AddedToken token) {
        added.put(token.id(), token);
        addedIds.put(token.content(), token.id());
        size = Math.max(size, token.id() + 1);
    }
}
