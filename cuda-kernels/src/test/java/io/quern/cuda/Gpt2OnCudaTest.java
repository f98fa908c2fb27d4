package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.golden.Golden;
import io.quern.train.optim.Adagrad;
import io.quern.train.optim.Adam;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.GradientClip;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import io.quern.train.optim.Sgd;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.TokenBatch;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.GenerationResult;
import io.quern.transformer.generate.Generator;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.text.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** GPT-2 on the emulated device or a card against transformers and PyTorch: logits, layers, beam search, training steps. */
@Tag("gpu")
@Tag("models")
class Gpt2OnCudaTest {
    private static final Device CUDA = new Device("cuda", 0);
    private static final int STEPS = 3;

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    private static ModelDir tiny() throws Exception {
        return ModelDir.open(Path.of(Gpt2OnCudaTest.class
                        .getResource("/models/gpt2-tiny/config.json")
                        .toURI())
                .getParent());
    }

    private static CausalLanguageModel model(Purpose purpose) throws Exception {
        CausalLanguageModel model = tiny().load(purpose);
        model.moveTo(CUDA);
        return model;
    }

    private static int[] ints(JsonNode array) {
        return StreamSupport.stream(array.spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
    }

    private static Tensor row(JsonNode ids) {
        int[] x = ints(ids);
        return Tensor.of(x, 1, x.length).to(CUDA);
    }

    @Test
    void logitsAndLayersAreThoseOfTransformers() throws Exception {
        Golden.Case c = Golden.load("gpt2_forward").get("prompt_0");
        try (CausalLanguageModel model = model(Purpose.INFERENCE)) {
            Scope.run(() -> {
                c.assertClose(
                        "logits",
                        model.logits(row(c.input().get("input_ids")))
                                .select(0, 0)
                                .to(Device.CPU));
                List<Tensor> states =
                        model.hiddenStates(TokenBatch.of(row(c.input().get("input_ids"))));
                for (int i = 0; i < states.size(); i++) {
                    c.assertClose(
                            "hidden_states_" + i, states.get(i).select(0, 0).to(Device.CPU));
                }
                return null;
            });
        }
        assertEquals(0, CUDA.backend().memory().buffers(), "buffers left on the device");
    }

    @Test
    void beamSearchFindsTheSequencesOfTransformers() throws Exception {
        int searched = 0;
        try (CausalLanguageModel model = model(Purpose.INFERENCE)) {
            Tokenizer tokenizer = tiny().tokenizer();
            for (Golden.Case c : Golden.load("gpt2_generate").cases()) {
                GenerationConfig config = GenerationConfig.read(new ConfigJson(c.id(), (ObjectNode) c.params()));
                if (searched == 3 || config.numBeams() == 1) {
                    continue;
                }
                searched++;
                GenerationResult result = new Generator(model, tokenizer)
                        .generate(GenerationRequest.of(ints(c.input().get("input_ids")), config));
                for (int i = 0; i < result.sequences().size(); i++) {
                    assertArrayEquals(
                            ints(c.expected().get("sequences").get(i)),
                            result.sequences().get(i).tokens(),
                            c.id() + ", sequence " + i);
                }
            }
        }
        assertEquals(3, searched);
    }

    /** The best scores are found on the device, and the random numbers are the same. */
    @Test
    void samplingGivesTheTokensOfTheCpu() throws Exception {
        GenerationConfig config = GenerationConfig.builder()
                .maxNewTokens(12)
                .doSample(true)
                .topK(20)
                .topP(0.9)
                .temperature(0.8)
                .numReturnSequences(3)
                .seed(4)
                .build();
        GenerationRequest request = GenerationRequest.of(new int[] {5, 6, 7}, config);
        GenerationResult want;
        try (CausalLanguageModel model = tiny().load(Purpose.INFERENCE)) {
            want = new Generator(model, null).generate(request);
        }
        try (CausalLanguageModel model = model(Purpose.INFERENCE)) {
            GenerationResult got = new Generator(model, null).generate(request);
            for (int i = 0; i < 3; i++) {
                assertArrayEquals(
                        want.sequences().get(i).tokens(), got.sequences().get(i).tokens(), "sequence " + i);
            }
        }
    }

    /** With every optimizer of the goldens; one of them clips by the norm and has a schedule. */
    @Test
    void trainingStepsGiveTheLossesOfPyTorch() throws Exception {
        int optimizers = 0;
        for (Golden.Case c : Golden.load("gpt2_train").cases()) {
            if (c.params().has("type")) {
                optimizers++;
                trainAs(c);
            }
        }
        assertEquals(6, optimizers);
    }

    private static void trainAs(Golden.Case c) throws Exception {
        JsonNode p = c.params();
        double lr = p.get("lr").asDouble();
        JsonNode cosine = p.path("cosine_schedule");
        long warmup = cosine.path("num_warmup_steps").asLong();
        Schedule schedule = cosine.isMissingNode()
                ? Schedule.constant(lr)
                : Schedule.cosine(lr, 0, cosine.get("num_training_steps").asLong() - warmup)
                        .warmup(warmup);
        try (CausalLanguageModel model = model(Purpose.TRAINING);
                Optimizer optimizer = optimizer(model, p)) {
            for (int step = 0; step < STEPS; step++) {
                double wantedNorm = c.expected().get("grad_norms").get(step).asDouble();
                double wantedLoss = c.expected().get("losses").get(step).asDouble();
                double rate = schedule.at(step);
                String what = c.id() + ", step " + step;
                Scope.run(() -> {
                    Gradients g = Tape.gradients(() -> loss(model, c.input().get("input_ids")));
                    double norm = GradientClip.norm(g, model.parameters().values());
                    assertEquals(wantedNorm, norm, 1e-4 * wantedNorm, what);
                    double scale = p.has("clip_norm")
                            ? GradientClip.scale(norm, p.get("clip_norm").asDouble())
                            : 1;
                    optimizer.step(g, rate, scale);
                    assertEquals(wantedLoss, g.loss().item(), 1e-4 * wantedLoss, what);
                    return null;
                });
            }
        }
    }

    private static Optimizer optimizer(CausalLanguageModel model, JsonNode p) {
        double decay = p.path("weight_decay").asDouble(0);
        List<ParamGroup> groups = p.path("decay_matrices_only").asBoolean()
                ? ParamGroup.decayMatrices(model, decay)
                : ParamGroup.all(model, decay);
        double beta1 = p.path("betas").path(0).asDouble();
        double beta2 = p.path("betas").path(1).asDouble();
        double eps = p.path("eps").asDouble();
        return switch (p.get("type").asText()) {
            case "sgd" -> new Sgd(groups, p.path("momentum").asDouble(0), 0, false);
            case "adagrad" -> new Adagrad(groups, 0, 0, eps);
            case "adam" -> new Adam(groups, beta1, beta2, eps);
            default -> new AdamW(groups, beta1, beta2, eps);
        };
    }

    /** BF16 copies of F32 weights: the same losses as on the CPU, to a few roundings. */
    @Test
    void mixedPrecisionGivesTheLossesOfTheCpu() throws Exception {
        JsonNode rows = Golden.load("gpt2_train").get("gradients").input().get("input_ids");
        double[] want = mixedPrecision(Device.CPU, rows);
        double[] got = mixedPrecision(CUDA, rows);
        assertArrayEquals(want, got, 2e-3 * want[0]);
    }

    private static double[] mixedPrecision(Device device, JsonNode rows) throws Exception {
        double[] losses = new double[STEPS];
        try (CausalLanguageModel model = tiny().load(Purpose.TRAINING)) {
            model.moveTo(device);
            model.computeLossIn(DType.BF16);
            try (Optimizer optimizer = new AdamW(ParamGroup.all(model, 0.1), 0.9, 0.95, 1e-8)) {
                for (int step = 0; step < STEPS; step++) {
                    losses[step] = Scope.run(() -> {
                        Gradients g = Tape.gradients(() -> loss(model, rows));
                        optimizer.step(g, 1e-3, 1);
                        return g.loss().item();
                    });
                }
            }
        }
        return losses;
    }

    private static Tensor loss(CausalLanguageModel model, JsonNode rows) {
        int t = rows.get(0).size() - 1;
        int[] inputs = new int[rows.size() * t];
        int[] targets = new int[rows.size() * t];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = rows.get(i / t).get(i % t).asInt();
            targets[i] = rows.get(i / t).get(i % t + 1).asInt();
        }
        return model.loss(
                Tensor.of(inputs, rows.size(), t).to(model.device()),
                Tensor.of(targets, rows.size(), t).to(model.device()));
    }
}
