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
            case "WordPiece" -> wordPiece(json, model);
            default -> throw unsupported(model.get("type"), type, "BPE, WordPiece");
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

    private static WordPiece wordPiece(JsonFile json, JsonFile model) {
        JsonFile pre = json.get("pre_tokenizer");
        if (!type(pre).equals("BertPreTokenizer")) {
            throw unsupported(pre, type(pre), "BertPreTokenizer with WordPiece");
        }
        JsonFile decoder = json.get("decoder");
        String decodes = type(decoder);
        boolean joins = decodes.equals("WordPiece");
        if (!joins && !decodes.equals("none")) {
            throw unsupported(decoder, decodes, "WordPiece or null with WordPiece");
        }
        var options = new WordPiece.Options(
                model.get("unk_token").string(WordPiece.Options.BERT.unkToken()),
                model.get("continuing_subword_prefix").string(WordPiece.Options.BERT.prefix()),
                model.get("max_input_chars_per_word").isPresent()
                        ? model.get("max_input_chars_per_word").integer()
                        : WordPiece.Options.BERT.maxChars(),
                joins ? decoder.get("prefix").string(WordPiece.Options.BERT.decodedPrefix()) : null,
                joins && decoder.get("cleanup").bool(true));
        Map<String, Integer> ids = model.get("vocab").ids();
        return WordPiece.of(Vocabulary.of(ids, model.get("vocab").where()), options, model.where());
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
            case "NFC", "NFD", "NFKC", "NFKD" -> UnicodeForm.valueOf(type);
            case "BertNormalizer" ->
                new BertNormalizer(
                        json.get("clean_text").bool(true),
                        json.get("handle_chinese_chars").bool(true),
                        json.get("strip_accents").isPresent()
                                ? json.get("strip_accents").bool(false)
                                : null,
                        json.get("lowercase").bool(true));
            default -> throw unsupported(json, type, "null, NFC, NFD, NFKC, NFKD, BertNormalizer");
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

    private static Frame frame(JsonFile json) {
        String type = type(json);
        return switch (type) {
            // ByteLevel as a post-processor only trims offsets.
            case "none", "ByteLevel" -> Frame.NONE;
            case "TemplateProcessing" -> template(json);
            case "BertProcessing" ->
                Frame.bert(
                        json.get("cls").get(1).integer(), json.get("sep").get(1).integer());
            case "RobertaProcessing" ->
                Frame.roberta(
                        json.get("cls").get(1).integer(), json.get("sep").get(1).integer());
            case "Sequence" -> sequence(json.get("processors"));
            default ->
                throw unsupported(
                        json, type, "null, ByteLevel, TemplateProcessing, BertProcessing, RobertaProcessing, Sequence");
        };
    }

    /** Each processor puts its tokens around what the ones before have made; of pairs no more than one can be told. */
    private static Frame sequence(JsonFile processors) {
        Frame frame = Frame.NONE;
        for (int i = 0; i < processors.array().size(); i++) {
            Frame outer = frame(processors.get(i));
            if (frame.equals(Frame.NONE)) {
                frame = outer;
            } else if (!outer.equals(Frame.NONE)) {
                List<Integer> before = new ArrayList<>(outer.before());
                before.addAll(frame.before());
                List<Integer> after = new ArrayList<>(frame.after());
                after.addAll(outer.after());
                frame = new Frame(Frame.around(before, after).single(), List.of());
            }
        }
        return frame;
    }

    private static Frame template(JsonFile json) {
        List<Frame.Piece> single = pieces(json, "single", "A");
        List<Frame.Piece> pair = json.get("pair").isPresent() ? pieces(json, "pair", "A", "B") : List.of();
        return new Frame(single, pair);
    }

    private static List<Frame.Piece> pieces(JsonFile json, String key, String... texts) {
        JsonFile template = json.get(key).array();
        List<Frame.Piece> pieces = new ArrayList<>();
        boolean[] seen = new boolean[texts.length];
        for (int i = 0; i < template.size(); i++) {
            JsonFile piece = template.get(i).object();
            JsonFile sequence = piece.get("Sequence");
            if (sequence.isPresent()) {
                int text = List.of(texts).indexOf(sequence.get("id").string());
                if (text < 0 || seen[text]) {
                    throw new TokenizerException(sequence.where() + ": the text "
                            + Vocabulary.quote(sequence.get("id").string())
                            + (text < 0 ? " is none of " + String.join(", ", texts) : " comes twice; expected once"));
                }
                seen[text] = true;
                pieces.add(Frame.Piece.text(text, typeId(sequence)));
                continue;
            }
            JsonFile token = piece.get("SpecialToken");
            JsonFile ids = json.get("special_tokens")
                    .get(token.get("id").string())
                    .get("ids")
                    .array();
            for (int k = 0; k < ids.size(); k++) {
                pieces.add(Frame.Piece.token(ids.get(k).integer(), typeId(token)));
            }
        }
        for (int text = 0; text < texts.length; text++) {
            if (!seen[text]) {
                throw new TokenizerException(
                        template.where() + ": the text " + texts[text] + " is missing; expected a {\"Sequence\": ...}");
            }
        }
        return pieces;
    }

    private static int typeId(JsonFile piece) {
        return piece.get("type_id").isPresent() ? piece.get("type_id").integer() : 0;
    }

    private static String type(JsonFile part) {
        return part.isPresent() ? part.object().get("type").string() : "none";
    }

    private static TokenizerException unsupported(JsonFile part, String found, String supported) {
        return new TokenizerException(part.where() + ": " + found + " is not supported; supported: " + supported);
    }
}
