package io.quern.transformer.text;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * Reads {@code tokenizer.json}, the one-file format of Hugging Face tokenizers. Parts of a kind that is not supported
 * are an error: ids that are almost right do harm.
 */
final class TokenizerJson {
    private TokenizerJson() {}

    /** Everything but the roles of special tokens, which are in another file. */
    static TokenizerParts read(JsonFile json) {
        String version = json.get("version").string("1.0");
        if (!version.equals("1.0")) {
            throw new TokenizerException(json.file() + ": version " + version + " of the format; expected 1.0");
        }
        TokenizerParts parts = new TokenizerParts(json.file(), model(json), normalizer(json.get("normalizer")));
        List<AddedToken> added = addedTokens(json.get("added_tokens"));
        for (AddedToken token : added) {
            parts.addAt(token);
        }
        parts.frame(frame(json.get("post_processor")));
        return parts;
    }

    private static SubwordModel model(JsonFile json) {
        JsonFile model = json.get("model").object();
        // Files written before 2020 have no type; a list of merges tells BPE.
        String type = model.get("type").string(model.get("merges").isPresent() ? "BPE" : "without a type");
        return switch (type) {
            case "BPE" -> bpe(json, model);
            default -> throw unsupported(model.get("type"), type, "BPE");
        };
    }

    private static ByteBpe bpe(JsonFile json, JsonFile model) {
        JsonFile pre = byteLevel(json.get("pre_tokenizer"), "pretokenizers");
        byteLevel(json.get("decoder"), "decoders");
        for (String option : List.of("continuing_subword_prefix", "end_of_word_suffix")) {
            if (!model.get(option).string("").isEmpty()) {
                throw unsupported(model.get(option), model.get(option).string(), "none with byte-level BPE");
            }
        }
        if (model.get("byte_fallback").bool(false)) {
            throw unsupported(model.get("byte_fallback"), "true", "false with byte-level BPE");
        }
        JsonFile dropout = model.get("dropout");
        if (dropout.isPresent() && dropout.node().asDouble(1) != 0) {
            throw unsupported(dropout, dropout.node().asText(), "null, for encoding must not depend on chance");
        }
        var options = new ByteBpe.Options(
                pre.get("add_prefix_space").bool(true),
                pre.get("use_regex").bool(true),
                model.get("ignore_merges").bool(false),
                model.get("unk_token").string(null),
                model.get("fuse_unk").bool(false));
        Map<String, Integer> ids = model.get("vocab").ids();
        return ByteBpe.of(
                Vocabulary.of(ids, model.get("vocab").where()),
                merges(model.get("merges")),
                options,
                model.get("merges").where());
    }

    /** A ByteLevel part, alone or as the only member of a sequence. */
    private static JsonFile byteLevel(JsonFile part, String members) {
        String type = type(part);
        if (type.equals("Sequence") && part.get(members).array().size() == 1) {
            return byteLevel(part.get(members).get(0), members);
        }
        if (!type.equals("ByteLevel")) {
            throw unsupported(part, type, "ByteLevel");
        }
        return part;
    }

    /** Merges are pairs of strings, or in files before 2024 strings with a space in between. */
    private static List<ByteBpe.Merge> merges(JsonFile json) {
        List<ByteBpe.Merge> merges = new ArrayList<>(json.array().size());
        // Places are made only for messages: there may be hundreds of thousands of merges.
        for (JsonNode merge : json.node()) {
            if (merge.size() == 2 && merge.path(0).isTextual() && merge.path(1).isTextual()) {
                merges.add(
                        new ByteBpe.Merge(merge.get(0).textValue(), merge.get(1).textValue()));
            } else if (merge.isTextual()) {
                merges.add(MergesTxt.parse(merge.textValue(), json.file(), "merge", merges.size() + 1));
            } else {
                throw json.get(merges.size()).unexpected("a pair of tokens, [\"a\", \"b\"] or \"a b\"");
            }
        }
        return merges;
    }

    private static Normalizer normalizer(JsonFile json) {
        String type = type(json);
        return switch (type) {
            case "none" -> Normalizer.NONE;
            case "NFC", "NFD", "NFKC", "NFKD" -> Normalizer.valueOf(type);
            default -> throw unsupported(json, type, "null, NFC, NFD, NFKC, NFKD");
        };
    }

    private static List<AddedToken> addedTokens(JsonFile json) {
        List<AddedToken> tokens = new ArrayList<>();
        for (int i = 0; json.isPresent() && i < json.array().size(); i++) {
            JsonFile token = json.get(i).object();
            tokens.add(addedToken(token.get("id").integer(), token));
        }
        return tokens;
    }

    /** The flags have the same names in {@code tokenizer_config.json}. */
    static AddedToken addedToken(int id, JsonFile token) {
        boolean special = token.get("special").bool(false);
        return new AddedToken(
                id,
                token.get("content").string(),
                token.get("single_word").bool(false),
                token.get("lstrip").bool(false),
                token.get("rstrip").bool(false),
                token.get("normalized").bool(!special),
                special);
    }

    private static TokenizerPipeline.Frame frame(JsonFile json) {
        String type = type(json);
        return switch (type) {
            // ByteLevel as a post-processor only trims offsets.
            case "none", "ByteLevel" -> TokenizerPipeline.Frame.NONE;
            case "TemplateProcessing" -> template(json);
            case "RobertaProcessing" ->
                new TokenizerPipeline.Frame(
                        List.of(json.get("cls").get(1).integer()),
                        List.of(json.get("sep").get(1).integer()));
            case "Sequence" -> sequence(json.get("processors"));
            default ->
                throw unsupported(json, type, "null, ByteLevel, TemplateProcessing, RobertaProcessing, Sequence");
        };
    }

    private static TokenizerPipeline.Frame sequence(JsonFile processors) {
        TokenizerPipeline.Frame frame = TokenizerPipeline.Frame.NONE;
        for (int i = 0; i < processors.array().size(); i++) {
            TokenizerPipeline.Frame inner = frame(processors.get(i));
            List<Integer> before = new ArrayList<>(inner.before());
            before.addAll(frame.before());
            List<Integer> after = new ArrayList<>(frame.after());
            after.addAll(inner.after());
            frame = new TokenizerPipeline.Frame(before, after);
        }
        return frame;
    }

    private static TokenizerPipeline.Frame template(JsonFile json) {
        List<Integer> before = new ArrayList<>();
        List<Integer> after = new ArrayList<>();
        JsonFile single = json.get("single").array();
        boolean seen = false;
        for (int i = 0; i < single.size(); i++) {
            JsonFile piece = single.get(i).object();
            if (piece.get("Sequence").isPresent()) {
                if (seen) {
                    throw new TokenizerException(single.where() + ": the text comes twice; expected once");
                }
                seen = true;
                continue;
            }
            String name = piece.get("SpecialToken").get("id").string();
            JsonFile ids = json.get("special_tokens").get(name).get("ids").array();
            for (int k = 0; k < ids.size(); k++) {
                (seen ? after : before).add(ids.get(k).integer());
            }
        }
        if (!seen) {
            throw new TokenizerException(single.where() + ": the text is missing; expected a {\"Sequence\": ...}");
        }
        return new TokenizerPipeline.Frame(before, after);
    }

    private static String type(JsonFile part) {
        return part.isPresent() ? part.object().get("type").string() : "none";
    }

    private static TokenizerException unsupported(JsonFile part, String found, String supported) {
        return new TokenizerException(part.where() + ": " + found + " is not supported; supported: " + supported);
    }
}
