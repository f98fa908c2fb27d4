package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import io.quern.vision.AutoencoderDir;
import io.quern.vision.ConfusionMatrix;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelConfig;
import io.quern.vision.ImageModelDir;
import io.quern.vision.ReconstructionError;
import io.quern.vision.data.AutoencoderBatches;
import io.quern.vision.data.ImageBatches;
import io.quern.vision.data.ImageSet;
import io.quern.vision.data.ImageSplit;
import io.quern.vision.model.Autoencoder;
import io.quern.vision.model.AutoencoderConfig;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** {@code eval --images}: accuracy, a table of the classes and the confusion matrix; of an autoencoder, its error. */
final class ImageEval {
    private static final int BATCH = 100;

    private ImageEval() {}

    static void run(String model, Path folder, Device device, Output output, boolean json) {
        if (model != null && AutoencoderDir.isOne(Path.of(model))) {
            autoencoder(AutoencoderDir.open(Path.of(model)), folder, device, output, json);
            return;
        }
        ImageModelDir dir = ImageModels.open(model);
        ImageModelConfig config = dir.config();
        ImageSet set = ImageSplit.test(folder, dir.preprocessor(), config.channels(), config.labels());
        if (set.channels() != config.channels()
                || set.labels().size() > config.labels().size()) {
            throw new TensorException(folder + " has " + set.labels().size() + " classes and " + set.channels()
                    + " channels; " + dir.name() + " has " + config.labels().size() + " and " + config.channels());
        }
        try (ImageModel loaded = dir.load()) {
            loaded.moveTo(device);
            print(
                    ConfusionMatrix.of(loaded, ImageBatches.inOrder(set, dir.preprocessor(), BATCH, device)),
                    "pictures",
                    output,
                    json);
        }
    }

    private static void autoencoder(AutoencoderDir dir, Path folder, Device device, Output output, boolean json) {
        AutoencoderConfig config = dir.config();
        ImageSplit data = ImageSplit.read(folder, config.imageSize(), config.imageChannels());
        AutoencoderBatches test = AutoencoderTraining.inOrder(config, data.test(), dir.preprocessor(), device);
        try (Autoencoder loaded = dir.load()) {
            loaded.moveTo(device);
            ReconstructionError error = ReconstructionError.of(loaded, test);
            Double components = AutoencoderTraining.components(config, data.train(), dir.preprocessor(), test);
            if (json) {
                output.json(AutoencoderTraining.facts(error, components));
            } else {
                output.println(
                        AutoencoderTraining.summary(error, components) + " over " + error.pictures() + " pictures");
            }
        }
    }

    /** @param what was classified, such as pictures */
    static void print(ConfusionMatrix m, String what, Output output, boolean json) {
        List<String> labels = m.labels();
        if (json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("accuracy", m.accuracy());
            line.put("macro_f1", m.macroF1());
            line.put("loss", m.loss());
            line.put(what.equals("pictures") ? "images" : what, m.total());
            line.put("labels", labels);
            line.put("confusion", m.counts());
            output.json(line);
            return;
        }
        output.println("accuracy %.2f %%, macro F1 %.4f, loss %.4f over %d %s"
                .formatted(100 * m.accuracy(), m.macroF1(), m.loss(), m.total(), what));
        output.println("%-16s %9s %9s %9s %8s".formatted("class", "precision", "recall", "F1", what));
        for (int c = 0; c < labels.size(); c++) {
            output.println("%-16s %9.4f %9.4f %9.4f %8d"
                    .formatted(labels.get(c), m.precision(c), m.recall(c), m.f1(c), m.support(c)));
        }
        output.println("confusion matrix: a row for each true class, a column for each predicted one");
        for (int c = 0; c < labels.size(); c++) {
            StringBuilder row = new StringBuilder("%-16s".formatted(labels.get(c)));
            for (long n : m.counts()[c]) {
                row.append("%6d".formatted(n));
            }
            output.println(row.toString());
        }
    }
}
