package io.quern.transformer.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import io.quern.tensor.file.FileErrors;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;

/** Writes a tokenizer in the two forms of model folders, one file and that of its kind, and its {@code tokenizer_config.json}. */
final class TokenizerWriter {
    private static final JsonFactory JSON = new JsonFactory();

    private final TokenizerPipeline tokenizer;

    private TokenizerWriter(TokenizerPipeline tokenizer) {
        this.tokenizer = tokenizer;
    }

    static void write(TokenizerPipeline tokenizer, Path folder) {
        TokenizerWriter writer = new TokenizerWriter(tokenizer);
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new TokenizerException(folder + ": the folder cannot be made: " + FileErrors.reason(e), e);
        }
        switch (tokenizer.model()) {
            case ByteBpe model -> {
                replace(folder.resolve(TokenizerFolder.VOCAB), out -> json(out, false, writer::vocab));
                replace(folder.resolve(TokenizerFolder.MERGES), out -> mergesTxt(model, out));
            }
            case WordPiece model -> replace(folder.resolve(TokenizerFolder.WORD_PIECES), out -> lines(model, out));
        }
        replace(folder.resolve(TokenizerFolder.CONFIG), out -> json(out, true, writer::config));
        // Last, for it is what readers look for first.
        replace(folder.resolve(TokenizerFolder.TOKENIZER), out -> json(out, false, writer::tokenizer));
    }

    private void tokenizer(JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeStringField("version", "1.0");
        json.writeNullField("truncation");
        json.writeNullField("padding");
        json.writeArrayFieldStart("added_tokens");
        for (AddedToken token : tokenizer.addedTokens()) {
            json.writeStartObject();
            json.writeNumberField("id", token.id());
            addedToken(json, token);
            json.writeEndObject();
        }
        json.writeEndArray();
        normalizer(json);
        switch (tokenizer.model()) {
            case ByteBpe model -> bpe(json, model);
            case WordPiece model -> wordPiece(json, model);
        }
        json.writeEndObject();
    }

    private void normalizer(JsonGenerator json) throws IOException {
        if (tokenizer.normalizer() == Normalizer.NONE) {
            json.writeNullField("normalizer");
            return;
        }
        json.writeObjectFieldStart("normalizer");
        switch (tokenizer.normalizer()) {
            case UnicodeForm form -> json.writeStringField("type", form.name());
            case BertNormalizer bert -> {
                json.writeStringField("type", "BertNormalizer");
                json.writeBooleanField("clean_text", bert.cleanText());
                json.writeBooleanField("handle_chinese_chars", bert.handleChineseChars());
                if (bert.stripAccents() == null) {
                    json.writeNullField("strip_accents");
                } else {
                    json.writeBooleanField("strip_accents", bert.stripAccents());
                }
                json.writeBooleanField("lowercase", bert.lowercase());
            }
        }
        json.writeEndObject();
    }

    private void bpe(JsonGenerator json, ByteBpe model) throws IOException {
        byteLevel(
                json,
                "pre_tokenizer",
                model.options().addPrefixSpace(),
                true,
                model.options().splitWords());
        if (tokenizer.frame().equals(Frame.NONE)) {
            byteLevel(json, "post_processor", true, false, true);
        } else {
            template(json);
        }
        byteLevel(json, "decoder", true, true, true);
        json.writeObjectFieldStart("model");
        json.writeStringField("type", "BPE");
        json.writeNullField("dropout");
        json.writeStringField("unk_token", model.options().unkToken());
        json.writeNullField("continuing_subword_prefix");
        json.writeNullField("end_of_word_suffix");
        json.writeBooleanField("fuse_unk", model.options().fuseUnk());
        json.writeBooleanField("byte_fallback", false);
        json.writeBooleanField("ignore_merges", model.options().ignoreMerges());
        json.writeFieldName("vocab");
        vocab(json);
        json.writeArrayFieldStart("merges");
        for (int rank = 0; rank < model.merges().size(); rank++) {
            json.writeStartArray();
            json.writeString(left(model, rank));
            json.writeString(right(model, rank));
            json.writeEndArray();
        }
        json.writeEndArray();
        json.writeEndObject();
    }

    private void wordPiece(JsonGenerator json, WordPiece model) throws IOException {
        WordPiece.Options options = model.options();
        json.writeObjectFieldStart("pre_tokenizer");
        json.writeStringField("type", "BertPreTokenizer");
        json.writeEndObject();
        if (tokenizer.frame().equals(Frame.NONE)) {
            json.writeNullField("post_processor");
        } else {
            template(json);
        }
        if (options.decodedPrefix() == null) {
            json.writeNullField("decoder");
        } else {
            json.writeObjectFieldStart("decoder");
            json.writeStringField("type", "WordPiece");
            json.writeStringField("prefix", options.decodedPrefix());
            json.writeBooleanField("cleanup", options.cleanup());
            json.writeEndObject();
        }
        json.writeObjectFieldStart("model");
        json.writeStringField("type", "WordPiece");
        json.writeStringField("unk_token", options.unkToken());
        json.writeStringField("continuing_subword_prefix", options.prefix());
        json.writeNumberField("max_input_chars_per_word", options.maxChars());
        json.writeFieldName("vocab");
        vocab(json);
        json.writeEndObject();
    }

    private static void byteLevel(
            JsonGenerator json, String name, boolean addPrefixSpace, boolean trimOffsets, boolean useRegex)
            throws IOException {
        json.writeObjectFieldStart(name);
        json.writeStringField("type", "ByteLevel");
        json.writeBooleanField("add_prefix_space", addPrefixSpace);
        json.writeBooleanField("trim_offsets", trimOffsets);
        json.writeBooleanField("use_regex", useRegex);
        json.writeEndObject();
    }

    private void template(JsonGenerator json) throws IOException {
        json.writeObjectFieldStart("post_processor");
        json.writeStringField("type", "TemplateProcessing");
        pieces(json, "single", tokenizer.frame().single());
        pieces(json, "pair", tokenizer.frame().pair());
        json.writeObjectFieldStart("special_tokens");
        Map<String, Integer> used = new TreeMap<>();
        tokenizer.frame().tokens().forEach(id -> used.put(tokenizer.idToToken(id), id));
        for (Map.Entry<String, Integer> token : used.entrySet()) {
            json.writeObjectFieldStart(token.getKey());
            json.writeStringField("id", token.getKey());
            json.writeArrayFieldStart("ids");
            json.writeNumber(token.getValue());
            json.writeEndArray();
            json.writeArrayFieldStart("tokens");
            json.writeString(token.getKey());
            json.writeEndArray();
            json.writeEndObject();
        }
        json.writeEndObject();
        json.writeEndObject();
    }

    private void pieces(JsonGenerator json, String name, List<Frame.Piece> pieces) throws IOException {
        json.writeArrayFieldStart(name);
        for (Frame.Piece piece : pieces) {
            json.writeStartObject();
            json.writeObjectFieldStart(piece.isToken() ? "SpecialToken" : "Sequence");
            json.writeStringField(
                    "id", piece.isToken() ? tokenizer.idToToken(piece.id()) : piece.text() == 0 ? "A" : "B");
            json.writeNumberField("type_id", piece.type());
            json.writeEndObject();
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private void config(JsonGenerator json) throws IOException {
        json.writeStartObject();
        switch (tokenizer.model()) {
            case ByteBpe model -> {
                // transformers' GPT2Tokenizer builds its own pre-tokenizer and always has an end token.
                boolean gpt2 = tokenizer.normalizer() == Normalizer.NONE
                        && new ByteBpe.Options(model.options().addPrefixSpace(), true, false, null, false)
                                .equals(model.options())
                        && tokenizer.specialTokens().roles().keySet().containsAll(List.of("bos", "eos", "unk"));
                json.writeStringField("tokenizer_class", gpt2 ? "GPT2Tokenizer" : "PreTrainedTokenizerFast");
                json.writeBooleanField("add_prefix_space", model.options().addPrefixSpace());
            }
            case WordPiece model -> bertConfig(json);
        }
        for (Map.Entry<String, Integer> role :
                new TreeMap<>(tokenizer.specialTokens().roles()).entrySet()) {
            json.writeStringField(role.getKey() + "_token", tokenizer.idToToken(role.getValue()));
        }
        if (!tokenizer.addedTokens().isEmpty()) {
            json.writeObjectFieldStart("added_tokens_decoder");
            for (AddedToken token : tokenizer.addedTokens()) {
                json.writeObjectFieldStart(Integer.toString(token.id()));
                addedToken(json, token);
                json.writeEndObject();
            }
            json.writeEndObject();
        }
        json.writeEndObject();
    }

    private void bertConfig(JsonGenerator json) throws IOException {
        if (!(tokenizer.normalizer() instanceof BertNormalizer bert)) {
            json.writeStringField("tokenizer_class", "PreTrainedTokenizerFast");
            return;
        }
        json.writeStringField("tokenizer_class", "BertTokenizer");
        json.writeBooleanField("do_lower_case", bert.lowercase());
        json.writeBooleanField("tokenize_chinese_chars", bert.handleChineseChars());
        if (bert.stripAccents() == null) {
            json.writeNullField("strip_accents");
        } else {
            json.writeBooleanField("strip_accents", bert.stripAccents());
        }
    }

    private static void addedToken(JsonGenerator json, AddedToken token) throws IOException {
        json.writeStringField("content", token.content());
        json.writeBooleanField("single_word", token.singleWord());
        json.writeBooleanField("lstrip", token.lstrip());
        json.writeBooleanField("rstrip", token.rstrip());
        json.writeBooleanField("normalized", token.normalized());
        json.writeBooleanField("special", token.special());
    }

    private void vocab(JsonGenerator json) throws IOException {
        json.writeStartObject();
        Vocabulary vocabulary = tokenizer.model().vocabulary();
        for (int id = 0; id < vocabulary.size(); id++) {
            json.writeNumberField(vocabulary.token(id), id);
        }
        json.writeEndObject();
    }

    private static void mergesTxt(ByteBpe model, OutputStream out) throws IOException {
        StringBuilder text = new StringBuilder(MergesTxt.VERSION_LINE).append('\n');
        for (int rank = 0; rank < model.merges().size(); rank++) {
            text.append(left(model, rank))
                    .append(' ')
                    .append(right(model, rank))
                    .append('\n');
        }
        out.write(text.toString().getBytes(StandardCharsets.UTF_8));
    }

    private static void lines(WordPiece model, OutputStream out) throws IOException {
        out.write((String.join("\n", model.vocabulary().tokens()) + "\n").getBytes(StandardCharsets.UTF_8));
    }

    private static String left(ByteBpe model, int rank) {
        return model.vocabulary().token(model.merges().left(rank));
    }

    private static String right(ByteBpe model, int rank) {
        return model.vocabulary().token(model.merges().right(rank));
    }

    private interface Body<T> {
        void write(T out) throws IOException;
    }

    private static void json(OutputStream out, boolean indent, Body<JsonGenerator> body) throws IOException {
        try (JsonGenerator json = JSON.createGenerator(out)) {
            if (indent) {
                json.useDefaultPrettyPrinter();
            }
            body.write(json);
        }
    }

    /** Writes to a temporary file next to {@code file} and moves it into place. */
    private static void replace(Path file, Body<OutputStream> body) {
        Path temporary = null;
        try {
            // Not createTempFile, whose files nobody else may read.
            temporary = file.resolveSibling("." + file.getFileName() + "." + UUID.randomUUID() + ".tmp");
            try (OutputStream out =
                    new BufferedOutputStream(Files.newOutputStream(temporary, StandardOpenOption.CREATE_NEW))) {
                body.write(out);
            }
            try {
                Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            } catch (AtomicMoveNotSupportedException e) {
                Files.move(temporary, file, StandardCopyOption.REPLACE_EXISTING);
            }
            temporary = null;
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be written: " + FileErrors.reason(e), e);
        } finally {
            delete(temporary);
        }
    }

    private static void delete(Path temporary) {
        if (temporary != null) {
            try {
                Files.deleteIfExists(temporary);
            } catch (IOException ignored) {
                // The write has failed already, and says so.
            }
        }
    }
}
