package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.transformer.text.Encoding;
import io.quern.transformer.text.Tokenizer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Classifies texts, or pairs of them, with a BERT. */
final class TextClassification {
    private static final int BATCH = 32;
    private static final String STDIN = "-";

    private final String model;
    private final Device device;

    TextClassification(String model, Device device) {
        if (model == null) {
            throw new Errors.UsageException("--text needs -m MODEL, a BERT with a sequence classifier");
        }
        this.model = model;
        this.device = device;
    }

    /** Takes the result of a text. */
    interface Sink {
        void accept(String text, float[] logits, List<String> labels);
    }

    void run(List<String> given, String pair, Output output, Sink sink) throws IOException {
        List<String> texts = new ArrayList<>();
        for (String t : given) {
            if (t.equals(STDIN)) {
                TextInput.stdin(output.in()).lines().filter(l -> !l.isBlank()).forEach(texts::add);
            } else {
                texts.add(TextInput.argument("--text", t));
            }
        }
        String second = pair == null ? null : TextInput.argument("--pair", pair);
        EncoderDir dir = EncoderDir.find(model);
        Tokenizer tokenizer = dir.tokenizer();
        // Kernels for narrower weights are the CPU's.
        DType dtype = device.equals(Device.CPU) ? null : DType.F32;
        try (BertForSequenceClassification loaded = dir.loadClassifier(Purpose.INFERENCE, dtype)) {
            loaded.moveTo(device);
            int classes = dir.config().labels().size();
            for (int from = 0; from < texts.size(); from += BATCH) {
                List<String> some = texts.subList(from, Math.min(texts.size(), from + BATCH));
                List<Encoding> encoded = some.stream()
                        .map(t -> tokenizer.encode(t, second, dir.config().maxPositions()))
                        .toList();
                float[] all = Scope.run(() -> Tape.noGrad(() -> loaded.logits(
                                EncoderBatch.of(encoded, dir.config().padTokenId()))
                        .toFloats()));
                for (int i = 0; i < some.size(); i++) {
                    sink.accept(
                            some.get(i),
                            java.util.Arrays.copyOfRange(all, i * classes, (i + 1) * classes),
                            dir.config().labels());
                }
            }
        }
    }
}
