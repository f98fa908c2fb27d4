package io.quern.transformer.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.Param;
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
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Gradients and training steps of GPT-2 against PyTorch. */
class GoldenTrainTest extends LeakChecked {
    private static final double GRAD_NORM = 1e-4;

    static List<Golden.Case> runs() {
        List<Golden.Case> all = Golden.load("gpt2_train").cases().stream()
                .filter(c -> c.params().has("type"))
                .toList();
        assertEquals(6, all.size());
        return all;
    }

    private static CausalLanguageModel model() {
        return ModelDir.open(TestModels.folder("gpt2-tiny")).load(Purpose.TRAINING);
    }

    /** All tokens but the last predict all but the first. */
    private static Tensor loss(CausalLanguageModel model, JsonNode rows) {
        int t = rows.get(0).size() - 1;
        int[] inputs = new int[rows.size() * t];
        int[] targets = new int[rows.size() * t];
        for (int i = 0; i < inputs.length; i++) {
            inputs[i] = rows.get(i / t).get(i % t).asInt();
            targets[i] = rows.get(i / t).get(i % t + 1).asInt();
        }
        return model.loss(Tensor.of(inputs, rows.size(), t), Tensor.of(targets, rows.size(), t));
    }

    @Test
    void gradientsAreThoseOfPyTorch() {
        Golden.Case c = Golden.load("gpt2_train").get("gradients");
        JsonNode rows = c.input().get("input_ids");
        try (CausalLanguageModel model = model();
                Gradients g = Tape.gradients(() -> loss(model, rows))) {
            assertEquals(
                    c.expected().get("loss").asDouble(),
                    g.loss().item(),
                    c.tolerance().get("loss").asDouble());
            Map<String, Param> params = model.parameters();
            Golden golden = Golden.load("gpt2_train");
            int compared = 0;
            for (Map.Entry<String, JsonNode> e : c.expected().get("grads").properties()) {
                double[] expected = golden.values(e.getValue(), e.getKey()).data();
                double[] got = g.of(params.get(e.getKey()).value()).toDoubles();
                Golden.assertClose(e.getKey(), expected, got, c.abs(), c.rel());
                compared++;
            }
            assertEquals(params.size(), compared);
            double norm = c.expected().get("grad_norm").asDouble();
            assertEquals(norm, GradientClip.norm(g, params.values()), GRAD_NORM * norm);
        }
    }

    @ParameterizedTest
    @MethodSource("runs")
    void twentyStepsGiveTheLossesAndWeightsOfPyTorch(Golden.Case c) {
        JsonNode p = c.params();
        try (CausalLanguageModel model = model();
                Optimizer optimizer = optimizer(model, p)) {
            Schedule schedule = schedule(p);
            JsonNode expected = c.expected();
            int steps = p.get("steps").asInt();
            double[] losses = new double[steps + 1];
            for (int i = 0; i < steps; i++) {
                int step = i;
                losses[i] = Scope.run(() -> {
                    Gradients g = Tape.gradients(() -> loss(model, c.input().get("input_ids")));
                    double norm = GradientClip.norm(g, model.parameters().values());
                    double wanted = expected.get("grad_norms").get(step).asDouble();
                    assertEquals(wanted, norm, GRAD_NORM * wanted, "gradient norm " + step);
                    double lr = schedule.at(step);
                    assertEquals(expected.get("lr_of_step").get(step).asDouble(), lr, 1e-11, "rate " + step);
                    double scale = p.has("clip_norm")
                            ? GradientClip.scale(norm, p.get("clip_norm").asDouble())
                            : 1;
                    optimizer.step(g, lr, scale);
                    return g.loss().item();
                });
            }
            losses[steps] =
                    Scope.run(() -> loss(model, c.input().get("input_ids")).item());
            c.assertClose("losses", losses);
            assertFinalWeights(c, model);
        }
    }

    private static Optimizer optimizer(CausalLanguageModel model, JsonNode p) {
        double decay = p.path("weight_decay").asDouble(0);
        List<ParamGroup> groups = p.path("decay_matrices_only").asBoolean()
                ? ParamGroup.decayMatrices(model, decay)
                : ParamGroup.all(model, decay);
        double eps = p.path("eps").asDouble();
        double beta1 = p.path("betas").path(0).asDouble();
        double beta2 = p.path("betas").path(1).asDouble();
        return switch (p.get("type").asText()) {
            case "sgd" -> new Sgd(groups, p.path("momentum").asDouble(0), 0, false);
            case "adagrad" -> new Adagrad(groups, 0, 0, eps);
            case "adam" -> new Adam(groups, beta1, beta2, eps);
            case "adamw" -> new AdamW(groups, beta1, beta2, eps);
            default -> throw new AssertionError(p);
        };
    }

    private static Schedule schedule(JsonNode p) {
        double lr = p.get("lr").asDouble();
        if (!p.has("cosine_schedule")) {
            return Schedule.constant(lr);
        }
        long warmup = p.get("cosine_schedule").get("num_warmup_steps").asLong();
        long total = p.get("cosine_schedule").get("num_training_steps").asLong();
        return Schedule.cosine(lr, 0, total - warmup).warmup(warmup);
    }

    private static void assertFinalWeights(Golden.Case c, CausalLanguageModel model) {
        double relative = c.tolerance().get("final_weights_relative_to_l1").asDouble();
        Map<String, Param> params = model.parameters();
        Iterator<Map.Entry<String, JsonNode>> all =
                c.expected().get("final_weights").properties().iterator();
        int compared = 0;
        while (all.hasNext()) {
            Map.Entry<String, JsonNode> e = all.next();
            String[] name = e.getKey().split("#");
            double[] x = params.get(name[0]).value().toDoubles();
            if (name.length == 2) {
                int third = x.length / 3;
                int from = name[1].equals("query") ? 0 : 2 * third;
                x = Arrays.copyOfRange(x, from, from + third);
            }
            double l1 = e.getValue().get("l1").asDouble();
            double[] got = sums(x);
            String[] keys = {"sum", "l1", "l2", "ramp"};
            for (int i = 0; i < keys.length; i++) {
                assertEquals(e.getValue().get(keys[i]).asDouble(), got[i], relative * l1, e.getKey() + " " + keys[i]);
            }
            compared++;
        }
        assertTrue(compared >= params.size(), "compared " + compared);
    }

    private static double[] sums(double[] x) {
        double sum = 0;
        double l1 = 0;
        double squares = 0;
        double ramp = 0;
        for (int i = 0; i < x.length; i++) {
            sum += x[i];
            l1 += Math.abs(x[i]);
            squares += x[i] * x[i];
            ramp += x[i] * (i % 97 - 48) / 48.0;
        }
        return new double[] {sum, l1, Math.sqrt(squares), ramp};
    }
}
