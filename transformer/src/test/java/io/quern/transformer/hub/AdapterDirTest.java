package io.quern.transformer.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.nn.TrainingMode;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.Safetensors;
import io.quern.tensor.golden.Golden;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.LoraConfig;
import io.quern.transformer.LoraLayers;
import io.quern.transformer.TestModels;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.model.BertForSequenceClassification;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** LoRA adapters against PEFT, which made the goldens. */
class AdapterDirTest extends LeakChecked {
    @TempDir
    Path folder;

    private static Path resource(String name) {
        return TestModels.folder("gpt2-tiny").resolveSibling(name);
    }

    private static CausalLanguageModel gpt2(Purpose purpose) {
        return ModelDir.open(TestModels.folder("gpt2-tiny")).load(purpose);
    }

    private static BertForSequenceClassification bert(Purpose purpose) {
        return EncoderDir.open(TestModels.folder("bert-tiny")).loadClassifier(purpose, null);
    }

    private static int[] ids(Golden.Case c) {
        return c.input("input_ids").ints();
    }

    private static double[] logits(CausalLanguageModel model, int[] ids) {
        return Scope.run(() ->
                Tape.noGrad(() -> model.logits(Tensor.of(ids, 1, ids.length)).toDoubles()));
    }

    private static Tensor loss(CausalLanguageModel model, int[] ids) {
        int n = ids.length - 1;
        return model.loss(Tensor.of(Arrays.copyOf(ids, n), 1, n), Tensor.of(Arrays.copyOfRange(ids, 1, n + 1), 1, n));
    }

    private static EncoderBatch batch() {
        return EncoderBatch.rightPadded(List.of(new int[] {2, 7, 4, 9, 4, 3}, new int[] {2, 4, 21, 3}), 0);
    }

    private static void checkGradients(Golden.Case c, Module model, Gradients g) {
        assertFalse(c.expected().get("grads").isEmpty());
        Map<String, Param> params = model.parameters();
        for (Map.Entry<String, JsonNode> e : c.expected().get("grads").properties()) {
            double[] expected =
                    Golden.load("lora").values(e.getValue(), e.getKey()).data();
            double[] got = g.of(params.get(e.getKey()).value()).toDoubles();
            Golden.assertClose(e.getKey(), expected, got, c.abs(), c.rel());
        }
    }

    private static void follow(Module model) {
        LoraLayers.parts(model).values().forEach(p -> p.setTrainable(true));
    }

    @Test
    void anAdapterOfPeftGivesItsLogitsLossAndGradients() {
        Golden.Case c = Golden.load("lora").get("gpt2");
        try (CausalLanguageModel model = gpt2(Purpose.INFERENCE)) {
            AdapterDir dir = AdapterDir.open(resource("gpt2-tiny-lora"));
            assertEquals("gpt2-tiny", dir.base().orElseThrow());
            dir.attach(model);
            assertEquals(8, LoraLayers.adapted(model).size());
            c.assertClose("logits", logits(model, ids(c)));
            follow(model);
            try (Gradients g = Tape.gradients(() -> loss(model, ids(c)))) {
                assertEquals(c.expected().get("loss").asDouble(), g.loss().item(), 1e-5);
                checkGradients(c, model, g);
            }
        }
    }

    @Test
    void aClassifierThatWasTrainedWholeIsPartOfTheAdapter() {
        Golden.Case c = Golden.load("lora").get("bert");
        try (BertForSequenceClassification model = bert(Purpose.INFERENCE)) {
            AdapterDir.open(resource("bert-tiny-lora")).attach(model);
            assertEquals(4, LoraLayers.adapted(model).size());
            c.assertClose(
                    "logits",
                    Scope.run(() -> Tape.noGrad(() -> model.logits(batch()).toDoubles())));
            follow(model);
            try (Gradients g = Tape.gradients(() -> model.loss(batch(), Tensor.of(new int[] {2, 0}, 2)))) {
                assertEquals(c.expected().get("loss").asDouble(), g.loss().item(), 1e-5);
                checkGradients(c, model, g);
            }
        }
    }

    @Test
    void aMergedModelIsAnOrdinaryOne() {
        Golden.Case c = Golden.load("lora").get("gpt2");
        Set<String> plain;
        try (CausalLanguageModel model = gpt2(Purpose.TRAINING)) {
            plain = model.parameters().keySet();
            AdapterDir.open(resource("gpt2-tiny-lora")).attach(model);
            GenerationConfig generation = GenerationConfig.of(model.config());
            TensorException e =
                    assertThrows(TensorException.class, () -> ModelDir.save(folder, model, generation, DType.F32));
            assertTrue(e.getMessage().contains("merge"), e.getMessage());
            LoraLayers.merge(model);
            ModelDir.save(folder, model, generation, DType.F32);
        }
        try (CausalLanguageModel model = ModelDir.open(folder).load(Purpose.INFERENCE)) {
            assertEquals(plain, model.parameters().keySet());
            c.assertClose("logits", logits(model, ids(c)));
        }
    }

    @Test
    void namesAndShapesInTheFileAreThoseOfPeft() {
        try (CausalLanguageModel model = gpt2(Purpose.TRAINING)) {
            LoraConfig config = AdapterDir.open(resource("gpt2-tiny-lora")).config();
            LoraLayers.attach(model, config, 1);
            AdapterDir.save(folder, model, config, "gpt2-tiny", "CAUSAL_LM");
        }
        try (Safetensors ours = Safetensors.open(folder.resolve(AdapterDir.WEIGHTS));
                Safetensors theirs = Safetensors.open(resource("gpt2-tiny-lora").resolve(AdapterDir.WEIGHTS))) {
            assertEquals(new TreeSet<>(theirs.names()), new TreeSet<>(ours.names()));
            assertTrue(ours.contains("base_model.model.transformer.h.0.attn.c_attn.lora_A.weight"));
            for (String name : ours.names()) {
                assertEquals(theirs.get(name).shape(), ours.get(name).shape(), name);
            }
        }
        assertEquals(
                AdapterDir.open(resource("gpt2-tiny-lora")).config(),
                AdapterDir.open(folder).config());
    }

    @Test
    void onlyAdaptersAreTrainedAndTheyAreReadBack() {
        int[] ids = ids(Golden.load("lora").get("gpt2"));
        double[] trained;
        try (CausalLanguageModel model = gpt2(Purpose.TRAINING)) {
            double[] before = logits(model, ids);
            double[] frozen =
                    model.parameters().get("transformer.wte.weight").value().toDoubles();
            LoraConfig config = LoraConfig.of(4, 8, 0.1, List.of("c_attn"));
            LoraLayers.attach(model, config, 7);
            assertArrayEquals(before, logits(model, ids), "a new adapter changes nothing");
            double first = 0;
            double last = 0;
            try (AdamW adamW = new AdamW(ParamGroup.all(model, 0), 0.9, 0.999, 1e-8)) {
                assertEquals(4, adamW.params().size());
                assertEquals(8, adamW.state().size());
                for (int i = 0; i < 30; i++) {
                    long step = i;
                    last = Scope.run(() -> {
                        Gradients g = Tape.gradients(() -> TrainingMode.with(1, step, () -> loss(model, ids)));
                        adamW.step(g, 1e-2, 1);
                        return g.loss().item();
                    });
                    first = i == 0 ? last : first;
                }
            }
            assertTrue(last < 0.7 * first, first + " to " + last);
            assertArrayEquals(
                    frozen,
                    model.parameters().get("transformer.wte.weight").value().toDoubles());
            trained = logits(model, ids);
            AdapterDir.save(folder, model, config, null, "CAUSAL_LM");
        }
        try (CausalLanguageModel model = gpt2(Purpose.INFERENCE)) {
            AdapterDir.open(folder).attach(model);
            assertArrayEquals(trained, logits(model, ids), 1e-5);
        }
    }

    @Test
    void biasesAreTrainedIfAsked() {
        for (LoraConfig.Bias bias : LoraConfig.Bias.values()) {
            try (CausalLanguageModel model = gpt2(Purpose.TRAINING)) {
                LoraLayers.attach(
                        model, LoraConfig.of(2, 2, 0, List.of("attn.c_proj")).withBias(bias), 1);
                long biases = LoraLayers.parts(model).keySet().stream()
                        .filter(p -> p.endsWith(".bias"))
                        .count();
                assertEquals(
                        switch (bias) {
                            case NONE -> 0;
                            case LORA_ONLY -> 2;
                            case ALL -> 2 * 6 + 1;
                        },
                        biases,
                        bias.name());
            }
        }
    }

    @Test
    void allLinearIsEveryLayerButTheOutput() {
        try (CausalLanguageModel model = gpt2(Purpose.INFERENCE);
                BertForSequenceClassification bert = bert(Purpose.INFERENCE)) {
            assertEquals(List.of("c_attn", "c_proj", "c_fc"), LoraLayers.names(model, List.of("all-linear")));
            assertEquals(List.of("query", "key", "value", "dense"), LoraLayers.names(bert, List.of("all-linear")));
            TensorException e = assertThrows(
                    TensorException.class,
                    () -> LoraLayers.attach(model, LoraConfig.of(2, 2, 0, List.of("c_attn", "attn")), 1));
            assertTrue(e.getMessage().contains("'attn'") && e.getMessage().contains("c_fc"), e.getMessage());
            assertTrue(LoraLayers.adapted(model).isEmpty());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "peft_type      | \"IA3\"         | LORA",
                "use_dora       | true            | use_dora: expected false",
                "r              | 0               | r: expected an integer",
                "r              | 3               | lora_A.weight is [4, 64], expected [3, 64]",
                "lora_alpha     | -1              | lora_alpha",
                "lora_dropout   | 1.5             | lora_dropout",
                "bias           | \"some\"        | none, all or lora_only",
                "target_modules | []              | target_modules: expected names",
                "target_modules | \"(\"           | target_modules",
                "target_modules | [\"ln_1\", \"c_attn\"] | ok",
                "init_lora_weights | \"pissa_niter_4\" | init_lora_weights",
                "rank_pattern   | {\"c_fc\": 0.5} | rank_pattern"
            })
    void configurationsThatAreWrongOrNotSupportedAreErrors(String key, String value, String message)
            throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        Path from = resource("gpt2-tiny-lora");
        ObjectNode json =
                (ObjectNode) mapper.readTree(from.resolve(AdapterDir.CONFIG).toFile());
        json.set(key, mapper.readTree(value));
        Files.write(folder.resolve(AdapterDir.CONFIG), mapper.writeValueAsBytes(json));
        Files.copy(from.resolve(AdapterDir.WEIGHTS), folder.resolve(AdapterDir.WEIGHTS));
        try (CausalLanguageModel model = gpt2(Purpose.INFERENCE)) {
            if (message.equals("ok")) { // what is in the file counts
                AdapterDir.open(folder).attach(model);
                return;
            }
            TensorException e = assertThrows(
                    TensorException.class, () -> AdapterDir.open(folder).attach(model));
            assertTrue(e.getMessage().contains(message), e.getMessage());
            assertTrue(LoraLayers.adapted(model).isEmpty());
        }
    }

    @Test
    void anAdapterOfAnotherModelAndADamagedFileAreRefused() throws IOException {
        try (CausalLanguageModel model = gpt2(Purpose.INFERENCE);
                BertForSequenceClassification bert = bert(Purpose.INFERENCE)) {
            TensorException other = assertThrows(
                    TensorException.class,
                    () -> AdapterDir.open(resource("bert-tiny-lora")).attach(model));
            assertTrue(other.getMessage().contains("there is no linear layer for"), other.getMessage());
            TensorException none = assertThrows(
                    TensorException.class,
                    () -> AdapterDir.open(resource("gpt2-tiny")).attach(bert));
            assertTrue(none.getMessage().contains("adapter_config.json"), none.getMessage());
            assertThrows(TensorException.class, () -> ModelDir.open(resource("gpt2-tiny-lora")));

            Path from = resource("gpt2-tiny-lora");
            Files.copy(from.resolve(AdapterDir.CONFIG), folder.resolve(AdapterDir.CONFIG));
            TensorException missing = assertThrows(
                    TensorException.class, () -> AdapterDir.open(folder).attach(model));
            assertTrue(missing.getMessage().contains(AdapterDir.WEIGHTS), missing.getMessage());
            byte[] whole = Files.readAllBytes(from.resolve(AdapterDir.WEIGHTS));
            Files.write(folder.resolve(AdapterDir.WEIGHTS), Arrays.copyOf(whole, whole.length / 2));
            assertThrows(TensorException.class, () -> AdapterDir.open(folder).attach(model));
            assertTrue(LoraLayers.adapted(model).isEmpty());
        }
    }
}
