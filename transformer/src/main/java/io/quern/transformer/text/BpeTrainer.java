package io.quern.transformer.text;

import io.quern.tensor.file.FileErrors;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * Trains a byte-level BPE tokenizer of the kind GPT-2 has.
 *
 * <pre>{@code
 * BpeTrainer trainer = BpeTrainer.builder().vocabSize(4096).build();
 * trainer.add(Path.of("input.txt"));
 * Tokenizer tokenizer = trainer.train();
 * tokenizer.save(Path.of("model"));
 * }</pre>
 *
 * <p>The same texts give the same tokenizer, in whatever order they come. Special tokens inside a text are no part of
 * what is learned. Not thread-safe.
 */
public final class BpeTrainer {
    /** What the trainer is doing. */
    public enum Phase {
        /** Reading texts; the unit is a character, the total unknown (-1). */
        COUNTING,
        /** Learning merges; the unit is a merge. */
        MERGING
    }

    /** Hears how far the training is, from the thread that trains. */
    @FunctionalInterface
    public interface Progress {
        void update(Phase phase, long done, long total);
    }

    private static final int MERGES_PER_UPDATE = 64;

    private final Builder options;
    private final WordCounts words = new WordCounts();
    private final TokenMatcher specials = new TokenMatcher();
    private final Utf8Buffer utf8 = new Utf8Buffer(1 << 16);
    private long charsRead;

    private BpeTrainer(Builder options) {
        this.options = options;
        for (String token : options.specialTokens) {
            specials.add(token, AddedToken.special(0, token));
        }
    }

    public static Builder builder() {
        return new Builder();
    }

    /**
     * Counts the words of a text file in UTF-8.
     *
     * @throws TokenizerException if the file cannot be read or is not UTF-8
     */
    public void add(Path file) {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
            add(new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder()));
        } catch (CharacterCodingException e) {
            throw new TokenizerException(file + ": not valid UTF-8; expected a text file in UTF-8", e);
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /** Counts the words of a text. */
    public void add(String text) {
        try {
            add(new StringReader(text));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Counts the words of a text up to its end, without holding it in memory as a whole. */
    public void add(Reader text) throws IOException {
        StringBuilder held = new StringBuilder();
        char[] buffer = new char[1 << 16];
        Document document = new Document();
        int limit = options.chunk;
        for (int n = text.read(buffer); n >= 0; n = text.read(buffer)) {
            held.append(buffer, 0, n);
            charsRead += n;
            if (held.length() >= limit) {
                int cut = options.lineByLine ? held.lastIndexOf("\n") + 1 : cut(held);
                limit = cut == 0 ? held.length() * 2 : options.chunk;
                if (cut > 0) {
                    document.count(held.substring(0, cut));
                    held.delete(0, cut);
                }
            }
            options.progress.update(Phase.COUNTING, charsRead, -1);
        }
        document.count(held.toString());
    }

    /** Learns merges until the vocabulary is full or no pair is frequent enough. */
    public Tokenizer train() {
        List<String> alphabet = new ArrayList<>(options.specialTokens);
        List<String> characters = new ArrayList<>();
        for (int b = 0; b < ByteAlphabet.SIZE; b++) {
            characters.add(String.valueOf(ByteAlphabet.charOf(b)));
        }
        characters.sort(null);
        alphabet.addAll(characters);

        MergeLearner learner = new MergeLearner(words, alphabet);
        int total = options.vocabSize - alphabet.size();
        int done = 0;
        while (learner.tokens().size() < options.vocabSize && learner.learn(options.minFrequency)) {
            done = learner.tokens().size() - alphabet.size();
            if (done % MERGES_PER_UPDATE == 0) {
                options.progress.update(Phase.MERGING, done, total);
            }
        }
        options.progress.update(Phase.MERGING, done, done);
        return tokenizer(Vocabulary.of(learner.tokens(), "trained vocabulary"), learner.merges());
    }

    private Tokenizer tokenizer(Vocabulary vocabulary, List<ByteBpe.Merge> merges) {
        var modelOptions = new ByteBpe.Options(options.addPrefixSpace, true, false, null, false);
        ByteBpe model = ByteBpe.of(vocabulary, merges, modelOptions, "trained vocabulary");
        List<AddedToken> added = new ArrayList<>();
        Map<String, Integer> roles = new HashMap<>();
        for (String token : options.specialTokens) {
            int id = vocabulary.id(token);
            added.add(AddedToken.special(id, token));
            for (String role : rolesOf(token)) {
                roles.put(role, id);
            }
        }
        return new TokenizerPipeline(model, Normalizer.NONE, added, Frame.NONE, new SpecialTokens(roles));
    }

    /** The roles that go with the names of special tokens in GPT-2 and RoBERTa. */
    private static List<String> rolesOf(String token) {
        return switch (token) {
            case "<|endoftext|>" -> List.of("bos", "eos", "unk");
            case "<s>" -> List.of("bos");
            case "</s>" -> List.of("eos");
            case "<unk>" -> List.of("unk");
            case "<pad>" -> List.of("pad");
            case "<mask>" -> List.of("mask");
            default -> List.of();
        };
    }

    /** Counts the words of one text, which comes in chunks that begin and end where words do. */
    private final class Document implements TokenMatcher.Sink {
        /** Whether the next stretch is the first one of the text, of a line, or after a special token. */
        private boolean atStart = true;

        void count(String chunk) {
            int from = 0;
            while (from < chunk.length()) {
                int newline = options.lineByLine ? chunk.indexOf('\n', from) : -1;
                int to = newline < 0 ? chunk.length() : newline + 1;
                atStart |= options.lineByLine;
                specials.split(chunk, from, to, this);
                from = to;
            }
        }

        @Override
        public void text(String text, int from, int to) {
            utf8.clear();
            if (atStart && options.addPrefixSpace && text.charAt(from) != ' ') {
                utf8.append((byte) ' ');
            }
            atStart = false;
            utf8.append(text, from, to);
            byte[] bytes = utf8.array();
            int end = utf8.size();
            int start = 0;
            while (start < end) {
                int next = Gpt2Splitter.next(bytes, start, end);
                words.add(bytes, start, next);
                start = next;
            }
        }

        @Override
        public void token(int id) {
            atStart = true;
        }
    }

    /**
     * The last place before which the text can be counted on its own, or 0: white space after something else begins a
     * new word, whatever comes before and after. A special token must not be cut.
     */
    private int cut(StringBuilder text) {
        for (int i = text.length() - 1; i > 0; i--) {
            if (CharKind.isWhiteSpace(text.charAt(i))
                    && !CharKind.isWhiteSpace(text.charAt(i - 1))
                    && !insideSpecialToken(text, i)) {
                return i;
            }
        }
        return 0;
    }

    /** Whether a place is inside a special token, or inside the beginning of one at the end of the text. */
    private boolean insideSpecialToken(StringBuilder text, int at) {
        for (String token : options.specialTokens) {
            for (int start = Math.max(0, at - token.length() + 1); start < at; start++) {
                int length = Math.min(token.length(), text.length() - start);
                if (text.substring(start, start + length).equals(token.substring(0, length))) {
                    return true;
                }
            }
        }
        return false;
    }

    /** The options of a {@link BpeTrainer}. */
    public static final class Builder {
        private int vocabSize = 30_000;
        private long minFrequency = 2;
        private Set<String> specialTokens = new LinkedHashSet<>(List.of("<|endoftext|>"));
        private boolean addPrefixSpace;
        private boolean lineByLine;
        private int chunk = 1 << 20;
        private Progress progress = (phase, done, total) -> {};

        private Builder() {}

        private Builder(Builder other) {
            vocabSize = other.vocabSize;
            minFrequency = other.minFrequency;
            specialTokens = new LinkedHashSet<>(other.specialTokens);
            addPrefixSpace = other.addPrefixSpace;
            lineByLine = other.lineByLine;
            chunk = other.chunk;
            progress = other.progress;
        }

        /** How many tokens there are in the end: special tokens, 256 bytes, and as many merges as fit. */
        public Builder vocabSize(int size) {
            vocabSize = size;
            return this;
        }

        /** How often a pair must come to be merged; 2 unless set. */
        public Builder minFrequency(long frequency) {
            minFrequency = frequency;
            return this;
        }

        /**
         * The special tokens, which get the first ids; {@code <|endoftext|>} unless set. Tokens of known names get
         * their roles: {@code <|endoftext|>} begins and ends sequences, and {@code <s>}, {@code </s>}, {@code <unk>},
         * {@code <pad>} and {@code <mask>} are what they are called.
         */
        public Builder specialTokens(String... tokens) {
            specialTokens = new LinkedHashSet<>(List.of(tokens));
            if (specialTokens.size() != tokens.length) {
                throw new IllegalArgumentException("a special token comes twice in " + List.of(tokens));
            }
            return this;
        }

        /** Whether the tokenizer puts a space before a text that does not begin with one; off unless set. */
        public Builder addPrefixSpace(boolean add) {
            addPrefixSpace = add;
            return this;
        }

        /**
         * Whether each line is a text of its own, so that no token crosses the end of a line; off unless set. It is
         * what Hugging Face tokenizers do with files, while their {@code train_from_iterator} takes whole texts.
         */
        public Builder lineByLine(boolean lines) {
            lineByLine = lines;
            return this;
        }

        /** From how many characters on a part of a text is counted. */
        Builder chunk(int chars) {
            chunk = chars;
            return this;
        }

        /** Who hears how far the training is; nobody unless set. */
        public Builder progress(Progress listener) {
            progress = Objects.requireNonNull(listener, "listener");
            return this;
        }

        /** @throws IllegalArgumentException if the vocabulary is too small or a special token cannot be one */
        public BpeTrainer build() {
            int least = ByteAlphabet.SIZE + specialTokens.size();
            if (vocabSize < least) {
                throw new IllegalArgumentException("vocabulary size " + vocabSize + " is too small: expected at least "
                        + least + " for 256 bytes and " + specialTokens.size() + " special tokens");
            }
            if (minFrequency < 1) {
                throw new IllegalArgumentException("minimal frequency " + minFrequency + ": expected 1 or more");
            }
            for (String token : specialTokens) {
                if (token.isEmpty() || token.length() == 1 && ByteAlphabet.byteOf(token.charAt(0)) >= 0) {
                    throw new IllegalArgumentException(
                            "special token '" + token + "': expected more than a single character");
                }
            }
            return new BpeTrainer(new Builder(this));
        }
    }
}
