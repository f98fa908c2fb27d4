package io.quern.transformer;

import io.quern.nn.Init;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.Gpt2;
import io.quern.transformer.model.Gpt2Config;
import java.net.URISyntaxException;
import java.nio.file.Path;

/** Models that the tests use. */
public final class TestModels {
    private TestModels() {}

    /** A folder under the test resources' {@code models}. */
    public static Path folder(String name) {
        try {
            return Path.of(TestModels.class
                            .getResource("/models/" + name + "/config.json")
                            .toURI())
                    .getParent();
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }

    /** transformers' little GPT-2 with random weights. */
    public static CausalLanguageModel gpt2Tiny() {
        return ModelDir.open(folder("gpt2-tiny")).load(Purpose.INFERENCE);
    }

    /** A GPT-2 of 2 layers, 4 heads of 8, 24 positions and 40 token ids, with weights large enough to tell tokens apart. */
    public static Gpt2 small(long seed) {
        return new Gpt2(Gpt2Config.of(40, 24, 32, 2, 4), Init.normal(seed, 0.3));
    }
}
