package io.quern.transformer.hub;

import io.quern.tensor.file.GgufMetadata;
import io.quern.transformer.text.AddedToken;
import io.quern.transformer.text.ByteBpeVocabulary;
import io.quern.transformer.text.Tokenizer;
import io.quern.transformer.text.TokenizerException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The tokenizer in a GGUF file's metadata, keys {@code tokenizer.ggml.*}; GPT-2's kind. */
final class GgufTokenizer {
    private static final String KEY = "tokenizer.ggml.";
    private static final String PRE = "gpt-2";

    /** Types of tokens, as {@code tokenizer.ggml.token_type} has them. */
    private static final int NORMAL = 1;

    private static final int CONTROL = 3;
    private static final int USER_DEFINED = 4;
    private static final int UNUSED = 5;

    private static final Map<String, String> ROLES =
            Map.of("bos", "bos_token_id", "eos", "eos_token_id", "unk", "unknown_token_id", "pad", "padding_token_id");

    private GgufTokenizer() {}

    static Tokenizer read(String file, GgufMetadata m) {
        String kind = m.string(KEY + "model", "");
        String pre = m.string(KEY + "pre", PRE);
        if (!kind.equals("gpt2") || !pre.equals(PRE)) {
            throw new TokenizerException(
                    kind.isEmpty()
                            ? file + " has no tokenizer: there is no " + KEY + "model in its metadata"
                            : file + ": the tokenizer '" + kind + "' that splits texts as '" + pre
                                    + "' is not supported, only 'gpt2' with '" + PRE + "'");
        }
        List<String> tokens = m.strings(KEY + "tokens");
        long[] types = m.integers(KEY + "token_type");
        if (types.length != 0 && types.length != tokens.size()) {
            throw new TokenizerException(
                    file + ": there are " + tokens.size() + " tokens, but types of " + types.length);
        }
        int used = tokens.size();
        while (types.length > 0 && used > 0 && types[used - 1] == UNUSED) {
            used--; // only fills up the rows of the embedding
        }
        List<AddedToken> added = new ArrayList<>();
        for (int id = 0; id < Math.min(used, types.length); id++) {
            if (types[id] == CONTROL || types[id] == USER_DEFINED) {
                boolean special = types[id] == CONTROL;
                added.add(new AddedToken(id, tokens.get(id), false, false, false, false, special));
            }
        }
        Map<String, Integer> roles = new LinkedHashMap<>();
        ROLES.forEach((role, key) -> {
            if (m.has(KEY + key)) {
                roles.put(role, m.integer(KEY + key, 0, tokens.size() - 1));
            }
        });
        boolean addBos = m.flag(KEY + "add_bos_token", false);
        return new ByteBpeVocabulary(tokens.subList(0, used), m.strings(KEY + "merges"), added, roles, addBos)
                .build(file);
    }

    /** Adds a tokenizer to the metadata of a model with {@code rows} token ids. */
    static void write(Tokenizer tokenizer, int rows, Map<String, Object> m) {
        ByteBpeVocabulary v = ByteBpeVocabulary.of(tokenizer);
        if (v.tokens().size() > rows) {
            throw new TokenizerException(
                    "the tokenizer has " + v.tokens().size() + " tokens, but the model only " + rows);
        }
        List<String> tokens = new ArrayList<>(v.tokens());
        int[] types = new int[rows];
        java.util.Arrays.fill(types, 0, tokens.size(), NORMAL);
        java.util.Arrays.fill(types, tokens.size(), rows, UNUSED);
        while (tokens.size() < rows) {
            tokens.add("[PAD" + tokens.size() + "]");
        }
        v.added().forEach(t -> types[t.id()] = t.special() ? CONTROL : USER_DEFINED);
        m.put(KEY + "model", "gpt2");
        m.put(KEY + "pre", PRE);
        m.put(KEY + "tokens", tokens);
        m.put(KEY + "token_type", types);
        m.put(KEY + "merges", v.merges());
        new java.util.TreeMap<>(ROLES).forEach((role, key) -> {
            if (v.roles().containsKey(role)) {
                m.put(KEY + key, v.roles().get(role));
            }
        });
        m.put(KEY + "add_bos_token", v.addBos());
    }
}
