package io.quern.cli;

import io.quern.nn.Module;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.transformer.model.BertModel;
import java.util.List;

/** One text, through an encoder and the classifier that it may have. */
final class VerifyEncoder implements VerifySubject {
    private final BertModel model;
    private final int[] ids;

    VerifyEncoder(BertModel model, int[] ids) {
        this.model = model;
        this.ids = ids;
    }

    @Override
    public Module model() {
        return model;
    }

    @Override
    public String input() {
        return "a text of " + ids.length + " tokens";
    }

    @Override
    public int classes() {
        return model instanceof BertForSequenceClassification
                ? model.config().labels().size()
                : 0;
    }

    @Override
    public List<float[]> run(Device device, Runner runner) {
        return Scope.run(() -> {
            EncoderBatch batch = EncoderBatch.of(Tensor.of(ids, 1, ids.length)).to(device);
            return List.of(runner.run(
                    "text",
                    () -> model instanceof BertForSequenceClassification classifier
                            ? classifier.logits(batch)
                            : model.encoder().forward(batch)));
        });
    }
}
