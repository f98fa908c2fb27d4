package io.quern.transformer.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * What {@code tokenizer_config.json}, and in older checkpoints {@code special_tokens_map.json}, say beyond the
 * tokenizer itself: the roles of tokens and a few options, which win over {@code tokenizer.json} as in transformers.
 */
final class TokenizerConfig {
    private static final List<String> ROLES = List.of("bos", "eos", "unk", "sep", "pad", "cls", "mask");

    /** OpenAI's GPT-2 checkpoints name no tokens at all; their tokenizer class knows this one for these roles. */
    private static final String GPT2_TOKEN = "<|endoftext|>";

    private static final Set<String> GPT2_ROLES = Set.of("bos", "eos", "unk");

    /** BERT's tokens are called [UNK] and so on where nothing else is said. */
    private static final Set<String> BERT_ROLES = Set.of("unk", "sep", "pad", "cls", "mask");

    private final Optional<JsonFile> config;
    private final Optional<JsonFile> specialTokensMap;

    TokenizerConfig(Optional<JsonFile> config, Optional<JsonFile> specialTokensMap) {
        this.config = config;
        this.specialTokensMap = specialTokensMap;
    }

    void applyTo(TokenizerParts parts) {
        config.ifPresent(json -> addedTokens(json.get("added_tokens_decoder"), parts));
        for (String role : ROLES) {
            if (named(role)) {
                roleToken(role).ifPresent(token -> parts.role(role, parts.makeSpecial(token)));
            } else if (isGpt2() && GPT2_ROLES.contains(role) && parts.mayBeSpecial(GPT2_TOKEN)) {
                parts.role(role, parts.makeSpecial(AddedToken.special(0, GPT2_TOKEN)));
            } else if (parts.model() instanceof WordPiece) {
                String token = "[" + role.toUpperCase(Locale.ROOT) + "]";
                if (BERT_ROLES.contains(role) && parts.mayBeSpecial(token)) {
                    parts.role(role, parts.makeSpecial(AddedToken.special(0, token)));
                }
            }
        }
        config.ifPresent(json -> {
            extraTokens(json.get("additional_special_tokens"), parts);
            extraTokens(json.get("extra_special_tokens"), parts);
            prefixSpace(json.get("add_prefix_space"), parts);
            bertNormalizer(json, parts);
            frame(json, parts);
        });
    }

    private static void addedTokens(JsonFile json, TokenizerParts parts) {
        if (!json.isPresent()) {
            return;
        }
        List<AddedToken> tokens = new ArrayList<>();
        for (Map.Entry<String, JsonNode> entry : json.object().node().properties()) {
            JsonFile token = json.get(entry.getKey()).object();
            try {
                tokens.add(TokenizerJson.addedToken(Integer.parseInt(entry.getKey()), token));
            } catch (NumberFormatException e) {
                throw new TokenizerException(token.where() + ": expected an id as the key", e);
            }
        }
        tokens.sort((a, b) -> Integer.compare(a.id(), b.id()));
        tokens.forEach(parts::addAt);
    }

    /** Whether a file has an entry for the role, be it null. */
    private boolean named(String role) {
        return Stream.of(config, specialTokensMap)
                .flatMap(Optional::stream)
                .anyMatch(json -> json.node().has(role + "_token"));
    }

    private Optional<AddedToken> roleToken(String role) {
        return Stream.of(config, specialTokensMap)
                .flatMap(Optional::stream)
                .map(json -> json.get(role + "_token"))
                .filter(value -> !value.node().isMissingNode())
                .findFirst()
                .filter(JsonFile::isPresent)
                .map(TokenizerConfig::token);
    }

    private boolean isGpt2() {
        return config.map(json -> json.get("tokenizer_class").string("GPT2Tokenizer"))
                .orElse("GPT2Tokenizer")
                .startsWith("GPT2Tokenizer");
    }

    private static void extraTokens(JsonFile json, TokenizerParts parts) {
        if (!json.isPresent()) {
            return;
        }
        if (json.node().isObject()) {
            json.node().properties().forEach(entry -> parts.makeSpecial(token(json.get(entry.getKey()))));
        } else {
            for (int i = 0; i < json.array().size(); i++) {
                parts.makeSpecial(token(json.get(i)));
            }
        }
    }

    /** A token by its text, or with flags; its id is not known here. */
    private static AddedToken token(JsonFile json) {
        return json.node().isObject() ? TokenizerJson.addedToken(0, json) : AddedToken.special(0, json.string());
    }

    private static void prefixSpace(JsonFile json, TokenizerParts parts) {
        if (json.isPresent() && parts.model() instanceof ByteBpe bpe) {
            parts.model(bpe.withPrefixSpace(json.bool(false)));
        }
    }

    /** What is said of BERT's normalizer wins over {@code tokenizer.json}. */
    private static void bertNormalizer(JsonFile json, TokenizerParts parts) {
        if (parts.normalizer() instanceof BertNormalizer known) {
            JsonFile accents = json.get("strip_accents");
            parts.normalizer(new BertNormalizer(
                    known.cleanText(),
                    json.get("tokenize_chinese_chars").bool(known.handleChineseChars()),
                    accents.isPresent() ? Boolean.valueOf(accents.bool(false)) : known.stripAccents(),
                    json.get("do_lower_case").bool(known.lowercase())));
        }
    }

    /** If either flag is there, both replace the post-processor of {@code tokenizer.json}. */
    private static void frame(JsonFile json, TokenizerParts parts) {
        JsonFile addBos = json.get("add_bos_token");
        JsonFile addEos = json.get("add_eos_token");
        if (!addBos.isPresent() && !addEos.isPresent()) {
            return;
        }
        Integer bos = addBos.bool(false) ? parts.role("bos") : null;
        Integer eos = addEos.bool(false) ? parts.role("eos") : null;
        parts.frame(Frame.around(bos == null ? List.of() : List.of(bos), eos == null ? List.of() : List.of(eos)));
    }
}
