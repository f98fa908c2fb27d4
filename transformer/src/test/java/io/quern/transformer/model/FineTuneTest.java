package io.quern.transformer.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.TrainingMode;
import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.text.Encoding;
import io.quern.transformer.text.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Fine-tuning a classifier on a folder's encoder. */
class FineTuneTest extends LeakChecked {
    private static final List<String> TEXTS = List.of(
            "the king is here",
            "where is my good lord?",
            "the queen and the king",
            "lord, what will you have?",
            "i have a house",
            "to be or not to be",
            "we shall go to the sea",
            "what is that?");
    private static final int[] CLASSES = {1, 1, 1, 1, 0, 0, 0, 0};

    @Test
    void aClassifierLearnsItsTextsAndIsReadBack(@TempDir Path folder) {
        EncoderDir dir = EncoderDir.open(TestModels.folder("bert-tiny"));
        Tokenizer tokenizer = dir.tokenizer();
        List<int[]> ids = TEXTS.stream()
                .map(t -> tokenizer.encode(t, null, 64))
                .map(Encoding::ids)
                .toList();
        try (BertForSequenceClassification model = dir.newClassifier(List.of("other", "noble"), 1);
                AdamW optimizer = new AdamW(ParamGroup.decayMatrices(model, 0.01), 0.9, 0.999, 1e-8)) {
            double first = 0;
            double last = 0;
            for (int step = 0; step < 40; step++) {
                int now = step;
                last = Scope.run(() -> {
                    EncoderBatch batch =
                            EncoderBatch.rightPadded(ids, dir.config().padTokenId());
                    Tensor classes = Tensor.of(CLASSES, CLASSES.length);
                    Gradients g = Tape.gradients(() -> TrainingMode.with(1, now, () -> model.loss(batch, classes)));
                    optimizer.step(g, 1e-3, 1);
                    return g.loss().item();
                });
                first = step == 0 ? last : first;
            }
            assertTrue(first > 0.5 && last < 0.05, first + " to " + last);
            float[] logits = logits(model, ids);
            for (int i = 0; i < CLASSES.length; i++) {
                assertEquals(CLASSES[i] == 1, logits[2 * i + 1] > logits[2 * i], TEXTS.get(i));
            }
            EncoderDir.save(folder, model, DType.F32);
            EncoderDir saved = EncoderDir.open(folder);
            assertEquals(List.of("other", "noble"), saved.config().labels());
            try (BertForSequenceClassification again = saved.loadClassifier(Purpose.INFERENCE, null)) {
                assertArrayEquals(logits, logits(again, ids), 1e-5f);
            }
        }
    }

    private static float[] logits(BertForSequenceClassification model, List<int[]> ids) {
        return Scope.run(() ->
                Tape.noGrad(() -> model.logits(EncoderBatch.rightPadded(ids, 0)).toFloats()));
    }

    @Test
    void onlyTheHeadIsNew() {
        EncoderDir dir = EncoderDir.open(TestModels.folder("bert-mlm-tiny")); // without a pooler
        try (BertForSequenceClassification model = dir.newClassifier(List.of("a", "b", "c"), 3);
                Bert encoder = dir.load(Purpose.INFERENCE)) {
            encoder.parameters().forEach((path, p) -> {
                assertArrayEquals(
                        p.value().toFloats(),
                        model.parameters().get("bert." + path).value().toFloats(),
                        path);
            });
            assertEquals(encoder.parameters().size() + 4, model.parameters().size(), "pooler and classifier are new");
            assertTrue(model.parameters().values().stream().allMatch(p -> p.isTrainable()));
            assertEquals(3, model.parameters().get("classifier.weight").shape().dim(0));
        }
    }
}
