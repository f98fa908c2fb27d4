package io.quern.train.optim;

import io.quern.nn.Param;
import io.quern.tensor.Gradients;
import io.quern.tensor.Tensor;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;

/** Combinations of optimizers. */
public final class Optimizers {
    private Optimizers() {}

    /**
     * One optimizer of several, each of which steps its own parameters at the same rate; closes them all.
     *
     * @throws IllegalArgumentException if two of them have the same parameter; they are closed then
     */
    public static Optimizer together(Optimizer first, Optimizer... others) {
        List<Optimizer> parts =
                Stream.concat(Stream.of(first), Stream.of(others)).toList();
        Set<String> seen = new HashSet<>();
        for (Optimizer o : parts) {
            for (String path : o.params().keySet()) {
                if (!seen.add(path)) {
                    parts.forEach(Optimizer::close);
                    throw new IllegalArgumentException("parameter " + path + " is in two optimizers");
                }
            }
        }
        return new Together(parts);
    }

    private record Together(List<Optimizer> parts) implements Optimizer {
        @Override
        public void step(Gradients gradients, double lr, double gradScale) {
            parts.forEach(o -> o.step(gradients, lr, gradScale));
        }

        @Override
        public Map<String, Param> params() {
            Map<String, Param> all = new LinkedHashMap<>();
            parts.forEach(o -> all.putAll(o.params()));
            return all;
        }

        @Override
        public Map<String, Tensor> state() {
            Map<String, Tensor> all = new LinkedHashMap<>();
            parts.forEach(o -> all.putAll(o.state()));
            return all;
        }

        @Override
        public long steps() {
            return parts.getFirst().steps();
        }

        @Override
        public void resumeAt(long steps) {
            parts.forEach(o -> o.resumeAt(steps));
        }

        @Override
        public void close() {
            parts.forEach(Optimizer::close);
        }
    }
}
