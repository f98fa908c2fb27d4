package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import io.quern.train.data.LabelledTexts;
import io.quern.train.data.Table;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.BertForSequenceClassification;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** {@code eval --texts}: how a classifier of texts does, by class. */
final class TextEval {
    @Option(
            names = {"--texts"},
            paramLabel = "FILE",
            description = "Texts with classes, .csv, .tsv or .jsonl, for a classifier of texts.")
    Path file;

    @Option(
            names = {"--text-column"},
            paramLabel = "NAME",
            defaultValue = "text",
            description = "Of --texts. Default: ${DEFAULT-VALUE}.")
    private String textColumn;

    @Option(
            names = {"--label-column"},
            paramLabel = "NAME",
            defaultValue = "label",
            description = "Of --texts. Default: ${DEFAULT-VALUE}.")
    private String labelColumn;

    /** @param context most tokens of a text; null for the model's positions */
    void run(String model, Integer context, Device device, Output output, boolean json) throws IOException {
        if (model == null) {
            throw new Errors.UsageException("eval --texts needs -m MODEL, a BERT with a sequence classifier");
        }
        EncoderDir dir = EncoderDir.find(model);
        LabelledTexts texts =
                Table.read(file).texts(textColumn, labelColumn, dir.config().labels());
        if (texts.size() == 0) {
            throw new TensorException(file + " has no texts");
        }
        int most = dir.config().maxPositions();
        int tokens = context == null ? most : Math.min(context, most);
        DType dtype = device.equals(Device.CPU) ? null : DType.F32;
        try (BertForSequenceClassification loaded = dir.loadClassifier(Purpose.INFERENCE, dtype)) {
            loaded.moveTo(device);
            ImageEval.print(
                    TextBatches.measure(
                            loaded,
                            TextBatches.measured(
                                    texts, dir.tokenizer(), tokens, dir.config().padTokenId(), device)),
                    "texts",
                    output,
                    json);
        }
    }
}
