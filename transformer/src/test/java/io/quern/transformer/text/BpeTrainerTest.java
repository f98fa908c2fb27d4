package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.Reader;
import java.io.StringReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class BpeTrainerTest {
    private static final JsonNode RUNS = TestFiles.json("bpe_trainer.json");

    private static final List<String> CORPUS =
            TestFiles.goldens("tokenizer_gpt2.json").map(TestFiles.Golden::text).toList();

    @TempDir
    private Path folder;

    static IntStream runs() {
        return IntStream.range(0, RUNS.size());
    }

    private List<List<String>> merges(Tokenizer tokenizer) throws IOException {
        tokenizer.save(folder);
        List<List<String>> merges = new ArrayList<>();
        for (JsonNode merge : TestFiles.JSON
                .readTree(folder.resolve("tokenizer.json").toFile())
                .at("/model/merges")) {
            merges.add(List.of(merge.get(0).textValue(), merge.get(1).textValue()));
        }
        return merges;
    }

    @ParameterizedTest
    @MethodSource("runs")
    void learnsTheMergesOfHuggingFaceTokenizers(int number) throws IOException {
        JsonNode run = RUNS.get(number);
        BpeTrainer trainer = BpeTrainer.builder()
                .vocabSize(run.get("vocab_size").intValue())
                .minFrequency(run.get("min_frequency").intValue())
                .addPrefixSpace(run.get("add_prefix_space").booleanValue())
                .build();
        List<String> texts = new ArrayList<>(CORPUS);
        Collections.shuffle(texts, new Random(number));
        texts.forEach(text -> trainer.add(text.replace("<|endoftext|>", "")));
        List<List<String>> expected = new ArrayList<>();
        run.get("merges")
                .forEach(
                        m -> expected.add(List.of(m.get(0).textValue(), m.get(1).textValue())));
        assertEquals(expected, merges(trainer.train()));
    }

    @Test
    void whatItWritesLoadsAgainInBothForms() throws IOException {
        BpeTrainer trainer = BpeTrainer.builder().vocabSize(600).build();
        CORPUS.forEach(trainer::add);
        Tokenizer tokenizer = trainer.train();
        tokenizer.save(folder);
        Tokenizer oneFile = Tokenizer.load(folder);
        Files.delete(folder.resolve("tokenizer.json"));
        Tokenizer twoFiles = Tokenizer.load(folder);
        for (Tokenizer loaded : List.of(oneFile, twoFiles)) {
            assertEquals(tokenizer.vocabSize(), loaded.vocabSize());
            assertEquals(tokenizer.specialTokens(), loaded.specialTokens());
            assertEquals(tokenizer.addedTokens(), loaded.addedTokens());
            for (String text : CORPUS) {
                assertArrayEquals(tokenizer.encode(text), loaded.encode(text));
                assertEquals(text, loaded.decode(loaded.encode(text)));
            }
        }
    }

    @Test
    void savingReplacesFilesAndLeavesNothingElse() throws IOException {
        Files.writeString(folder.resolve("tokenizer.json"), "old");
        BpeTrainer.builder().vocabSize(257).build().train().save(folder);
        try (var files = Files.list(folder)) {
            assertEquals(
                    List.of("merges.txt", "tokenizer.json", "tokenizer_config.json", "vocab.json"),
                    files.map(file -> file.getFileName().toString()).sorted().toList());
        }
        assertEquals(257, Tokenizer.load(folder).vocabSize());
    }

    @Test
    void chunksDoNotMatter() throws IOException {
        Random random = new Random(4);
        StringBuilder text = new StringBuilder();
        while (text.length() < 100_000) {
            text.append(CORPUS.get(random.nextInt(CORPUS.size())));
            text.append(random.nextInt(3) == 0 ? "<end of text>" : random.nextInt(3) == 0 ? "   " : "");
        }
        for (boolean prefix : new boolean[] {false, true}) {
            BpeTrainer.Builder options = BpeTrainer.builder()
                    .vocabSize(700)
                    .specialTokens("<end of text>")
                    .addPrefixSpace(prefix);
            BpeTrainer whole = options.build();
            whole.add(text.toString());
            BpeTrainer stretches = options.build();
            // Special tokens end a text, so that each stretch between them can be added on its own.
            for (String stretch : text.toString().split("<end of text>")) {
                stretches.add(stretch);
            }
            BpeTrainer chunked = options.chunk(40).build();
            chunked.add(new Reader() {
                private final Reader all = new StringReader(text.toString());

                @Override
                public int read(char[] buffer, int offset, int length) throws IOException {
                    return all.read(buffer, offset, Math.min(length, 1 + random.nextInt(50)));
                }

                @Override
                public void close() {}
            });
            List<List<String>> expected = merges(whole.train());
            assertEquals(expected, merges(stretches.train()));
            assertEquals(expected, merges(chunked.train()));
        }
    }

    @Test
    void linesOnTheirOwn() throws IOException {
        String text = "one\n\n\ntwo\n\n\nthree\n\n\n";
        BpeTrainer lines = BpeTrainer.builder().vocabSize(300).lineByLine(true).build();
        lines.add(text);
        BpeTrainer texts = BpeTrainer.builder().vocabSize(300).build();
        texts.add(text);
        assertTrue(lines.train().tokenToId("\u010A\u010A").isEmpty());
        assertTrue(texts.train().tokenToId("\u010A\u010A").isPresent());
    }

    @Test
    void specialTokensAreNotLearnedAndComeFirst() {
        BpeTrainer trainer = BpeTrainer.builder()
                .vocabSize(300)
                .specialTokens("<s>", "</s>", "<pad>")
                .build();
        trainer.add("<s></s>".repeat(1000) + "<pad> <pad> <pad> <pad>");
        Tokenizer tokenizer = trainer.train();
        assertEquals(259, tokenizer.vocabSize());
        assertEquals(0, tokenizer.specialTokens().bos().orElseThrow());
        assertEquals(1, tokenizer.specialTokens().eos().orElseThrow());
        assertEquals(2, tokenizer.specialTokens().pad().orElseThrow());
        assertArrayEquals(new int[] {0, 1}, tokenizer.encode("<s></s>"));
    }

    @Test
    void filesAndProgress() throws IOException {
        Path file = folder.resolve("text.txt");
        Files.writeString(file, "to be or not to be ".repeat(20));
        List<BpeTrainer.Phase> phases = new ArrayList<>();
        BpeTrainer trainer = BpeTrainer.builder()
                .vocabSize(400)
                .progress((phase, done, total) -> phases.add(phase))
                .build();
        trainer.add(file);
        Tokenizer tokenizer = trainer.train();
        assertEquals(2, tokenizer.encode(" to be").length);
        assertTrue(phases.containsAll(List.of(BpeTrainer.Phase.values())));
    }

    @Test
    void filesThatAreNotText() throws IOException {
        Path file = folder.resolve("binary");
        Files.write(file, new byte[] {'a', (byte) 0xC3, 'b'});
        BpeTrainer trainer = BpeTrainer.builder().build();
        TokenizerException invalid = assertThrows(TokenizerException.class, () -> trainer.add(file));
        assertTrue(invalid.getMessage().contains("binary: not valid UTF-8"), invalid.getMessage());
        Files.write(file, new byte[] {'a', (byte) 0xC3});
        assertThrows(TokenizerException.class, () -> trainer.add(file), "cut inside a character");
        TokenizerException missing =
                assertThrows(TokenizerException.class, () -> trainer.add(folder.resolve("absent.txt")));
        assertTrue(missing.getMessage().contains("absent.txt"), missing.getMessage());
    }

    @Test
    void optionsThatCannotBe() {
        assertThrows(
                IllegalArgumentException.class,
                () -> BpeTrainer.builder().vocabSize(256).build());
        assertThrows(
                IllegalArgumentException.class,
                () -> BpeTrainer.builder().minFrequency(0).build());
        assertThrows(
                IllegalArgumentException.class,
                () -> BpeTrainer.builder().specialTokens("a").build());
        assertThrows(IllegalArgumentException.class, () -> BpeTrainer.builder().specialTokens("<s>", "<s>"));
    }
}
