package io.quern.transformer.text;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/**
 * How fast text becomes ids and ids text. All texts have a million bytes, so that operations per second are MB/s.
 *
 * <p>{@code -p model=FOLDER} and {@code -p text=FILE} measure with a real tokenizer and text; otherwise a vocabulary of
 * 8,000 is trained on made-up English, whose words are as frequent as in real texts (Zipf's law).
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.SECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class TokenizerBenchmark {
    private static final int SIZE = 1_000_000;
    private static final int WORDS = 30_000;

    @Param("")
    public String model;

    @Param("")
    public String text;

    private Tokenizer tokenizer;
    private String words;
    private String oneLetter;
    private int[] ids;

    @Setup
    public void setUp() throws Exception {
        String all = text.isEmpty() ? english(new Random(1)) : Files.readString(Path.of(text));
        while (all.getBytes(StandardCharsets.UTF_8).length < SIZE) {
            all += all;
        }
        byte[] cut = Arrays.copyOf(all.getBytes(StandardCharsets.UTF_8), SIZE);
        words = new String(cut, StandardCharsets.UTF_8);
        oneLetter = "a".repeat(SIZE);
        if (model.isEmpty()) {
            tokenizer = train();
        } else {
            tokenizer = Tokenizer.load(Path.of(model));
        }
        ids = tokenizer.encode(words);
        if (text.isEmpty() && !tokenizer.decode(ids).equals(words)) {
            throw new IllegalStateException("the text does not come back");
        }
    }

    private static String english(Random random) {
        String[] lexicon = new String[WORDS];
        for (int i = 0; i < WORDS; i++) {
            StringBuilder word = new StringBuilder();
            int syllables = 1 + random.nextInt(i < 100 ? 1 : 4);
            for (int s = 0; s < syllables; s++) {
                word.append("bcdfghlmnprstvw".charAt(random.nextInt(15))).append("aeiou".charAt(random.nextInt(5)));
                if (random.nextInt(3) == 0) {
                    word.append("nrstld".charAt(random.nextInt(6)));
                }
            }
            lexicon[i] = word.toString();
        }
        StringBuilder made = new StringBuilder(SIZE + 100);
        while (made.length() < SIZE) {
            int rank = (int) Math.min(WORDS - 1, Math.exp(random.nextDouble() * Math.log(WORDS)) - 1);
            made.append(lexicon[rank]);
            int end = random.nextInt(60);
            made.append(end == 0 ? ".\n" : end == 1 ? "'s " : end < 5 ? ", " : " ");
        }
        return made.toString();
    }

    @Benchmark
    public int[] encode() {
        return tokenizer.encode(words);
    }

    /** A piece without an end: what a tokenizer that merges in quadratic time would need hours for. */
    @Benchmark
    public int[] encodeOneLetter() {
        return tokenizer.encode(oneLetter);
    }

    @Benchmark
    public String decode() {
        return tokenizer.decode(ids);
    }

    @Benchmark
    public int stream() {
        StreamingDecoder decoder = tokenizer.stream(true);
        int length = 0;
        for (int id : ids) {
            length += decoder.push(id).length();
        }
        return length + decoder.flush().length();
    }

    @Benchmark
    public Tokenizer train() {
        BpeTrainer trainer = BpeTrainer.builder().vocabSize(8000).build();
        trainer.add(words);
        return trainer.train();
    }
}
