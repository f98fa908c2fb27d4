package io.quern.cli;

import io.quern.nn.Init;
import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.Gpt2Config;
import java.util.Map;

/** Models to measure: sizes by name, with random weights so that nothing need be downloaded, or checkpoints. */
final class BenchModels {
    static final String HELP =
            "gpt2 (124M) or small (6 layers, 384 wide), with random weights; or a folder, or org/name.";

    /** Vocabulary, context, width, layers, heads. */
    private static final Map<String, int[]> SIZES =
            Map.of("gpt2", new int[] {50257, 1024, 768, 12, 12}, "small", new int[] {65, 256, 384, 6, 6});

    private static final long SEED = 1;

    private BenchModels() {}

    /** For training, without dropout: what is measured is the arithmetic. */
    static CausalLanguageModel forTraining(String name) {
        int[] size = SIZES.get(name);
        CausalLanguageModel model = size == null
                ? Models.open(name).load(Purpose.TRAINING)
                : config(size).build(init(size));
        return trainable(model, true);
    }

    /** For inference, with matrices in a dtype, or null for that of the checkpoint. */
    static CausalLanguageModel forInference(String name, DType matrices) {
        int[] size = SIZES.get(name);
        CausalLanguageModel model = size == null
                ? Models.open(name).load(Purpose.INFERENCE, matrices)
                : ModelDir.untrained(config(size), init(size), matrices);
        return trainable(model, false);
    }

    private static Gpt2Config config(int[] s) {
        return Gpt2Config.of(s[0], s[1], s[2], s[3], s[4]).withDropout(0);
    }

    private static Init init(int[] size) {
        return Init.gpt2(SEED, size[3]);
    }

    private static CausalLanguageModel trainable(CausalLanguageModel model, boolean value) {
        for (Param p : model.parameters().values()) {
            p.setTrainable(value);
        }
        return model;
    }
}
