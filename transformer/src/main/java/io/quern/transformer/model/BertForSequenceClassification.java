package io.quern.transformer.model;

import io.quern.nn.Dropout;
import io.quern.nn.Init;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.transformer.EncoderBatch;

/** BERT with a linear layer on its pooler: one score for each class of a text, or of a pair of texts. */
public final class BertForSequenceClassification extends BertModel {
    private final Bert bert;
    private final Dropout dropout;
    private final Linear classifier;

    /** A model whose parameters are what {@code init} makes; see {@link Bert#init}. */
    public BertForSequenceClassification(BertConfig config, Init init) {
        bert = child("bert", new Bert(config, true, init.at("bert.")));
        dropout = new Dropout(config.classifierDropout());
        classifier = child(
                "classifier",
                Bert.linear(
                        init, "classifier", config.hiddenSize(), config.labels().size()));
        nameParameters();
    }

    /** Logits [B, labels]. */
    public Tensor logits(EncoderBatch batch) {
        return Scope.tidy(() -> classifier.forward(dropout.forward(bert.pooled(bert.forward(batch)))));
    }

    /** Mean cross-entropy of the classes (I32 [B]); {@link Losses#IGNORE} does not count. */
    public Tensor loss(EncoderBatch batch, Tensor classes) {
        return Losses.crossEntropy(logits(batch), classes.to(device()));
    }

    @Override
    public Bert encoder() {
        return bert;
    }

    @Override
    public String architecture() {
        return "BertForSequenceClassification";
    }
}
