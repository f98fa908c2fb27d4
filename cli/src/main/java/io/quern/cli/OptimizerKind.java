package io.quern.cli;

import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.train.optim.Adagrad;
import io.quern.train.optim.Adam;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.Lion;
import io.quern.train.optim.Muon;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.Optimizers;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.RmsProp;
import io.quern.train.optim.Sgd;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The optimizers that {@code --optimizer} names; small letters, as people write them. */
enum OptimizerKind {
    adamw,
    adam,
    sgd,
    adagrad,
    rmsprop,
    lion,
    muon;

    private static final double BETA1 = 0.9;
    private static final double EPS = 1e-8;

    /** For all trainable parameters of a model, of which matrices and embeddings decay. */
    Optimizer create(Module model, double weightDecay, double momentum, double beta2) {
        List<ParamGroup> groups = ParamGroup.decayMatrices(model, weightDecay);
        return switch (this) {
            case adamw -> new AdamW(groups, BETA1, beta2, EPS);
            case adam -> new Adam(groups, BETA1, beta2, EPS);
            case sgd -> new Sgd(groups, momentum, 0, false);
            case adagrad -> new Adagrad(groups);
            case rmsprop -> new RmsProp(groups, 0.99, EPS, momentum, false);
            case lion -> new Lion(groups, BETA1, beta2);
            case muon -> muon(groups, beta2);
        };
    }

    /** Muon for hidden matrices, AdamW for the rest. */
    private static Optimizer muon(List<ParamGroup> groups, double beta2) {
        Map<String, Param> hidden = new LinkedHashMap<>();
        Map<String, Param> tables = new LinkedHashMap<>();
        ParamGroup decaying = groups.getFirst();
        decaying.params().forEach((path, p) -> (isHidden(path) ? hidden : tables).put(path, p));
        return Optimizers.together(
                new Muon(List.of(new ParamGroup(hidden, decaying.weightDecay()))),
                new AdamW(
                        List.of(new ParamGroup(tables, decaying.weightDecay()), groups.getLast()), BETA1, beta2, EPS));
    }

    private static boolean isHidden(String path) {
        return !path.contains("wte") && !path.contains("wpe") && !path.contains("lm_head");
    }
}
