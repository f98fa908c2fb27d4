package io.quern.transformer.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.Safetensors;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.model.Gpt2;
import io.quern.transformer.model.Gpt2Config;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ModelDirTest extends LeakChecked {
    @TempDir
    Path folder;

    private static final GenerationConfig GENERATION = GenerationConfig.builder()
            .eosTokenIds(List.of(3))
            .bosTokenId(1)
            .doSample(true)
            .temperature(0.8)
            .build();

    /** Logits for a fixed input. */
    private static float[] logits(CausalLanguageModel model) {
        return Scope.run(() ->
                model.logits(Tensor.of(new int[] {1, 5, 2, 7, 7}, 1, 5)).toFloats());
    }

    private void save(CausalLanguageModel model, DType stored) {
        ModelDir.save(folder, model, GENERATION, stored);
    }

    @ParameterizedTest
    @EnumSource(Purpose.class)
    void whatIsSavedLoadsWithTheSameLogits(Purpose purpose) {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
            ModelDir dir = ModelDir.open(folder);
            assertEquals(model.config(), dir.config());
            assertEquals(GENERATION, dir.generationConfig());
            try (CausalLanguageModel loaded = dir.load(purpose)) {
                assertArrayEquals(logits(model), logits(loaded));
                assertEquals(model.parameters().keySet(), loaded.parameters().keySet());
            }
        }
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"BF16", "F16"})
    void narrowFilesHoldRoundedWeights(DType stored) throws IOException {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
            long wide = Files.size(folder.resolve("model.safetensors"));
            save(model, stored);
            assertTrue(Files.size(folder.resolve("model.safetensors")) < 0.6 * wide);
            try (CausalLanguageModel loaded = ModelDir.open(folder).load(Purpose.INFERENCE)) {
                for (Map.Entry<String, Param> p : loaded.parameters().entrySet()) {
                    boolean matrix = p.getKey().matches(".*(c_\\w+|wte)\\.weight");
                    assertEquals(
                            matrix ? stored : DType.F32, p.getValue().value().dtype(), p.getKey());
                    float[] rounded = Scope.run(() -> model.parameters()
                            .get(p.getKey())
                            .value()
                            .detach()
                            .cast(stored)
                            .toFloats());
                    assertArrayEquals(rounded, p.getValue().value().toFloats(), p.getKey());
                }
            }
        }
        String dtype = stored == DType.BF16 ? "bfloat16" : "float16";
        assertEquals(dtype, ConfigJson.read(folder.resolve("config.json")).string("dtype", ""));
    }

    @Test
    void matricesAreHeldInTheDtypeAskedFor() {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
            Map<DType, Double> errors = new java.util.EnumMap<>(DType.class);
            for (DType type : List.of(DType.F32, DType.BF16, DType.F16, DType.Q8_0, DType.Q4_0)) {
                try (CausalLanguageModel loaded = ModelDir.open(folder).load(Purpose.INFERENCE, type)) {
                    Map<String, Param> held = loaded.parameters();
                    assertEquals(
                            type,
                            held.get("transformer.h.0.attn.c_attn.weight")
                                    .value()
                                    .dtype());
                    assertEquals(
                            type,
                            held.get("transformer.h.1.mlp.c_proj.weight")
                                    .value()
                                    .dtype());
                    assertEquals(
                            type == DType.Q4_0 ? DType.Q8_0 : type, // 32 wide, too little for a block of Q6_K
                            held.get("transformer.wte.weight").value().dtype());
                    for (String wide : List.of("wpe.weight", "ln_f.weight", "h.0.attn.c_attn.bias")) {
                        assertEquals(
                                DType.F32,
                                held.get("transformer." + wide).value().dtype());
                    }
                    assertEquals(model.parameterCount(), loaded.parameterCount());
                    errors.put(type, distance(logits(model), logits(loaded)));
                }
            }
            assertEquals(0, errors.get(DType.F32));
            assertTrue(errors.get(DType.F16) < errors.get(DType.BF16), errors.toString());
            assertTrue(errors.get(DType.BF16) < 0.02 && errors.get(DType.Q8_0) < 0.03, errors.toString());
            assertTrue(errors.get(DType.Q8_0) < errors.get(DType.Q4_0), errors.toString());
            assertTrue(errors.get(DType.Q4_0) < 0.4, errors.toString());
        }
        ModelDir dir = ModelDir.open(folder);
        assertThrows(IllegalArgumentException.class, () -> dir.load(Purpose.TRAINING, DType.Q8_0));
        assertThrows(IllegalArgumentException.class, () -> dir.load(Purpose.INFERENCE, DType.I32));
    }

    /** Root mean square difference, as a part of the size. */
    private static double distance(float[] want, float[] got) {
        double error = 0;
        double size = 0;
        for (int i = 0; i < want.length; i++) {
            error += Math.pow(want[i] - got[i], 2);
            size += Math.pow(want[i], 2);
        }
        return Math.sqrt(error / size);
    }

    @Test
    void anUntiedModelHasItsOwnOutputLayer() {
        ObjectNode json = Gpt2Config.of(40, 24, 32, 2, 4).toJson();
        json.put("tie_word_embeddings", false);
        json.put("scale_attn_by_inverse_layer_idx", true);
        Gpt2Config config = Gpt2Config.read(new ConfigJson("test", json));
        try (Gpt2 model = new Gpt2(config, Init.normal(1, 0.3))) {
            assertTrue(model.parameters().containsKey("lm_head.weight"));
            save(model, DType.F32);
            try (CausalLanguageModel loaded = ModelDir.open(folder).load(Purpose.INFERENCE)) {
                assertEquals(config, loaded.config());
                assertArrayEquals(logits(model), logits(loaded));
            }
        }
    }

    @Test
    void forInferenceFloat32WeightsStayInTheFile() {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
        }
        long live = Device.CPU.backend().memory().live();
        try (CausalLanguageModel loaded = ModelDir.open(folder).load(Purpose.INFERENCE)) {
            assertEquals(live, Device.CPU.backend().memory().live(), "no memory but the mapped file");
            assertTrue(loaded.parameters().values().stream().noneMatch(Param::isTrainable));
        }
    }

    @Test
    void writingToAMappedWeightIsAnErrorAndNoCrash() {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
        }
        try (CausalLanguageModel loaded = ModelDir.open(folder).load(Purpose.INFERENCE)) {
            Param p = loaded.parameters().get("transformer.ln_f.weight");
            assertMessage(() -> p.value().fill(0), "'transformer.ln_f.weight' lies in memory that is read-only");
            p.setTrainable(true);
            try (Optimizer optimizer = new AdamW(ParamGroup.all(loaded, 0), 0.9, 0.95, 1e-8);
                    Gradients g = Tape.gradients(() ->
                            loaded.loss(Tensor.of(new int[] {1, 2}, 1, 2), Tensor.of(new int[] {2, 3}, 1, 2)))) {
                assertMessage(() -> optimizer.step(g, 0.1, 1), "load the model for training");
            }
        }
    }

    @Test
    void forTrainingWeightsAreOwnedAndTheFileStaysAsItIs() throws IOException {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
        }
        byte[] before = Files.readAllBytes(folder.resolve("model.safetensors"));
        try (CausalLanguageModel loaded = ModelDir.open(folder).load(Purpose.TRAINING)) {
            assertTrue(loaded.parameters().values().stream().allMatch(Param::isTrainable));
            loaded.parameters().values().forEach(p -> p.value().fill(0));
        }
        assertArrayEquals(before, Files.readAllBytes(folder.resolve("model.safetensors")));
    }

    @Test
    void aModelFromResourcesIsTheSame() {
        ModelDir dir = ModelDir.open("resource", f -> getClass().getResourceAsStream("/models/gpt2-tiny/" + f));
        try (CausalLanguageModel a = dir.load(Purpose.INFERENCE);
                CausalLanguageModel b = TestModels.gpt2Tiny()) {
            assertArrayEquals(logits(b), logits(a));
        }
        assertEquals(List.of(0), dir.generationConfig().eosTokenIds());
        assertEquals(512, dir.tokenizer().vocabSize());
        assertMessage(() -> ModelDir.open("nowhere", f -> null), "nowhere has no config.json");
    }

    @Test
    void namesWithoutPrefixMasksAndAStoredCopyOfTheOutputLayerAreAccepted() {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
            rewrite(tensors -> {
                Map<String, Tensor> bare = new LinkedHashMap<>();
                tensors.forEach((n, t) -> bare.put(n.substring("transformer.".length()), t));
                tensors.clear();
                tensors.putAll(bare);
                tensors.put("h.0.attn.bias", Tensor.ones(1, 1, 24, 24));
                tensors.put("h.1.attn.masked_bias", Tensor.scalar(-1e4f));
                tensors.put("lm_head.weight", tensors.get("wte.weight").copy());
            });
            try (CausalLanguageModel loaded = ModelDir.open(folder).load(Purpose.INFERENCE)) {
                assertArrayEquals(logits(model), logits(loaded));
            }
        }
    }

    @Test
    void anOutputLayerThatDiffersFromTheEmbeddingItIsTiedToIsAnError() {
        saveAndRewrite(
                t -> t.put("lm_head.weight", t.get("transformer.wte.weight").shift(1)));
        assertLoadFails("lm_head.weight differs from transformer.wte.weight");
    }

    @Test
    void oneErrorNamesAllTensorsThatDoNotFit() {
        saveAndRewrite(t -> {
            t.remove("transformer.h.1.ln_1.weight");
            t.put("transformer.h.2.ln_1.weight", Tensor.ones(32));
            t.put("transformer.wte.weight", Tensor.ones(40, 16));
            t.put("transformer.ln_f.bias", Tensor.of(new int[32], 32));
        });
        assertLoadFails(
                "in 4 tensors",
                "missing transformer.h.1.ln_1.weight [32]",
                "unexpected transformer.h.2.ln_1.weight [32]",
                "transformer.wte.weight is [40, 16], expected [40, 32]",
                "transformer.ln_f.bias is stored as I32, expected F32");
    }

    @Test
    void aLongListOfErrorsIsCut() {
        saveAndRewrite(Map::clear);
        assertLoadFails("in 28 tensors", "missing transformer.wte.weight [40, 32]", "and 18 more");
    }

    @Test
    void aConfigurationLargerThanTheFileFailsBeforeMemoryIsTaken() throws IOException {
        saveAndRewrite(t -> {});
        edit(json -> json.put("vocab_size", 1 << 26).put("n_positions", 1 << 26).put("n_layer", 4096));
        long peak = Device.CPU.backend().memory().peak();
        assertLoadFails("does not fit its config.json");
        assertTrue(Device.CPU.backend().memory().peak() - peak < 1 << 24);
    }

    @Test
    void cutOffWeightsAreAnError() throws IOException {
        saveAndRewrite(t -> {});
        Path file = folder.resolve("model.safetensors");
        byte[] all = Files.readAllBytes(file);
        Files.write(file, java.util.Arrays.copyOf(all, all.length - 100));
        assertLoadFails("model.safetensors");
    }

    @Test
    void brokenConfigurationsAreNamed() throws IOException {
        saveAndRewrite(t -> {});
        Path json = folder.resolve("config.json");
        String good = Files.readString(json);
        Files.writeString(json, good.substring(0, good.length() / 2));
        assertOpenFails("config.json is not valid JSON at line");
        Files.writeString(json, "[1]");
        assertOpenFails("config.json: expected a JSON object, found a list of 1");
        Files.writeString(json, good.replace("\"n_layer\" : 2", "\"n_layer\" : \"two\""));
        assertOpenFails("n_layer: expected an integer from 1 to 4096, found the string 'two'");
        Files.writeString(json, good.replace("\"n_head\" : 4", "\"n_head\" : 5"));
        assertOpenFails("n_head: expected a divisor of n_embd 32, found 5");
        Files.writeString(json, good.replace("gelu_new", "mish"));
        assertOpenFails("activation_function: expected one of gelu_new, ", "found the string 'mish'");
        Files.writeString(json, good.replace("GPT2LMHeadModel", "MambaForCausalLM"));
        assertOpenFails(
                "config.json: the architecture MambaForCausalLM is not supported; supported are GPT2LMHeadModel");
        Files.writeString(json, "{\"model_type\": \"t5\"}");
        assertOpenFails("model_type 't5'", "supported are GPT2LMHeadModel");
        Files.delete(json);
        assertOpenFails("has no config.json");
        assertMessage(() -> ModelDir.open(folder.resolve("none")), "none: no such folder");
    }

    @Test
    void aFolderWithoutWeightsOrDefaults() throws IOException {
        saveAndRewrite(t -> {});
        edit(json -> json.put("eos_token_id", 7));
        Files.delete(folder.resolve("model.safetensors"));
        Files.delete(folder.resolve("generation_config.json"));
        assertEquals(List.of(7), ModelDir.open(folder).generationConfig().eosTokenIds());
        assertLoadFails("has no weights", "model.safetensors");
    }

    @Test
    void aBrokenGenerationConfigurationIsNamed() throws IOException {
        saveAndRewrite(t -> {});
        Path json = folder.resolve("generation_config.json");
        Files.writeString(json, "{\"temperature\": -1}");
        assertMessage(
                () -> ModelDir.open(folder).generationConfig(), "generation_config.json: temperature must be positive");
        Files.writeString(json, "{\"eos_token_id\": [1, \"x\"]}");
        assertMessage(() -> ModelDir.open(folder).generationConfig(), "eos_token_id: expected a token id or a list");
    }

    @Test
    void publicConfigurationsOfGpt2AreRead() {
        // The file of the 124M checkpoint, with n_ctx and without n_inner and the ids of the tokens.
        String json = """
            {"activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "attn_pdrop": 0.1,
             "embd_pdrop": 0.1, "initializer_range": 0.02, "layer_norm_epsilon": 1e-05, "model_type": "gpt2",
             "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "resid_pdrop": 0.1,
             "vocab_size": 50257, "task_specific_params": {"text-generation": {"do_sample": true}}}\
            """;
        Gpt2Config c = Gpt2Config.read(ConfigJson.parse("config.json", json.getBytes()));
        assertEquals(3072, c.nInner());
        assertEquals(64, c.headSize());
        assertEquals(List.of(50256), c.eosTokenIds());
        assertEquals(50256, c.bosTokenId().getAsInt());
        assertTrue(c.tieWordEmbeddings());
        assertEquals(0.1, c.attnPdrop());
    }

    @Test
    void savingLeavesNothingButTheFilesAndFailsCleanly() throws IOException {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
            save(model, DType.BF16);
            try (Stream<Path> files = Files.list(folder)) {
                assertEquals(
                        List.of("config.json", "generation_config.json", "model.safetensors"),
                        files.map(f -> f.getFileName().toString()).sorted().toList());
            }
            Path blocked = Files.writeString(folder.resolve("file"), "x").resolve("model");
            assertMessage(() -> ModelDir.save(blocked, model, GENERATION, DType.F32), blocked.toString());
            assertThrows(IllegalArgumentException.class, () -> ModelDir.save(folder, model, GENERATION, DType.I32));
        }
        try (Safetensors file = Safetensors.open(folder.resolve("model.safetensors"))) {
            assertEquals(Map.of("format", "pt"), file.metadata());
            assertFalse(file.names().contains("lm_head.weight"));
        }
    }

    private void saveAndRewrite(Consumer<Map<String, Tensor>> change) {
        try (Gpt2 model = TestModels.small(1)) {
            save(model, DType.F32);
        }
        rewrite(change);
    }

    /** Replaces the tensors of the saved file. */
    private void rewrite(Consumer<Map<String, Tensor>> change) {
        Path file = folder.resolve("model.safetensors");
        Scope.run(() -> {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            try (Safetensors old = Safetensors.open(file)) {
                for (String n : old.names()) {
                    Shape shape = old.get(n).shape();
                    tensors.put(
                            n,
                            Tensor.from(Device.CPU, DType.F32, shape, old.get(n).data()));
                }
            }
            change.accept(tensors);
            SafetensorsWriter.write(file, tensors, Map.of());
            return null;
        });
    }

    private void edit(Consumer<ObjectNode> change) throws IOException {
        Path file = folder.resolve("config.json");
        ObjectNode json = ConfigJson.read(file).node();
        change.accept(json);
        Files.write(file, ConfigJson.bytes(json));
    }

    private void assertLoadFails(String... parts) {
        assertMessage(() -> ModelDir.open(folder).load(Purpose.INFERENCE).close(), parts);
    }

    private void assertOpenFails(String... parts) {
        assertMessage(() -> ModelDir.open(folder), parts);
    }

    private static void assertMessage(org.junit.jupiter.api.function.Executable code, String... parts) {
        String message = assertThrows(TensorException.class, code).getMessage();
        for (String p : parts) {
            assertTrue(message.contains(p), message);
        }
    }
}
