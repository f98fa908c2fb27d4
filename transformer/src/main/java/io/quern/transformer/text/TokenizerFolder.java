package io.quern.transformer.text;

import io.quern.tensor.file.FileErrors;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** Finds and reads the files of a tokenizer. */
final class TokenizerFolder {
    static final String TOKENIZER = "tokenizer.json";
    static final String CONFIG = "tokenizer_config.json";
    static final String VOCAB = "vocab.json";
    static final String MERGES = "merges.txt";
    static final String WORD_PIECES = "vocab.txt";
    static final String SPECIAL_TOKENS_MAP = "special_tokens_map.json";

    private final String name;
    private final FileSource files;

    private TokenizerFolder(String name, FileSource files) {
        this.name = name;
        this.files = files;
    }

    static Tokenizer load(Path model) {
        Path folder = model;
        if (Files.isRegularFile(model)) {
            if (!model.getFileName().toString().equals(TOKENIZER)) {
                throw new TokenizerException(model + ": expected a folder or a file called " + TOKENIZER);
            }
            folder = model.toAbsolutePath().getParent();
        } else if (!Files.isDirectory(model)) {
            throw new TokenizerException(model + ": there is no such folder; expected one with " + TOKENIZER);
        }
        Path base = folder;
        return load(folder.toString(), file -> {
            try {
                return Files.newInputStream(base.resolve(file));
            } catch (NoSuchFileException absent) {
                return null;
            }
        });
    }

    static Tokenizer load(String name, FileSource files) {
        TokenizerFolder folder = new TokenizerFolder(name, files);
        TokenizerParts parts = folder.json(TOKENIZER)
                .map(TokenizerJson::read)
                .or(folder::wordPieces)
                .orElseGet(folder::vocabAndMerges);
        new TokenizerConfig(folder.json(CONFIG), folder.json(SPECIAL_TOKENS_MAP)).applyTo(parts);
        return parts.build();
    }

    /** BERT's own form of 2018, one token a line; its options are in {@code tokenizer_config.json}. */
    private Optional<TokenizerParts> wordPieces() {
        String file = name + "/" + WORD_PIECES;
        try (InputStream in = files.open(WORD_PIECES)) {
            if (in == null) {
                return Optional.empty();
            }
            List<String> tokens = new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList();
            WordPiece model = WordPiece.of(Vocabulary.of(tokens, file), WordPiece.Options.BERT, file);
            TokenizerParts parts = new TokenizerParts(file, model, BertNormalizer.UNCASED);
            int cls = parts.idOf("[CLS]");
            int sep = parts.idOf("[SEP]");
            if (cls < 0 || sep < 0) {
                throw new TokenizerException(
                        file + ": the tokens [CLS] and [SEP], which go around a text, are missing");
            }
            parts.frame(Frame.bert(cls, sep));
            return Optional.of(parts);
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    private TokenizerParts vocabAndMerges() {
        JsonFile vocab = json(VOCAB)
                .orElseThrow(() -> new TokenizerException(name + ": no tokenizer here; expected " + TOKENIZER + ", or "
                        + VOCAB + " and " + MERGES + ", or " + WORD_PIECES));
        Vocabulary vocabulary = Vocabulary.of(vocab.ids(), vocab.file());
        String mergesFile = name + "/" + MERGES;
        try (InputStream in = files.open(MERGES)) {
            if (in == null) {
                throw new TokenizerException(mergesFile + " is missing, but " + VOCAB
                        + " is there; byte-level BPE needs both, or " + TOKENIZER);
            }
            ByteBpe model = ByteBpe.of(vocabulary, MergesTxt.read(mergesFile, in), ByteBpe.Options.GPT2, mergesFile);
            return new TokenizerParts(vocab.file(), model, Normalizer.NONE);
        } catch (IOException e) {
            throw new TokenizerException(mergesFile + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    private Optional<JsonFile> json(String file) {
        try (InputStream in = files.open(file)) {
            return in == null ? Optional.empty() : Optional.of(JsonFile.read(name + "/" + file, in));
        } catch (IOException e) {
            throw new TokenizerException(name + "/" + file + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }
}
