package io.quern.train.optim;

import io.quern.nn.Module;
import io.quern.nn.Param;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Parameters that an optimizer treats alike.
 *
 * @param params by path
 * @param weightDecay of every step, times the learning rate
 */
public record ParamGroup(Map<String, Param> params, double weightDecay) {
    public ParamGroup {
        params = new LinkedHashMap<>(params);
        if (!(weightDecay >= 0 && weightDecay < Double.POSITIVE_INFINITY)) {
            throw new IllegalArgumentException("the weight decay must be 0 or more, not " + weightDecay);
        }
    }

    /** All trainable parameters of a model in one group. */
    public static List<ParamGroup> all(Module model, double weightDecay) {
        return List.of(new ParamGroup(trainable(model), weightDecay));
    }

    /**
     * The trainable parameters of a model in two groups: matrices and embeddings decay; biases and the weights of
     * norms, which are those of rank 0 or 1, do not.
     */
    public static List<ParamGroup> decayMatrices(Module model, double weightDecay) {
        Map<String, Param> decay = new LinkedHashMap<>();
        Map<String, Param> keep = new LinkedHashMap<>();
        trainable(model).forEach((path, p) -> (p.shape().rank() >= 2 ? decay : keep).put(path, p));
        return List.of(new ParamGroup(decay, weightDecay), new ParamGroup(keep, 0));
    }

    private static Map<String, Param> trainable(Module model) {
        Map<String, Param> all = model.parameters();
        all.values().removeIf(p -> !p.isTrainable());
        return all;
    }
}
