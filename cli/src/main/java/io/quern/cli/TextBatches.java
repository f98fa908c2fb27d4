package io.quern.cli;

import io.quern.nn.Losses;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.data.LabelledTexts;
import io.quern.train.data.PaddedBatch;
import io.quern.train.data.PaddedBatches;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.transformer.text.Tokenizer;
import io.quern.vision.ConfusionMatrix;
import java.util.List;

/** Texts as batches of tokens, and how a classifier does on them. */
final class TextBatches {
    /** Texts of a batch when a classifier is measured. */
    private static final int MEASURED = 64;

    private TextBatches() {}

    /** Batches in the order of the texts, each cut to so many tokens. */
    static PaddedBatches of(LabelledTexts texts, Tokenizer tokenizer, int tokens, int pad, int batch, Device device) {
        List<int[]> ids = texts.texts().parallelStream()
                .map(t -> tokenizer.encode(t, null, tokens).ids())
                .toList();
        return PaddedBatches.classes(ids, texts.classes(), batch, tokens, pad).on(device);
    }

    /** The same in batches for measuring. */
    static PaddedBatches measured(LabelledTexts texts, Tokenizer tokenizer, int tokens, int pad, Device device) {
        return of(texts, tokenizer, tokens, pad, MEASURED, device);
    }

    static EncoderBatch encoder(PaddedBatch b) {
        return new EncoderBatch(b.inputs(), b.mask(), null);
    }

    /** Classifies one pass over the data. */
    static ConfusionMatrix measure(BertForSequenceClassification model, PaddedBatches data) {
        List<String> labels = model.config().labels();
        long[][] counts = new long[labels.size()][labels.size()];
        double[] loss = new double[2];
        for (long i = 0; i < data.perEpoch(); i++) {
            long index = i;
            Scope.run(() -> Tape.noGrad(() -> {
                PaddedBatch batch = data.batch(index);
                Tensor logits = model.logits(encoder(batch));
                int[] best = logits.argmax().toInts();
                int[] truth = batch.targets().toInts();
                for (int k = 0; k < truth.length; k++) {
                    counts[truth[k]][best[k]]++;
                }
                loss[0] += Losses.crossEntropy(logits, batch.targets()).item() * truth.length;
                loss[1] += truth.length;
                return null;
            }));
        }
        return new ConfusionMatrix(counts, labels, loss[0] / loss[1]);
    }
}
