package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Module;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.check.LogitAgreement;
import io.quern.tensor.check.Verification;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.vision.ImageModel;
import io.quern.vision.model.VitConfig;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The comparison of devices on tiny models, between the emulated device and the scalar reference. */
class VerifyOnCudaTest {
    private static final Device CUDA = new Device("cuda", 0);
    private static final Device REFERENCE = new Device("reference", 0);
    private static final int[] IDS = {3, 1, 4, 1, 5, 9, 2, 6, 5};

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    private static Path folder(String name) throws URISyntaxException {
        return Path.of(VerifyOnCudaTest.class
                        .getResource("/models/" + name + "/config.json")
                        .toURI())
                .getParent();
    }

    private static Map<String, Tensor> parameters(Module model) {
        Map<String, Tensor> all = new LinkedHashMap<>();
        model.parameters().forEach((path, p) -> all.put(path, p.value()));
        return all;
    }

    private static void agree(Module model, Function<Device, Tensor> forward, int classes) {
        Verification v = new Verification(() -> parameters(model), Double.NaN);
        model.moveTo(REFERENCE);
        float[] want = v.record("all", () -> forward.apply(REFERENCE));
        model.moveTo(CUDA);
        float[] got = v.compare("all", () -> forward.apply(CUDA));
        assertTrue(v.first().isEmpty(), () -> v.first() + "; " + v.diagnosis());
        assertTrue(v.differences().stream().anyMatch(d -> d.maxError() > 0), "nothing differs: are there two devices?");
        LogitAgreement logits = LogitAgreement.of(want, got, classes);
        assertTrue(logits.sameChoices() && logits.maxKl() < 1e-9, logits.toString());
    }

    @Test
    void gpt2() throws Exception {
        try (CausalLanguageModel model = ModelDir.open(folder("gpt2-tiny")).load(Purpose.INFERENCE)) {
            agree(model, d -> model.logits(Tensor.of(IDS, 1, IDS.length).to(d)), model.vocabSize());
        }
        assertEquals(0, CUDA.backend().memory().buffers(), "buffers left on the device");
    }

    @Test
    void bert() throws Exception {
        try (BertForSequenceClassification model =
                EncoderDir.open(folder("bert-tiny")).loadClassifier(Purpose.INFERENCE, null)) {
            agree(
                    model,
                    d -> model.logits(
                            EncoderBatch.of(Tensor.of(IDS, 1, IDS.length)).to(d)),
                    model.config().labels().size());
        }
    }

    @Test
    void vit() {
        VitConfig config = VitConfig.of(16, 4, 3, 32, 2, 4, List.of("a", "b", "c"));
        try (ImageModel model = config.build(config.init(1))) {
            Scope.run(() -> {
                Tensor pixels = Tensor.randn(new Rng(2), 1, 2, 3, 16, 16);
                agree(model, d -> model.forward(pixels.to(d)), 3);
                return null;
            });
        }
    }
}
