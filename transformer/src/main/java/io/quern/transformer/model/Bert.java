package io.quern.transformer.model;

import io.quern.nn.Dropout;
import io.quern.nn.Embedding;
import io.quern.nn.Init;
import io.quern.nn.LayerNorm;
import io.quern.nn.Linear;
import io.quern.nn.Module;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;
import io.quern.transformer.EncoderBatch;
import java.util.ArrayList;
import java.util.List;

/**
 * BERT: embeddings of token, position and token type, and post-norm blocks in which every token sees every other one that
 * is not padding. Parameters have the paths of Hugging Face's {@code BertModel}. Source: Devlin et al., "BERT:
 * Pre-training of deep bidirectional transformers for language understanding" (2019). B is the batch, T the tokens, C the
 * width.
 */
public final class Bert extends BertModel {
    private final BertConfig config;
    private final Embeddings embeddings;
    private final List<Block> blocks = new ArrayList<>();
    private final Linear pooler;

    /**
     * A model whose parameters are what {@code init} makes; see {@link #init}.
     *
     * @param pooler whether it has a pooler, which classifiers need and sentence encoders may lack
     */
    public Bert(BertConfig config, boolean pooler, Init init) {
        this.config = config;
        embeddings = child("embeddings", new Embeddings(config, init.at("embeddings.")));
        for (int i = 0; i < config.layers(); i++) {
            String path = "encoder.layer." + i;
            blocks.add(child(path, new Block(config, init.at(path + "."))));
        }
        int width = config.hiddenSize();
        this.pooler = pooler ? child("pooler.dense", linear(init, "pooler.dense", width, width)) : null;
        nameParameters();
    }

    /**
     * First values as BERT's authors chose them: zeros for biases, ones for the weights of norms, else normal with standard
     * deviation 0.02.
     */
    public static Init init(long seed) {
        Init bias = Init.constant(0);
        Init norm = Init.constant(1);
        Init weight = Init.normal(seed, 0.02);
        return (path, shape) -> {
            Init kind = path.endsWith("bias") ? bias : shape.rank() == 1 ? norm : weight;
            return kind.make(path, shape);
        };
    }

    /**
     * Hidden states [B, T, C] of the last block; of no meaning where a sequence is padded.
     *
     * @throws TensorException if the batch is longer than there are positions
     */
    public Tensor forward(EncoderBatch batch) {
        return Scope.tidy(() -> encode(batch, null));
    }

    /** The normed embedding [B, T, C], then the output of each block. */
    public List<Tensor> hiddenStates(EncoderBatch batch) {
        return Scope.tidy(() -> {
            List<Tensor> states = new ArrayList<>();
            states.add(encode(batch, states));
            return states;
        });
    }

    /**
     * What a classifier sees, [B, C]: tanh of a linear layer of the first token's hidden state.
     *
     * @param hidden the hidden states [B, T, C] of {@link #forward}
     * @throws TensorException if this model has no pooler
     */
    public Tensor pooled(Tensor hidden) {
        if (pooler == null) {
            throw new TensorException("bert: this model has no pooler; take the hidden states instead");
        }
        return Scope.tidy(() -> pooler.forward(hidden.select(1, 0)).tanh());
    }

    public boolean hasPooler() {
        return pooler != null;
    }

    /** Logits [..., V] by the token embedding, to which BERT's masked language model ties its output layer. */
    Tensor project(Tensor x) {
        return embeddings.words.project(x);
    }

    private Tensor encode(EncoderBatch batch, List<Tensor> states) {
        int t = batch.ids().dim(1);
        if (t > config.maxPositions()) {
            throw new TensorException("a sequence of " + t + " tokens is longer than the model's "
                    + config.maxPositions() + " positions; truncate it");
        }
        EncoderBatch here = batch.to(place());
        Tensor x = embeddings.forward(here);
        for (Block block : blocks) {
            if (states != null) {
                states.add(x);
            }
            x = block.forward(x, here.mask());
        }
        return x;
    }

    private static final class Embeddings extends Module {
        private final Embedding words;
        private final Embedding positions;
        private final Embedding types;
        private final LayerNorm norm;
        private final Dropout dropout;

        Embeddings(BertConfig config, Init init) {
            words = child("word_embeddings", embedding(config, init, "word_embeddings", config.vocabSize()));
            positions =
                    child("position_embeddings", embedding(config, init, "position_embeddings", config.maxPositions()));
            types = child(
                    "token_type_embeddings", embedding(config, init, "token_type_embeddings", config.typeVocabSize()));
            norm = child("LayerNorm", norm(config, init, "LayerNorm"));
            dropout = new Dropout(config.hiddenDropout());
        }

        Tensor forward(EncoderBatch batch) {
            Tensor place = positions.weight().value().narrow(0, 0, batch.ids().dim(1)); // [T, C]
            Tensor tokens = words.forward(batch.ids()).cast(place.dtype()); // the table may be of fewer bits
            Tensor sum = batch.tokenTypes() == null
                    ? tokens.add(place.add(types.weight().value().narrow(0, 0, 1)))
                    : tokens.add(types.forward(batch.tokenTypes())).add(place);
            return dropout.forward(norm.forward(sum));
        }
    }

    /** norm(x + attention of x), and norm of that + its feed-forward. */
    private static final class Block extends Module {
        private final BertConfig config;
        private final Linear query;
        private final Linear key;
        private final Linear value;
        private final Linear projection;
        private final LayerNorm attentionNorm;
        private final Linear intermediate;
        private final Linear output;
        private final LayerNorm outputNorm;
        private final Dropout dropout;

        Block(BertConfig config, Init init) {
            this.config = config;
            int c = config.hiddenSize();
            String attention = "attention.self.";
            query = child(attention + "query", linear(init, attention + "query", c, c));
            key = child(attention + "key", linear(init, attention + "key", c, c));
            value = child(attention + "value", linear(init, attention + "value", c, c));
            projection = child("attention.output.dense", linear(init, "attention.output.dense", c, c));
            attentionNorm = child("attention.output.LayerNorm", norm(config, init, "attention.output.LayerNorm"));
            intermediate =
                    child("intermediate.dense", linear(init, "intermediate.dense", c, config.intermediateSize()));
            output = child("output.dense", linear(init, "output.dense", config.intermediateSize(), c));
            outputNorm = child("output.LayerNorm", norm(config, init, "output.LayerNorm"));
            dropout = new Dropout(config.hiddenDropout());
        }

        Tensor forward(Tensor x, Tensor mask) {
            return Scope.tidy(() -> {
                Tensor a = attentionNorm.forwardSum(x, attention(x, mask)).getFirst();
                Tensor inner = intermediate.forward(a, config.activation().function());
                return outputNorm
                        .forwardSum(a, dropout.forward(output.forward(inner)))
                        .getFirst();
            });
        }

        private Tensor attention(Tensor x, Tensor mask) {
            return Scope.tidy(() -> {
                Tensor y = heads(query, x).attention(heads(key, x), heads(value, x), mask, options());
                return dropout.forward(projection.forward(y.reshape(x.shape())));
            });
        }

        private Tensor heads(Linear layer, Tensor x) {
            return layer.forward(x).reshape(x.dim(0), x.dim(1), config.heads(), config.headSize());
        }

        private Attention.Options options() {
            double scale = 1 / Math.sqrt(config.headSize());
            TrainingMode mode = TrainingMode.current();
            return mode == null || config.attentionDropout() == 0
                    ? Attention.Options.full(scale)
                    : new Attention.Options(false, scale, config.attentionDropout(), mode.seed(), mode.nextStream());
        }
    }

    private static Embedding embedding(BertConfig config, Init init, String path, int rows) {
        return new Embedding(init.make(path + ".weight", Shape.of(rows, config.hiddenSize())));
    }

    static Linear linear(Init init, String path, int in, int out) {
        return new Linear(init.make(path + ".weight", Shape.of(out, in)), init.make(path + ".bias", Shape.of(out)));
    }

    static LayerNorm norm(BertConfig config, Init init, String path) {
        Shape shape = Shape.of(config.hiddenSize());
        return new LayerNorm(
                init.make(path + ".weight", shape), init.make(path + ".bias", shape), config.layerNormEps());
    }

    BertConfig settings() {
        return config;
    }

    Device place() {
        return embeddings.positions.weight().value().device();
    }

    @Override
    public Bert encoder() {
        return this;
    }

    @Override
    public String architecture() {
        return "BertModel";
    }
}
