package io.quern.transformer.embed;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.TensorException;
import io.quern.transformer.LeakChecked;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Passages and the search among them. */
class EmbeddingIndexTest extends LeakChecked {
    private static final int DIMENSION = 24;

    @TempDir
    Path folder;

    private static List<Passage> passages(int n) {
        return IntStream.range(0, n)
                .mapToObj(i -> new Passage("f" + i % 3, i + 1, "text \"" + i + "\" \u00e9\n\ud83d\ude00"))
                .toList();
    }

    private static float[][] vectors(int n, long seed) {
        Random random = new Random(seed);
        float[][] v = new float[n][DIMENSION];
        for (float[] row : v) {
            for (int i = 0; i < row.length; i++) {
                row[i] = (float) random.nextGaussian();
            }
        }
        return v;
    }

    @Test
    void theNearestByCosineComeFirst() {
        float[][] v = vectors(500, 1);
        float[][] questions = vectors(20, 2);
        try (EmbeddingIndex index = EmbeddingIndex.of("m", passages(500), v)) {
            for (float[] q : questions) {
                List<Integer> wanted = IntStream.range(0, v.length)
                        .boxed()
                        .sorted(Comparator.comparingDouble(i -> -TextEmbedder.cosine(q, v[i])))
                        .limit(7)
                        .toList();
                List<EmbeddingIndex.Hit> hits = index.search(q, 7);
                assertEquals(
                        wanted, hits.stream().map(h -> h.passage().line() - 1).toList());
                for (int i = 0; i < hits.size(); i++) {
                    assertEquals(
                            TextEmbedder.cosine(q, v[wanted.get(i)]),
                            hits.get(i).score(),
                            1e-5);
                }
            }
            assertEquals(500, index.search(questions[0], 1000).size());
            assertEquals(List.of(), index.search(questions[0], 0));
            assertThrows(TensorException.class, () -> index.search(new float[3], 1));
            assertThrows(TensorException.class, () -> index.search(new float[DIMENSION], 1));
        }
    }

    @Test
    void equalScoresComeInTheOrderOfThePassages() {
        float[][] same = new float[9][];
        for (int i = 0; i < same.length; i++) {
            same[i] = new float[] {i + 1, 0};
        }
        try (EmbeddingIndex index = EmbeddingIndex.of("m", passages(9), same)) {
            List<EmbeddingIndex.Hit> hits = index.search(new float[] {2, 0}, 4);
            assertEquals(
                    List.of(1, 2, 3, 4),
                    hits.stream().map(h -> h.passage().line()).toList());
        }
    }

    @Test
    void whatIsSavedIsFoundAgain() {
        float[][] v = vectors(50, 3);
        float[] q = vectors(1, 4)[0];
        List<EmbeddingIndex.Hit> hits;
        try (EmbeddingIndex index = EmbeddingIndex.of("org/model", passages(50), v)) {
            hits = index.search(q, 5);
            index.save(folder);
            index.save(folder); // over an earlier one
        }
        try (EmbeddingIndex index = EmbeddingIndex.load(folder)) {
            assertEquals("org/model", index.model());
            assertEquals(passages(50), index.passages());
            assertEquals(DIMENSION, index.dimension());
            assertEquals(hits, index.search(q, 5));
        }
    }

    @ParameterizedTest
    @CsvSource({"vectors.safetensors", "passages.jsonl", "index.json"})
    void aFileOfAnotherBuildIsNoticed(String file) throws IOException {
        try (EmbeddingIndex index = EmbeddingIndex.of("m", passages(5), vectors(5, 5))) {
            index.save(folder);
            Path kept = Files.move(folder.resolve(file), folder.resolve("kept"));
            index.save(folder);
            Files.move(kept, folder.resolve(file), StandardCopyOption.REPLACE_EXISTING);
        }
        TensorException e = assertThrows(TensorException.class, () -> EmbeddingIndex.load(folder));
        assertTrue(e.getMessage().contains("not of the same build"), e.getMessage());
    }

    @ParameterizedTest
    @CsvSource({"vectors.safetensors", "passages.jsonl", "index.json"})
    void damagedFilesAreErrors(String file) throws IOException {
        try (EmbeddingIndex index = EmbeddingIndex.of("m", passages(5), vectors(5, 6))) {
            index.save(folder);
        }
        byte[] whole = Files.readAllBytes(folder.resolve(file));
        for (int length : new int[] {0, 1, whole.length / 2, whole.length - 30}) {
            Files.write(folder.resolve(file), java.util.Arrays.copyOf(whole, length));
            assertThrows(TensorException.class, () -> EmbeddingIndex.load(folder), file + " cut to " + length);
        }
        Files.delete(folder.resolve(file));
        assertThrows(TensorException.class, () -> EmbeddingIndex.load(folder));
    }

    @Test
    void vectorsWithoutADirectionAreRefused() {
        float[][] v = vectors(3, 7);
        v[1] = new float[DIMENSION];
        assertThrows(TensorException.class, () -> EmbeddingIndex.of("m", passages(3), v));
        v[1] = new float[] {Float.NaN};
        assertThrows(TensorException.class, () -> EmbeddingIndex.of("m", passages(3), v));
        assertThrows(TensorException.class, () -> EmbeddingIndex.of("m", passages(2), v));
        assertThrows(TensorException.class, () -> EmbeddingIndex.of("m", List.of(), new float[0][]));
    }

    @Test
    void linesAreNumberedAndBlankOnesLeftOut() {
        assertEquals(
                List.of(new Passage("f", 1, "one"), new Passage("f", 3, "two"), new Passage("f", 5, "three")),
                PassageSplitter.lines().split("f", "one\n\n  two \r\n\t\nthree"));
        assertEquals(List.of(), PassageSplitter.lines().split("f", " \n "));
    }

    @Test
    void chunksEndWhereSentencesOrParagraphsDo() {
        PassageSplitter splitter = PassageSplitter.chunks(w -> 1, 6, 0);
        assertEquals(
                List.of(
                        new Passage("f", 1, "a b c d."),
                        new Passage("f", 1, "e f\ng h"),
                        new Passage("f", 4, "i j k l m n"),
                        new Passage("f", 4, "o")),
                splitter.split("f", "a b c d. e f\ng h\n\ni j k l m n o"));
        assertEquals(List.of(), splitter.split("f", "\n \n"));
    }

    @Test
    void chunksHoldEveryWordAndNoMoreTokensThanAsked() {
        Random random = new Random(8);
        for (int run = 0; run < 50; run++) {
            List<String> words = new ArrayList<>();
            StringBuilder text = new StringBuilder();
            for (int i = random.nextInt(200); i >= 0; i--) {
                String word = "x".repeat(1 + random.nextInt(9)) + (random.nextInt(6) == 0 ? "." : "");
                words.add(word);
                text.append(word).append(List.of(" ", "\n", "\n\n", "  ").get(random.nextInt(4)));
            }
            int most = 10 + random.nextInt(30);
            int overlap = random.nextInt(most / 2);
            List<Passage> passages =
                    PassageSplitter.chunks(String::length, most, overlap).split("f", text.toString());
            int next = 0; // the first word that no passage has had
            for (Passage p : passages) {
                String[] in = p.text().split("\\s+");
                int tokens =
                        java.util.Arrays.stream(in).mapToInt(String::length).sum();
                assertTrue(tokens <= most || in.length == 1, p + " has " + tokens + " of " + most);
                int repeated = 0;
                while (!words.subList(next - repeated, Math.min(words.size(), next - repeated + in.length))
                        .equals(List.of(in))) {
                    repeated++;
                    assertTrue(repeated < in.length, "a gap or nothing new in " + p);
                }
                assertTrue(words.subList(next - repeated, next).stream()
                                .mapToInt(String::length)
                                .sum()
                        <= overlap);
                next += in.length - repeated;
            }
            assertEquals(words.size(), next);
        }
        assertThrows(IllegalArgumentException.class, () -> PassageSplitter.chunks(String::length, 10, 5));
    }
}
