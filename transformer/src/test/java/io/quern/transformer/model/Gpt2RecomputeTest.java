package io.quern.transformer.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Init;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.transformer.LeakChecked;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class Gpt2RecomputeTest extends LeakChecked {
    private static final int TIME = 64;

    private static Gpt2 model() {
        return Gpt2Config.of(40, TIME, 32, 6, 4).withDropout(0.2).build(Init.gpt2(3, 6));
    }

    private static Tensor ids(int shift) {
        return Tensor.of(
                IntStream.range(0, 4 * TIME).map(i -> (i * i + shift) % 40).toArray(), 4, TIME);
    }

    private static Map<String, float[]> gradients(Gpt2 model) {
        return Scope.run(() -> {
            Gradients g = TrainingMode.with(5, 6, () -> Tape.gradients(() -> model.loss(ids(0), ids(1), 0.1)));
            Map<String, float[]> all = new TreeMap<>();
            model.parameters()
                    .forEach((path, p) -> all.put(path, g.of(p.value()).toFloats()));
            return all;
        });
    }

    @Test
    void recomputedBlocksHaveTheSameGradientsInLessMemory() {
        try (Gpt2 model = model()) {
            Map<String, float[]> kept = gradients(model);
            long before = Device.CPU.backend().memory().live();
            Device.CPU.backend().resetPeak();
            gradients(model);
            long keptPeak = Device.CPU.backend().memory().peak() - before;
            model.setRecompute(true);
            Device.CPU.backend().resetPeak();
            Map<String, float[]> again = gradients(model);
            long againPeak = Device.CPU.backend().memory().peak() - before;
            kept.forEach((path, g) -> assertArrayEquals(g, again.get(path), path));
            assertTrue(againPeak * 2 < keptPeak, againPeak + " bytes with recomputing, " + keptPeak + " without");
        }
    }
}
