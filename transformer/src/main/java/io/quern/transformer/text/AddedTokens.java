package io.quern.transformer.text;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The added tokens of a tokenizer. They are cut out in two rounds: those that are not normalized from the text as it
 * is, the others from what normalization makes of the stretches that are left.
 */
final class AddedTokens {
    private final List<AddedToken> tokens;
    private final Map<Integer, AddedToken> byId = new HashMap<>();
    private final Map<String, AddedToken> byContent = new HashMap<>();
    private final TokenMatcher verbatim = new TokenMatcher();
    private final TokenMatcher normalized = new TokenMatcher();
    private final Normalizer normalizer;

    AddedTokens(List<AddedToken> tokens, Normalizer normalizer) {
        this.tokens = List.copyOf(tokens);
        this.normalizer = normalizer;
        for (AddedToken token : tokens) {
            byId.put(token.id(), token);
            byContent.put(token.content(), token);
            if (token.normalized()) {
                normalized.add(normalizer.apply(token.content()), token);
            } else {
                verbatim.add(token.content(), token);
            }
        }
    }

    List<AddedToken> list() {
        return tokens;
    }

    /** The added token of that id, or null. */
    AddedToken byId(int id) {
        return byId.get(id);
    }

    /** The text that stands for a token, or null: if the token is normalized, then its normal form. */
    String text(int id) {
        AddedToken token = byId.get(id);
        return token == null ? null : token.normalized() ? normalizer.apply(token.content()) : token.content();
    }

    /** The added token of that content, or null. */
    AddedToken byContent(String content) {
        return byContent.get(content);
    }

    /** Passes a text's added tokens and, normalized, what is between them. */
    void split(String text, TokenMatcher.Sink sink) {
        verbatim.split(text, 0, text.length(), new TokenMatcher.Sink() {
            @Override
            public void text(String stretch, int from, int to) {
                if (normalizer == Normalizer.NONE) {
                    normalized.split(stretch, from, to, sink);
                } else {
                    String changed = normalizer.apply(stretch.substring(from, to));
                    normalized.split(changed, 0, changed.length(), sink);
                }
            }

            @Override
            public void token(int id) {
                sink.token(id);
            }
        });
    }
}
