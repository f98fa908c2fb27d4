package io.quern.cli;

import io.quern.nn.Init;
import io.quern.nn.Param;
import io.quern.transformer.CausalLanguageModel;
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

    /** Without dropout: what is measured is the arithmetic. */
    static CausalLanguageModel open(String name, Purpose purpose) {
        int[] s = SIZES.get(name);
        CausalLanguageModel model = s == null
                ? Models.open(name).load(purpose)
                : Gpt2Config.of(s[0], s[1], s[2], s[3], s[4]).withDropout(0).build(Init.gpt2(SEED, s[3]));
        for (Param p : model.parameters().values()) {
            p.setTrainable(purpose == Purpose.TRAINING);
        }
        return model;
    }
}
