package io.quern.transformer.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Init;
import io.quern.tensor.Device;
import io.quern.tensor.OpTrace;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.spi.Backend;
import io.quern.transformer.KvCache;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.model.Gpt2;
import io.quern.transformer.model.Gpt2Config;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;

class DecodingStepTest extends LeakChecked {
    private static final int VOCABULARY = 40;

    private static Gpt2 model() {
        return new Gpt2(Gpt2Config.of(VOCABULARY, 200, 32, 2, 4), Init.normal(3, 0.3));
    }

    /** Which sequences go on at each step: one, four that branch from it and cross, then two. */
    private static int[] parents(int step) {
        return switch (step / 8) {
            case 0 -> new int[] {0};
            case 1 -> step % 8 == 0 ? new int[] {0, 0, 0, 0} : new int[] {1, 0, (step * 3) % 4, 3};
            default -> new int[] {step % 2, 1};
        };
    }

    private static int[] tokens(int step, int n) {
        int[] ids = new int[n];
        for (int i = 0; i < n; i++) {
            ids[i] = (7 * step + 11 * i) % VOCABULARY;
        }
        return ids;
    }

    @Test
    void stepsHaveTheBitsOfOperationsBuiltAnew() {
        try (Gpt2 model = model();
                KvCache recorded = model.newCache(4);
                KvCache plain = model.newCache(4);
                DecodingStep step = new DecodingStep(model, recorded, List::of)) {
            for (KvCache cache : List.of(recorded, plain)) {
                Scope.run(() ->
                        model.lastLogits(Tensor.of(tokens(9, 5), 1, 5), cache).toFloats());
            }
            for (int i = 0; i < 120; i++) { // past the first blocks of the cache
                int[] parents = parents(i);
                int[] ids = tokens(i, parents.length);
                recorded.select(parents);
                plain.select(parents);
                float[] expected = Scope.run(() ->
                        model.lastLogits(Tensor.of(ids, ids.length, 1), plain).toFloats());
                assertArrayEquals(expected, step.run(ids).getFirst().toFloats(), "step " + i);
            }
        }
    }

    @Test
    void aStepLikeTheOneBeforeMakesNoTensors() {
        try (Gpt2 model = model();
                KvCache cache = model.newCache(1);
                DecodingStep step = new DecodingStep(model, cache, List::of)) {
            cache.reserve(200);
            int[] token = {1};
            AtomicInteger operations = new AtomicInteger();
            for (int i = 0; i < 20; i++) {
                step.run(token);
            }
            Backend cpu = Device.CPU.backend();
            cpu.resetPeak();
            long live = cpu.memory().live();
            OpTrace.watch((op, in, out) -> operations.incrementAndGet(), () -> step.run(token));
            assertTrue(operations.get() >= 20, operations + " operations");
            assertEquals(live, cpu.memory().peak(), "not even for a moment is there another tensor");
        }
    }
}
