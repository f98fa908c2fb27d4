package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.golden.Golden;
import io.quern.tensor.op.Loss;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Losses and their gradients against PyTorch; those that are no operation of their own are composed. */
class LossesGoldenTest {
    @TestFactory
    Stream<DynamicTest> agreeWithPyTorch() {
        return Golden.load("losses").cases().stream()
                .map(c -> dynamicTest(c.id(), () -> {
                    for (DType dtype : new DType[] {DType.F32, DType.F64}) {
                        Scope.run(() -> {
                            check(c, dtype);
                            return null;
                        });
                    }
                }));
    }

    private static void check(Golden.Case c, DType dtype) {
        Map<String, Tensor> in = new LinkedHashMap<>();
        c.input().fieldNames().forEachRemaining(name -> {
            boolean classes =
                    name.equals("target") && c.params().get("loss").asText().equals("cross_entropy");
            Tensor t = c.input(name).tensor(classes ? DType.I32 : dtype);
            in.put(name, c.expected().has("grad_" + name) ? t.requireGrad() : t);
        });
        c.assertClose("loss", loss(c, in));
        Gradients g = Tape.gradients(() -> loss(c, in).sum());
        in.forEach((name, t) -> {
            if (c.expected().has("grad_" + name)) {
                c.assertClose("grad_" + name, g.of(t));
            }
        });
    }

    private static Tensor loss(Golden.Case c, Map<String, Tensor> in) {
        return switch (c.id().startsWith("cross_entropy") ? "cross_entropy" : c.id()) {
            case "cross_entropy" -> crossEntropy(c, in);
            case "mse" -> Losses.meanSquaredError(in.get("input"), in.get("target"));
            case "bce_with_logits" -> Losses.binaryCrossEntropy(in.get("logits"), in.get("target"));
            case "cosine_similarity" ->
                Losses.meanSquaredError(
                        direction(in.get("a")).mul(direction(in.get("b"))).sum(-1), in.get("gold"));
            case "multiple_negatives_ranking" -> {
                Tensor scores = direction(in.get("anchor"))
                        .matmul(direction(in.get("positive")).transpose(0, 1))
                        .scale(20);
                yield Losses.crossEntropy(scores, Tensor.arange(scores.dim(0)));
            }
            case "triplet" -> {
                Tensor near = distance(in.get("anchor"), in.get("positive"));
                Tensor far = distance(in.get("anchor"), in.get("negative"));
                yield near.sub(far)
                        .shift(c.params().get("margin").asDouble())
                        .relu()
                        .mean();
            }
            default -> throw new IllegalArgumentException("no such loss: " + c.id());
        };
    }

    private static Tensor crossEntropy(Golden.Case c, Map<String, Tensor> in) {
        int ignore = c.params().get("ignore_index").asInt();
        double smoothing = c.params().get("label_smoothing").asDouble();
        Tensor rows = Tensor.run(
                new Loss.CrossEntropy(in.get("logits"), in.get("target"), in.get("class_weight"), ignore, smoothing));
        return switch (c.params().get("reduction").asText()) {
            case "none" -> rows;
            case "sum" -> rows.sum();
            default ->
                Losses.crossEntropy(in.get("logits"), in.get("target"), in.get("class_weight"), ignore, smoothing);
        };
    }

    private static Tensor direction(Tensor x) {
        return x.div(x.square().sum(-1).sqrt().reshape(x.dim(0), 1));
    }

    private static Tensor distance(Tensor a, Tensor b) {
        return a.sub(b).square().sum(-1).sqrt();
    }

    @Test
    void crossEntropyTakesAnyOuterShape() {
        Scope.run(() -> {
            Tensor logits = Tensor.of(new float[] {1, 2, 3, 3, 2, 1, 0, 0, 0, 1, 1, 4}, 2, 2, 3);
            Tensor targets = Tensor.of(new int[] {0, 1, Losses.IGNORE, 2}, 2, 2);
            double flat = Losses.crossEntropy(logits.reshape(4, 3), targets.reshape(4))
                    .item();
            assertEquals(flat, Losses.crossEntropy(logits, targets).item());
            return null;
        });
    }

    /** The gradient of a mean of two is (p - y) / 2, also where the logit is 0 or huge. */
    @Test
    void binaryCrossEntropyHoldsForAnyLogit() {
        Scope.run(() -> {
            Tensor z = Tensor.of(new float[] {0, -1000}, 2, 1).requireGrad();
            Tensor y = Tensor.of(new float[] {0.25f, 1}, 2, 1);
            Gradients g = Tape.gradients(() -> Losses.binaryCrossEntropy(z, y));
            assertEquals((Math.log(2) + 1000) / 2, g.loss().item(), 1e-4);
            assertArrayEquals(new float[] {0.125f, -0.5f}, g.of(z).toFloats(), 1e-6f);
            return null;
        });
    }

    /** As PyTorch: 0 / 0. */
    @Test
    void crossEntropyOfNothingIsNotANumber() {
        Scope.run(() -> {
            Tensor logits = Tensor.zeros(2, 3);
            Tensor targets = Tensor.full(Device.CPU, DType.I32, Shape.of(2), Losses.IGNORE);
            assertTrue(Double.isNaN(Losses.crossEntropy(logits, targets).item()));
            assertThrows(TensorException.class, () -> Losses.crossEntropy(logits, Tensor.zeros(2)));
            return null;
        });
    }
}
