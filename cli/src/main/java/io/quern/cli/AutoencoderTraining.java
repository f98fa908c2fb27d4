package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.train.data.Batches;
import io.quern.vision.AutoencoderDir;
import io.quern.vision.Preprocessor;
import io.quern.vision.ReconstructionError;
import io.quern.vision.data.Augmentation;
import io.quern.vision.data.AutoencoderBatch;
import io.quern.vision.data.AutoencoderBatches;
import io.quern.vision.data.Damage;
import io.quern.vision.data.ImageBatches;
import io.quern.vision.data.ImageSet;
import io.quern.vision.data.ImageSplit;
import io.quern.vision.data.RandAugment;
import io.quern.vision.model.Autoencoder;
import io.quern.vision.model.AutoencoderConfig;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;

/** A run of {@code train autoencoder}. */
final class AutoencoderTraining extends ImageTraining<Autoencoder, AutoencoderBatch> {
    /** Of what is done to test pictures, in every run. */
    static final long TEST_SEED = 1;

    private final Function<ImageSplit, AutoencoderConfig> config;

    AutoencoderTraining(
            TrainImageOptions options,
            CommonOptions common,
            CommandSpec spec,
            Output output,
            Function<ImageSplit, AutoencoderConfig> config) {
        super(options, common, spec, output, List.of());
        this.config = config;
    }

    @Override
    AutoencoderConfig config(ImageSplit data) {
        return config.apply(data);
    }

    @Override
    Autoencoder load(Path folder) {
        return AutoencoderDir.open(folder).load();
    }

    @Override
    void save(Path folder, Autoencoder model, ImageSplit data) {
        AutoencoderDir.save(folder, model, unit(data));
    }

    private static Preprocessor unit(ImageSplit data) {
        return data.preprocessor().unnormalised();
    }

    @Override
    Augmentation augmentation() {
        return options.augmentation(0, 0, false, RandAugment.NONE);
    }

    @Override
    Batches<AutoencoderBatch> training(Autoencoder model, ImageSplit data, Device device) {
        ImageBatches pictures = ImageBatches.shuffled(
                data.train(), unit(data), augmentation(), options.batch, options.seed, Device.CPU);
        return new AutoencoderBatches(pictures, model.config().damage(), options.seed, device);
    }

    @Override
    Batches<AutoencoderBatch> test(Autoencoder model, ImageSplit data, Device device) {
        return inOrder(model.config(), data.test(), unit(data), device);
    }

    /** Pictures to measure a model by. */
    static AutoencoderBatches inOrder(AutoencoderConfig config, ImageSet set, Preprocessor unit, Device device) {
        ImageBatches pictures = ImageBatches.inOrder(set, unit, EVAL_BATCH, Device.CPU);
        return new AutoencoderBatches(pictures, config.damage(), TEST_SEED, device);
    }

    @Override
    Tensor loss(Autoencoder model, AutoencoderBatch batch) {
        return model.loss(batch.input(), batch.target());
    }

    @Override
    String lossUnit(Autoencoder model) {
        return model.config().kind() == AutoencoderConfig.Kind.VARIATIONAL
                ? "negative evidence lower bound (nats per pixel)"
                : "mean squared error (pixels from 0 to 1)";
    }

    @Override
    Map<String, Object> settings(Autoencoder model) {
        return Map.of("model", model.config().toJson());
    }

    @Override
    Measured measure(Autoencoder model, ImageSplit data, Batches<AutoencoderBatch> test) {
        ReconstructionError error = ReconstructionError.of(model, test);
        Double components = components(model.config(), data.train(), unit(data), test);
        return new Measured() {
            @Override
            public Map<String, Object> facts() {
                return AutoencoderTraining.facts(error, components);
            }

            @Override
            public String summary() {
                return AutoencoderTraining.summary(error, components);
            }
        };
    }

    /** The error of as many principal components of the training pictures; null if something is done to pictures. */
    static Double components(
            AutoencoderConfig config, ImageSet train, Preprocessor unit, Batches<AutoencoderBatch> test) {
        if (!config.damage().equals(Damage.NONE)) {
            return null;
        }
        ImageBatches all = ImageBatches.inOrder(train, unit, EVAL_BATCH, Device.CPU);
        return ReconstructionError.of(ReconstructionError.components(all, config.codes(), TEST_SEED), test);
    }

    static Map<String, Object> facts(ReconstructionError error, Double components) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("test_pictures", error.pictures());
        facts.put("test_error", error.error());
        if (components == null) {
            facts.put("test_error_of_input", error.ofInput());
        } else {
            facts.put("test_error_of_pca", components);
        }
        return facts;
    }

    static String summary(ReconstructionError error, Double components) {
        return "test error %.5f (%s %.5f)"
                .formatted(
                        error.error(),
                        components == null ? "before" : "as many principal components",
                        components == null ? error.ofInput() : components);
    }
}
