package io.quern.vision.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.nn.Losses;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.golden.Golden;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** LeNet-5 in both variants against PyTorch: output, loss and gradients. */
class LeNetTest {
    private static final Golden GOLDEN = Golden.load("lenet");

    @ParameterizedTest
    @ValueSource(strings = {"tanh_avg", "relu_max"})
    void agreesWithPyTorch(String variant) {
        Golden.Case forward = GOLDEN.get(variant + "_forward");
        Golden.Case gradients = GOLDEN.get(variant + "_gradients");
        JsonNode weights = forward.input().get("weights");
        LeNetConfig config = new LeNetConfig(28, 1, variant.startsWith("tanh"), 0, Collections.nCopies(10, "digit"));
        Scope.run(() -> {
            try (LeNet model = config.build(
                    (path, shape) -> GOLDEN.values(weights.get(path), path).tensor(DType.F32))) {
                Tensor x = forward.input("x").tensor(DType.F32);
                Tensor labels = forward.input("labels").tensor(DType.I32);
                forward.assertClose("output", model.forward(x.narrow(0, 0, 8)));
                Gradients g = Tape.gradients(() -> Losses.crossEntropy(model.forward(x), labels));
                assertEquals(gradients.expected("loss_f64").data()[0], g.loss().item(), 1e-5);
                model.parameters().forEach((path, p) -> {
                    JsonNode expected = gradients.expected().get("grads").get(path);
                    Golden.assertClose(
                            path,
                            GOLDEN.values(expected, path).data(),
                            g.of(p.value()).toDoubles(),
                            gradients.abs(),
                            gradients.rel());
                });
            }
            return null;
        });
        assertEquals(List.of(16 * 5 * 5), List.of(config.features()));
    }
}
