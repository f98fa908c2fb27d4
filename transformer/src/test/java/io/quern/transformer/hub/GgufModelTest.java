package io.quern.transformer.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.Gguf;
import io.quern.tensor.file.GgufWriter;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.TestModels;
import io.quern.transformer.model.Gpt2;
import io.quern.transformer.model.Gpt2Config;
import io.quern.transformer.text.Tokenizer;
import io.quern.transformer.text.TokenizerException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** GPT-2 in GGUF files: what is written loads as it was, and what is wrong is an error. */
class GgufModelTest {
    private static final int[] IDS = {3, 7, 1, 30, 12};

    @TempDir
    Path folder;

    private static float[] logits(CausalLanguageModel model) {
        return Scope.run(() -> model.logits(Tensor.of(IDS, 1, IDS.length)).toFloats());
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16", "F16", "Q8_0", "Q4_0"})
    void theSameModelComesBack(DType type) {
        Path file = folder.resolve("m.gguf");
        ModelDir tiny = ModelDir.open(TestModels.folder("gpt2-tiny"));
        try (CausalLanguageModel model = tiny.load(Purpose.INFERENCE, type)) {
            ModelDir.saveGguf(file, model, tiny.tokenizer());
            ModelDir dir = ModelDir.find(file.toString());
            long live = Device.CPU.backend().memory().live();
            try (CausalLanguageModel loaded = dir.load(Purpose.INFERENCE)) {
                for (Map.Entry<String, Param> p : loaded.parameters().entrySet()) {
                    Tensor want = model.parameters().get(p.getKey()).value();
                    assertEquals(want.dtype(), p.getValue().value().dtype(), p.getKey());
                    assertArrayEquals(want.toFloats(), p.getValue().value().toFloats(), p.getKey());
                }
                if (type != DType.F32) {
                    assertEquals(live, Device.CPU.backend().memory().live(), "used where the file is mapped");
                }
                assertArrayEquals(logits(model), logits(loaded), type == DType.F32 ? 1e-4f : 1e-3f);
                assertEquals(tiny.config().eosTokenIds(), loaded.config().eosTokenIds());
                assertEquals(tiny.config().contextLength(), loaded.contextLength());
            }
            try (CausalLanguageModel trained = dir.load(Purpose.TRAINING)) {
                Param p = trained.parameters().get("transformer.h.0.mlp.c_fc.weight");
                assertTrue(p.isTrainable() && p.value().isPacked() && p.value().dtype() == DType.F32);
                assertArrayEquals(
                        model.parameters().get(p.name()).value().toFloats(),
                        p.value().toFloats());
            }
        }
    }

    @Test
    void theTokenizerComesBack() {
        Path file = folder.resolve("m.gguf");
        ModelDir tiny = ModelDir.open(TestModels.folder("gpt2-tiny"));
        Tokenizer want = tiny.tokenizer();
        try (CausalLanguageModel model = tiny.load(Purpose.INFERENCE)) {
            ModelDir.saveGguf(file, model, want);
        }
        Tokenizer got = ModelDir.open(file).tokenizer();
        assertEquals(want.vocabSize(), got.vocabSize());
        assertEquals(want.specialTokens(), got.specialTokens());
        for (String text : List.of("", "Hello world, it's 2 o'clock  \n", "žluťoučký 🦓<|endoftext|> x")) {
            assertArrayEquals(want.encode(text), got.encode(text), text);
            assertEquals(text, got.decode(got.encode(text)));
        }
        for (int id = 0; id < want.vocabSize(); id++) {
            assertEquals(want.idToToken(id), got.idToToken(id));
            assertEquals(want.isSpecial(id), got.isSpecial(id));
        }
    }

    @Test
    void rowsBeyondTheTokenizerAreFilledUp() {
        Path file = folder.resolve("m.gguf");
        Tokenizer tokenizer = ModelDir.open(TestModels.folder("gpt2-tiny")).tokenizer();
        try (Gpt2 model = new Gpt2(Gpt2Config.of(520, 8, 32, 1, 4), Init.normal(1, 0.3))) {
            ModelDir.saveGguf(file, model, tokenizer);
        }
        ModelDir dir = ModelDir.open(file);
        assertEquals(520, dir.config().vocabSize());
        assertEquals(512, dir.tokenizer().vocabSize());
        try (Gguf g = Gguf.open(file)) {
            assertEquals("[PAD519]", g.values().strings("tokenizer.ggml.tokens").getLast());
        }
        try (Gpt2 small = TestModels.small(1)) {
            TokenizerException e =
                    assertThrows(TokenizerException.class, () -> ModelDir.saveGguf(file, small, tokenizer));
            assertTrue(e.getMessage().contains("512 tokens, but the model only 40"), e.getMessage());
        }
    }

    @Test
    void anUntiedOutputLayerIsItsOwnTensor() {
        Path file = folder.resolve("m.gguf");
        ObjectNode json = Gpt2Config.of(40, 24, 32, 2, 4).toJson();
        json.put("tie_word_embeddings", false);
        try (Gpt2 model = new Gpt2(Gpt2Config.read(new ConfigJson("test", json)), Init.normal(1, 0.3))) {
            ModelDir.saveGguf(file, model, null);
            try (CausalLanguageModel loaded = ModelDir.open(file).load(Purpose.INFERENCE)) {
                assertArrayEquals(logits(model), logits(loaded), 1e-4f);
            }
        }
        assertThrows(TokenizerException.class, () -> ModelDir.open(file).tokenizer());
    }

    private void refused(String part, Map<String, Object> metadata, Map<String, Tensor> tensors) {
        Path file = folder.resolve("bad.gguf");
        GgufWriter.write(file, metadata, tensors);
        TensorException e = assertThrows(
                TensorException.class,
                () -> ModelDir.open(file).load(Purpose.INFERENCE).close());
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    @Test
    void whatIsNoGpt2IsAnError() {
        Scope.run(() -> {
            Map<String, Object> m = new LinkedHashMap<>();
            Map<String, Tensor> t = new LinkedHashMap<>();
            refused("the architecture '' is not supported", m, t);
            m.put("general.architecture", "llama");
            refused("the architecture 'llama' is not supported", m, t);
            m.put("general.architecture", "gpt2");
            refused("has no matrix 'token_embd.weight'", m, t);
            t.put("token_embd.weight", Tensor.zeros(4, 8));
            t.put("position_embd.weight", Tensor.zeros(4, 8));
            refused("gpt2.embedding_length: expected an integer", m, t);
            m.put("gpt2.embedding_length", 8);
            m.put("gpt2.block_count", 1);
            m.put("gpt2.attention.head_count", 3);
            refused("is not a multiple of n_head 3", m, t);
            m.put("gpt2.attention.head_count", 2);
            t.put("surprise", Tensor.zeros(1));
            refused("missing transformer.h.0.ln_1.weight", m, t);
            return null;
        });
        assertThrows(TensorException.class, () -> ModelDir.find("no/such.gguf"));
        assertThrows(TensorException.class, () -> ModelDir.open(Files.createFile(folder.resolve("empty.gguf"))));
    }

    @Test
    void whatTheFormatCannotSayIsRefused() {
        ObjectNode json = Gpt2Config.of(40, 24, 32, 2, 4).toJson();
        json.put("scale_attn_by_inverse_layer_idx", true);
        Path file = folder.resolve("m.gguf");
        try (Gpt2 model = new Gpt2(Gpt2Config.read(new ConfigJson("test", json)), Init.normal(1, 0.3))) {
            assertThrows(TensorException.class, () -> ModelDir.saveGguf(file, model, null));
            assertTrue(Files.notExists(file));
        }
    }
}
