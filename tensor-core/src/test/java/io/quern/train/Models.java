package io.quern.train;

import io.quern.nn.Conv1D;
import io.quern.nn.Dropout;
import io.quern.nn.Embedding;
import io.quern.nn.Init;
import io.quern.nn.Losses;
import io.quern.nn.Module;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.train.data.Batch;
import io.quern.train.data.Batches;

/** Small models and data that the tests train. */
final class Models {
    private Models() {}

    /** Two layers with a tanh between. */
    static final class Mlp extends Module {
        private final Conv1D hidden;
        private final Conv1D out;

        Mlp(int in, int width, int outputs, long seed) {
            Init init = Init.normal(seed, 0.7);
            hidden = child("hidden", layer(init.at("hidden."), in, width));
            out = child("out", layer(init.at("out."), width, outputs));
            nameParameters();
        }

        Tensor forward(Tensor x) {
            return out.forward(hidden.forward(x).tanh());
        }

        Tensor loss(Batch b) {
            return Losses.meanSquaredError(forward(b.inputs()), b.targets());
        }
    }

    /** One linear layer. */
    static final class Line extends Module {
        private final Conv1D layer;

        Line(int in) {
            layer = child("layer", layer(Init.constant(0), in, 1));
            nameParameters();
        }

        Tensor loss(Batch b) {
            return Losses.meanSquaredError(layer.forward(b.inputs()), b.targets());
        }
    }

    /** Predicts the next token from this one: embedding, dropout, one hidden layer, tied output. */
    static final class NextToken extends Module {
        private final Embedding table;
        private final Conv1D hidden;
        private final Dropout dropout;

        NextToken(int vocabulary, int width, double dropout, long seed) {
            Init init = Init.normal(seed, 0.3);
            this.table = child("table", new Embedding(init.make("table.weight", Shape.of(vocabulary, width))));
            this.hidden = child("hidden", layer(init.at("hidden."), width, width));
            this.dropout = new Dropout(dropout);
            nameParameters();
        }

        Tensor logits(Tensor ids) {
            return table.project(
                    hidden.forward(dropout.forward(table.forward(ids))).tanh());
        }

        Tensor loss(Batch b) {
            return Losses.crossEntropy(logits(b.inputs()), b.targets());
        }
    }

    private static Conv1D layer(Init init, int in, int out) {
        return new Conv1D(
                init.make("weight", Shape.of(in, out)), Init.constant(0).make("bias", Shape.of(out)));
    }

    /** The same rows in every batch. */
    record Rows(float[] inputs, int in, float[] targets, int out) implements Batches<Batch> {
        @Override
        public Batch batch(long index) {
            return new Batch(Tensor.of(inputs, inputs.length / in, in), Tensor.of(targets, targets.length / out, out));
        }

        @Override
        public long perEpoch() {
            return 1;
        }

        @Override
        public long items(Batch b) {
            return b.inputs().dim(0);
        }

        @Override
        public String unit() {
            return "rows";
        }
    }
}
