package io.quern.train;

import io.quern.nn.Param;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import java.util.LinkedHashMap;
import java.util.Map;

/** A copy of parameters to which they can be set back. Lives until it is closed. */
public final class Snapshot implements AutoCloseable {
    private final Map<String, Param> params;
    private final Map<String, Tensor> values = new LinkedHashMap<>();

    /** Copies the parameters as they are now. */
    public Snapshot(Map<String, Param> params) {
        this.params = new LinkedHashMap<>(params);
        Tape.noGrad(() -> {
            params.forEach((path, p) -> values.put(path, p.value().copy().keep()));
            return null;
        });
    }

    /** Copies the parameters as they are now, in place of what was copied before. */
    public void take() {
        Tape.noGrad(() -> {
            params.forEach((path, p) -> values.get(path).assign(p.value()));
            return null;
        });
    }

    /** Sets the parameters to what was copied. */
    public void restore() {
        Tape.noGrad(() -> {
            params.forEach((path, p) -> p.value().assign(values.get(path)));
            return null;
        });
    }

    /** The copies by the parameters' paths. */
    public Map<String, Tensor> values() {
        return new LinkedHashMap<>(values);
    }

    @Override
    public void close() {
        values.values().forEach(Tensor::close);
        values.clear();
    }
}
