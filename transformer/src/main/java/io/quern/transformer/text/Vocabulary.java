package io.quern.transformer.text;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Tokens and their ids, which are 0 to size - 1 without a gap. */
final class Vocabulary {
    private final String[] tokens;
    private final Map<String, Integer> ids;

    private Vocabulary(String[] tokens, Map<String, Integer> ids) {
        this.tokens = tokens;
        this.ids = ids;
    }

    /**
     * Checks that every id from 0 to {@code ids.size()} - 1 belongs to one token.
     *
     * @param source the file, for messages
     */
    static Vocabulary of(Map<String, Integer> ids, String source) {
        String[] tokens = new String[ids.size()];
        for (Map.Entry<String, Integer> entry : ids.entrySet()) {
            int id = entry.getValue();
            if (id < 0) {
                throw new TokenizerException(
                        source + ": token " + quote(entry.getKey()) + " has the negative id " + id);
            }
            if (id < tokens.length) {
                if (tokens[id] != null) {
                    throw new TokenizerException(source + ": tokens " + quote(tokens[id]) + " and "
                            + quote(entry.getKey()) + " both have id " + id + "; expected one token for each id");
                }
                tokens[id] = entry.getKey();
            }
        }
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id] == null) {
                throw new TokenizerException(source + ": no token has id " + id + ", but there are " + tokens.length
                        + " tokens; expected ids 0 to " + (tokens.length - 1) + " without a gap");
            }
        }
        return new Vocabulary(tokens, ids);
    }

    /** The tokens in the order of their ids; a token that comes twice is an error. */
    static Vocabulary of(List<String> tokens, String source) {
        Map<String, Integer> ids = HashMap.newHashMap(tokens.size());
        for (String token : tokens) {
            if (ids.putIfAbsent(token, ids.size()) != null) {
                throw new TokenizerException(source + ": the token " + quote(token) + " comes twice");
            }
        }
        return new Vocabulary(tokens.toArray(String[]::new), ids);
    }

    int size() {
        return tokens.length;
    }

    /** The token's id, or -1. */
    int id(String token) {
        return ids.getOrDefault(token, -1);
    }

    String token(int id) {
        return tokens[id];
    }

    List<String> tokens() {
        return Arrays.asList(tokens);
    }

    /** A token for a message: in quotes, cut if it is long. */
    static String quote(String token) {
        return token.length() <= 60 ? "'" + token + "'" : "'" + token.substring(0, 60) + "...'";
    }
}
