package io.quern.transformer.model;

import io.quern.nn.Init;
import io.quern.nn.LayerNorm;
import io.quern.nn.Linear;
import io.quern.nn.Losses;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.transformer.EncoderBatch;

/** BERT as it is pre-trained: what stands at each position, by an output layer that is tied to the token embedding. */
public final class BertForMaskedLM extends BertModel {
    private final Bert bert;
    private final Head head;

    /** A model whose parameters are what {@code init} makes; see {@link Bert#init}. */
    public BertForMaskedLM(BertConfig config, Init init) {
        bert = child("bert", new Bert(config, false, init.at("bert.")));
        head = child("cls.predictions", new Head(config, init.at("cls.predictions.")));
        nameParameters();
    }

    /** Logits [B, T, V] of the token at each position; of no meaning where a sequence is padded. */
    public Tensor logits(EncoderBatch batch) {
        return Scope.tidy(() -> head.forward(bert.forward(batch), bert));
    }

    /** Mean cross-entropy of the tokens (I32 [B, T]) that were masked; {@link Losses#IGNORE} elsewhere does not count. */
    public Tensor loss(EncoderBatch batch, Tensor tokens) {
        return Losses.crossEntropy(logits(batch), tokens.to(device()));
    }

    private static final class Head extends Module {
        private final BertConfig config;
        private final Linear dense;
        private final LayerNorm norm;
        private final Param bias;

        Head(BertConfig config, Init init) {
            this.config = config;
            int width = config.hiddenSize();
            dense = child("transform.dense", Bert.linear(init, "transform.dense", width, width));
            norm = child("transform.LayerNorm", Bert.norm(config, init, "transform.LayerNorm"));
            bias = param("bias", init.make("bias", Shape.of(config.vocabSize())));
        }

        Tensor forward(Tensor hidden, Bert bert) {
            Tensor x = norm.forward(dense.forward(hidden, config.activation().function()));
            return bert.project(x).add(bias.value());
        }
    }

    @Override
    public Bert encoder() {
        return bert;
    }

    @Override
    public String architecture() {
        return "BertForMaskedLM";
    }
}
