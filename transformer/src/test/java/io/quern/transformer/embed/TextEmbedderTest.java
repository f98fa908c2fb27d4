package io.quern.transformer.embed;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.text.Encoding;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Sentence vectors against sentence-transformers' definition. With {@code -Dquern.minilm=FOLDER}, the sentence-transformers
 * folder of all-MiniLM-L6-v2, also the real model against ONNX Runtime; {@code -Dquern.minilm_q} is one with weights that
 * were 8-bit.
 */
class TextEmbedderTest extends LeakChecked {
    private static final List<String> TEXTS =
            List.of("the king is here", "", "what shall i do with thee, my good lord?", "The King is HERE");

    @TempDir
    Path folder;

    /** bert-tiny in sentence-transformers' layout. */
    private Path sentenceFolder(String pooling, boolean normalize, String limits) {
        try (Stream<Path> files = Files.list(TestModels.folder("bert-tiny"))) {
            for (Path f : files.toList()) {
                Files.copy(f, folder.resolve(f.getFileName()));
            }
            String module = "{\"idx\":%d,\"name\":\"%d\",\"path\":\"%s\",\"type\":\"sentence_transformers.models.%s\"}";
            List<String> modules = new ArrayList<>(
                    List.of(module.formatted(0, 0, "", "Transformer"), module.formatted(1, 1, "1_Pooling", "Pooling")));
            if (normalize) {
                modules.add(module.formatted(2, 2, "2_Normalize", "Normalize"));
            }
            Files.writeString(folder.resolve("modules.json"), modules.toString());
            Files.createDirectories(folder.resolve("1_Pooling"));
            Files.writeString(folder.resolve("1_Pooling/config.json"), pooling);
            Files.writeString(folder.resolve("sentence_bert_config.json"), limits);
            return folder;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String old(String mode) {
        return "{\"word_embedding_dimension\":64,\"pooling_mode_cls_token\":" + mode.equals("cls_token")
                + (mode.equals("cls_token") ? "}" : ",\"pooling_mode_" + mode + "\":true}");
    }

    @ParameterizedTest
    @CsvSource({"mean, mean_tokens", "cls, cls_token", "max, max_tokens"})
    void pooledVectorsAreThoseOfTransformers(String id, String mode) {
        Golden.Case c = Golden.load("bert").get("sentence_" + id);
        List<Encoding> texts = new ArrayList<>();
        JsonNode mask = c.input().get("attention_mask");
        for (int i = 0; i < mask.size(); i++) {
            int n = 0;
            for (JsonNode m : mask.get(i)) {
                n += m.asInt();
            }
            int[] ids = new int[n];
            for (int j = 0; j < n; j++) {
                ids[j] = c.input().get("input_ids").get(i).get(j).asInt();
            }
            texts.add(new Encoding(ids, new int[n]));
        }
        try (TextEmbedder embedder = TextEmbedder.load(sentenceFolder(old(mode), false, "{}"))) {
            Scope.run(() -> {
                c.assertClose("embeddings", embedder.forward(texts));
                return null;
            });
        }
    }

    /** Each kind of pooling from the definition, over the hidden states of each text alone. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "cls_token",
                "max_tokens",
                "mean_tokens",
                "mean_sqrt_len_tokens",
                "weightedmean_tokens",
                "lasttoken"
            })
    void poolings(String mode) {
        try (TextEmbedder embedder = TextEmbedder.load(sentenceFolder(old(mode), false, "{}"))) {
            float[][] got = embedder.embed(TEXTS);
            for (int i = 0; i < got.length; i++) {
                Encoding text = embedder.encode(TEXTS.get(i));
                float[] h = Scope.run(() -> embedder.encoder()
                        .forward(EncoderBatch.rightPadded(List.of(text.ids()), 0))
                        .toFloats());
                assertArrayEquals(pooled(mode, h, text.length()), got[i], 2e-5f, mode + " of text " + i);
            }
        }
    }

    private static float[] pooled(String mode, float[] h, int n) {
        float[] v = new float[h.length / n];
        for (int d = 0; d < v.length; d++) {
            double sum = 0;
            double weighted = 0;
            double max = Double.NEGATIVE_INFINITY;
            for (int t = 0; t < n; t++) {
                double x = h[t * v.length + d];
                sum += x;
                weighted += (t + 1) * x;
                max = Math.max(max, x);
            }
            v[d] = (float)
                    switch (mode) {
                        case "cls_token" -> h[d];
                        case "max_tokens" -> max;
                        case "mean_tokens" -> sum / n;
                        case "mean_sqrt_len_tokens" -> sum / Math.sqrt(n);
                        case "weightedmean_tokens" -> weighted / (n * (n + 1) / 2.0);
                        default -> h[(n - 1) * v.length + d];
                    };
        }
        return v;
    }

    @Test
    void severalPoolingsStandSideBySide() {
        Path model = sentenceFolder("{\"pooling_mode\":[\"mean\",\"cls\"]}", true, "{}");
        try (TextEmbedder embedder = TextEmbedder.load(model)) {
            assertEquals(128, embedder.dimension());
            float[] v = embedder.embed("the king");
            assertEquals(128, v.length);
            assertEquals(1, Math.sqrt(TextEmbedderTest.dot(v, v)), 1e-5);
        }
    }

    private static double dot(float[] a, float[] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }

    @Test
    void batchesChangeNothingButTheSpeed() {
        Random random = new Random(3);
        String[] words = "the king and thou shall not be my lord with a good heart".split(" ");
        List<String> texts = new ArrayList<>();
        for (int i = 0; i < 37; i++) {
            StringBuilder s = new StringBuilder();
            for (int n = random.nextInt(20); n >= 0; n--) {
                s.append(words[random.nextInt(words.length)]).append(' ');
            }
            texts.add(s.toString());
        }
        try (TextEmbedder embedder = TextEmbedder.load(sentenceFolder(old("mean_tokens"), true, "{}"))) {
            assertTrue(embedder.isNormalized());
            List<Integer> done = new ArrayList<>();
            float[][] eights = embedder.embed(texts, "", 8, done::add);
            assertEquals(List.of(8, 16, 24, 32, 37), done);
            for (int i = 0; i < texts.size(); i++) {
                assertArrayEquals(embedder.embed(texts.get(i)), eights[i], 1e-5f);
            }
            assertEquals(0, embedder.embed(List.of()).length);
            assertThrows(IllegalArgumentException.class, () -> embedder.embed(texts, "", 0, n -> {}));
        }
    }

    @Test
    void longTextsAreCutAndPromptsPutBefore() throws IOException {
        Path model = sentenceFolder(old("mean_tokens"), false, "{\"max_seq_length\":6,\"do_lower_case\":true}");
        Files.writeString(
                model.resolve("config_sentence_transformers.json"),
                "{\"prompts\":{\"query\":\"my \",\"none\":\"\"},\"default_prompt_name\":\"query\"}");
        try (TextEmbedder embedder = TextEmbedder.load(model)) {
            assertEquals(6, embedder.maxTokens());
            assertEquals("my ", embedder.prompts().get("query"));
            float[] cut = embedder.embed(List.of("my lord and the king is not here"), "", 1, n -> {})[0];
            assertArrayEquals(embedder.embed(List.of("my lord and the"), "", 1, n -> {})[0], cut);
            assertArrayEquals(cut, embedder.embed("lord and the king is not here"));
        }
    }

    @Test
    void aBareEncoderIsAveraged() {
        Golden.Case c = Golden.load("bert").get("sentence_mean");
        try (TextEmbedder embedder = TextEmbedder.load(TestModels.folder("bert-tiny"))) {
            assertFalse(embedder.isNormalized());
            assertEquals(64, embedder.maxTokens());
            int[] ids = {2, 70, 172, 111, 159, 135, 3};
            double[] expected = Arrays.copyOf(c.expected("embeddings").data(), 64);
            double[] got = Scope.run(() ->
                    embedder.forward(List.of(new Encoding(ids, new int[7]))).toDoubles());
            Golden.assertClose("alone", expected, got, c.abs(), c.rel());
        }
    }

    @Test
    void gradientsReachTheEncoder() {
        try (TextEmbedder embedder = TextEmbedder.load(sentenceFolder(old("mean_tokens"), true, "{}"))) {
            embedder.encoder()
                    .parameters()
                    .values()
                    .forEach(p -> p.setTrainable(!p.name().contains("pooler")));
            List<Encoding> texts = List.of(embedder.encode("the king"), embedder.encode("my good lord and thou"));
            try (Gradients g = Tape.gradients(() -> {
                Tensor v = embedder.forward(texts);
                return v.select(0, 0).mul(v.select(0, 1)).sum();
            })) {
                Tensor weight = embedder.encoder()
                        .parameters()
                        .get("encoder.layer.0.output.dense.weight")
                        .value();
                double norm =
                        Arrays.stream(g.of(weight).toDoubles()).map(x -> x * x).sum();
                assertTrue(norm > 0);
            }
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "modules.json | {} | list of modules",
                "modules.json | [ | not valid JSON",
                "modules.json | [{\"path\":\"\",\"type\":\"x.Dense\"}] | x.Dense is not supported",
                "modules.json | [{\"path\":\"\",\"type\":\"x.Transformer\"}] | in this order",
                "modules.json | [{\"path\":\"../..\",\"type\":\"x.Transformer\"}] | a folder in the model's",
                "1_Pooling/config.json | {} | no way of pooling",
                "1_Pooling/config.json | {\"pooling_mode\":\"best\"} | a known one",
                "sentence_bert_config.json | {\"max_seq_length\":0} | max_seq_length",
                "config_sentence_transformers.json | {\"default_prompt_name\":\"q\"} | default_prompt_name"
            })
    void brokenFolders(String file, String contents, String message) throws IOException {
        Path model = sentenceFolder(old("mean_tokens"), true, "{}");
        Files.writeString(model.resolve(file), contents);
        TensorException e = assertThrows(TensorException.class, () -> TextEmbedder.load(model));
        assertTrue(e.getMessage().contains(message), e.getMessage());
    }

    @ParameterizedTest
    @ValueSource(strings = {"minilm", "minilm_q"})
    void theRealModel(String group) {
        String path = System.getProperty("quern." + group, "");
        assumeTrue(!path.isEmpty(), "-Dquern." + group + " names no folder");
        Golden golden = Golden.load(group);
        Golden.Case c = golden.get("embeddings");
        List<String> sentences = new ArrayList<>();
        c.input().get("sentences").forEach(s -> sentences.add(s.textValue()));
        double[] expected = c.expected("embeddings").data();
        for (DType dtype : Arrays.asList(null, DType.Q8_0)) {
            try (TextEmbedder embedder = TextEmbedder.load(Path.of(path), dtype)) {
                assertEquals(256, embedder.maxTokens());
                float[][] got = embedder.embed(sentences);
                for (int i = 0; i < got.length; i++) {
                    float[] wanted = new float[384];
                    for (int d = 0; d < 384; d++) {
                        wanted[d] = (float) expected[i * 384 + d];
                    }
                    if (dtype == null) {
                        JsonNode ids = c.input().get("input_ids").get(i);
                        for (int j = 0; j < ids.size(); j++) {
                            assertEquals(
                                    ids.get(j).asInt(),
                                    embedder.encode(sentences.get(i)).ids()[j]);
                        }
                        assertArrayEquals(wanted, got[i], 1e-4f, sentences.get(i));
                    }
                    double cosine = TextEmbedder.cosine(wanted, got[i]);
                    assertTrue(cosine > (dtype == null ? 1 - 1e-6 : 0.999), sentences.get(i) + ": " + cosine);
                }
            }
        }
    }
}
