package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.train.data.Batches;
import io.quern.vision.ConfusionMatrix;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelConfig;
import io.quern.vision.ImageModelDir;
import io.quern.vision.data.Augmentation;
import io.quern.vision.data.ImageBatch;
import io.quern.vision.data.ImageBatches;
import io.quern.vision.data.ImageSplit;
import io.quern.vision.data.RandAugment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import picocli.CommandLine.Model.CommandSpec;

/** A run of {@code train vit} or {@code train cnn}. */
final class ClassifierTraining extends ImageTraining<ImageModel, ImageBatch> {
    private static final List<String> OWN =
            List.of("smoothing", "erase", "mixup", "cutmix", "randaugment", "magnitude");

    private final ClassifierOptions own;
    private final Function<ImageSplit, ImageModelConfig> config;

    ClassifierTraining(
            TrainImageOptions options,
            ClassifierOptions own,
            CommonOptions common,
            CommandSpec spec,
            Output output,
            Function<ImageSplit, ImageModelConfig> config) {
        super(options, common, spec, output, OWN);
        this.own = own;
        this.config = config;
    }

    @Override
    ImageModelConfig config(ImageSplit data) {
        return config.apply(data);
    }

    @Override
    ImageModel load(Path folder) {
        return ImageModelDir.open(folder).load();
    }

    @Override
    void save(Path folder, ImageModel model, ImageSplit data) {
        ImageModelDir.save(folder, model, data.preprocessor());
    }

    @Override
    Augmentation augmentation() {
        RandAugment random = own.randAugment == 0 ? RandAugment.NONE : new RandAugment(own.randAugment, own.magnitude);
        return options.augmentation(own.erase, own.mixup, own.cutmix, random);
    }

    @Override
    Batches<ImageBatch> training(ImageModel model, ImageSplit data, Device device) {
        return ImageBatches.shuffled(
                data.train(), data.preprocessor(), augmentation(), options.batch, options.seed, device);
    }

    @Override
    Batches<ImageBatch> test(ImageModel model, ImageSplit data, Device device) {
        return ImageBatches.inOrder(data.test(), data.preprocessor(), EVAL_BATCH, device);
    }

    @Override
    Tensor loss(ImageModel model, ImageBatch batch) {
        return batch.loss(model.forward(batch.pixels()), own.smoothing);
    }

    @Override
    String lossUnit(ImageModel model) {
        return "cross-entropy (nats per picture)";
    }

    @Override
    Map<String, Object> settings(ImageModel model) {
        return Map.of("model", model.config().toJson());
    }

    @Override
    Measured measure(ImageModel model, ImageSplit data, Batches<ImageBatch> test) {
        ConfusionMatrix m = ConfusionMatrix.of(model, test);
        return new Measured() {
            @Override
            public Map<String, Object> facts() {
                Map<String, Object> facts = new LinkedHashMap<>();
                facts.put("test_pictures", m.total());
                facts.put("test_accuracy", m.accuracy());
                facts.put("test_macro_f1", m.macroF1());
                facts.put("test_loss", m.loss());
                return facts;
            }

            @Override
            public String summary() {
                return "test accuracy %.2f %%, loss %.4f".formatted(100 * m.accuracy(), m.loss());
            }
        };
    }
}
