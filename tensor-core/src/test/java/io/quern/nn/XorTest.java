package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Update;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The smallest training there is: a network of two layers learns exclusive or. */
class XorTest {
    private static final class Xor extends Module {
        private final Linear hidden;
        private final Linear out;

        Xor(Rng rng) {
            hidden = child("hidden", new Linear(Tensor.randn(rng, 1, 8, 2), Tensor.zeros(8)));
            out = child("out", new Linear(Tensor.randn(rng, 0.5, 2, 8), Tensor.zeros(2)));
        }

        Tensor forward(Tensor x) {
            return out.forward(hidden.forward(x).tanh());
        }
    }

    @Test
    void learnsExclusiveOr() {
        Tensor x = Tensor.of(new float[] {0, 0, 0, 1, 1, 0, 1, 1}, 4, 2);
        Tensor y = Tensor.of(new int[] {0, 1, 1, 0}, 4);
        List<Tensor> m = new ArrayList<>();
        List<Tensor> v = new ArrayList<>();
        try (Xor model = new Xor(new Rng(4))) {
            List<Tensor> params =
                    model.parameters().values().stream().map(Param::value).toList();
            for (Tensor p : params) {
                m.add(Tensor.zeros(p.shape().dims()));
                v.add(Tensor.zeros(p.shape().dims()));
            }
            double first = 0;
            double last = 0;
            long allocations = 0;
            for (int step = 1; step <= 150; step++) {
                int now = step;
                last = Scope.run(() -> {
                    Gradients g = Tape.gradients(() -> Losses.crossEntropy(model.forward(x), y));
                    List<Tensor> grads = params.stream().map(g::of).toList();
                    Tape.noGrad(() -> Tensor.runAll(new Update.AdamW(
                            params, grads, m, v, Collections.nCopies(4, 0.0), 0.05, 0.9, 0.999, 1e-8, 1, now)));
                    return g.loss().item();
                });
                first = step == 1 ? last : first;
                if (step == 3) {
                    allocations = Device.CPU.backend().memory().systemAllocations();
                }
            }
            assertTrue(first > 0.5, "loss at first: " + first);
            assertTrue(last < 0.02, "loss after 150 steps: " + last);
            int[] predicted = Scope.run(() -> model.forward(x).argmax().toInts());
            assertArrayEquals(y.toInts(), predicted);
            assertEquals(
                    allocations,
                    Device.CPU.backend().memory().systemAllocations(),
                    "from its third step on training takes no memory from the system");
        }
        m.forEach(Tensor::close);
        v.forEach(Tensor::close);
        x.close();
        y.close();
    }
}
