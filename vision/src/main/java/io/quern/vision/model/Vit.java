package io.quern.vision.model;

import io.quern.nn.Dropout;
import io.quern.nn.Init;
import io.quern.nn.LayerNorm;
import io.quern.nn.Linear;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;
import io.quern.vision.ImageModel;
import java.util.ArrayList;
import java.util.List;

/**
 * The vision transformer: patches as tokens, a class token, learned positions, pre-norm blocks that see everything.
 * Parameters have the paths of Hugging Face's {@code ViTForImageClassification}. Source: Dosovitskiy et al., "An image is
 * worth 16x16 words" (2021).
 */
public final class Vit extends ImageModel {
    private final VitConfig config;
    private final Embeddings embeddings;
    private final List<Block> blocks = new ArrayList<>();
    private final LayerNorm layernorm;
    private final Linear classifier;
    private final Linear distilled;

    public Vit(VitConfig config, Init init) {
        this.config = config;
        String prefix = config.prefix();
        embeddings = child(prefix + "embeddings", new Embeddings(config, init.at(prefix + "embeddings.")));
        for (int i = 0; i < config.layers(); i++) {
            String path = prefix + "encoder.layer." + i;
            blocks.add(child(path, new Block(config, i, init.at(path + "."))));
        }
        layernorm = child(prefix + "layernorm", norm(config, init, prefix + "layernorm"));
        boolean two = config.distillation() == VitConfig.Distillation.READ;
        classifier = head(two ? "cls_classifier" : "classifier", init);
        distilled = two ? head("distillation_classifier", init) : null;
        nameParameters();
    }

    private Linear head(String name, Init init) {
        return child(
                name, linear(init, name, config.hiddenSize(), config.labels().size(), true));
    }

    @Override
    public Tensor forward(Tensor pixels) {
        return forward(pixels, null);
    }

    /**
     * Normalised pixels [N, C, H, W], of any size that patches divide, to logits [N, classes].
     *
     * @param states if not null, gets the embedding and the output of every block, each [N, tokens, hidden]
     */
    public Tensor forward(Tensor pixels, List<Tensor> states) {
        Tensor x = embeddings.forward(pixels); // [N, T, C]
        for (Block block : blocks) {
            if (states != null) {
                states.add(x);
            }
            x = block.forward(x);
        }
        if (states != null) {
            states.add(x);
        }
        if (config.pooling() == VitConfig.Pooling.MEAN) {
            return classifier.forward(
                    layernorm.forward(x.narrow(1, 1, x.dim(1) - 1).mean(1)));
        }
        Tensor logits = classifier.forward(layernorm.forward(x.select(1, 0)));
        return distilled == null
                ? logits
                : logits.add(distilled.forward(layernorm.forward(x.select(1, 1))))
                        .scale(0.5);
    }

    /**
     * How much each patch matters for what the classifier sees, by attention rollout: the attention of every block, mean
     * over its heads, half mixed with the identity for the residual stream, multiplied through. Source: Abnar and Zuidema,
     * "Quantifying attention flow in transformers" (2020).
     *
     * @param pixels one picture [1, C, H, W]
     * @return [H / patch, W / patch], row-major
     */
    public float[] rollout(Tensor pixels) {
        Tensor x = embeddings.forward(pixels);
        int t = x.dim(1);
        double[] flow = new double[t];
        List<double[]> attentions = new ArrayList<>();
        for (Block block : blocks) {
            attentions.add(block.meanAttention(x));
            x = block.forward(x);
        }
        boolean cls = config.pooling() == VitConfig.Pooling.CLS;
        for (int i = 0; i < t; i++) {
            flow[i] = cls ? seen(i) : (i == 0 ? 0 : 1.0 / (t - 1));
        }
        for (double[] a : attentions.reversed()) {
            double[] next = new double[t];
            for (int i = 0; i < t; i++) {
                for (int j = 0; j < t; j++) {
                    next[j] += flow[i] * 0.5 * (a[i * t + j] + (i == j ? 1 : 0));
                }
            }
            flow = next;
        }
        int leading = config.leadingTokens();
        float[] patches = new float[t - leading];
        for (int i = leading; i < t; i++) {
            patches[i - leading] = (float) flow[i];
        }
        return patches;
    }

    /** How much of what is classified is token {@code i}, where that is no mean of patches. */
    private double seen(int i) {
        if (distilled != null) {
            return i < 2 ? 0.5 : 0;
        }
        return i == 0 ? 1 : 0;
    }

    /** [class token, distillation token if there is one, patches] + positions. */
    private static final class Embeddings extends Module {
        private final VitConfig config;
        private final Param clsToken;
        private final Param distillationToken;
        private final Param positions;
        private final Param patchWeight;
        private final Param patchBias;
        private final Dropout dropout;

        Embeddings(VitConfig config, Init init) {
            this.config = config;
            int c = config.hiddenSize();
            int p = config.patchSize();
            int patches = config.grid() * config.grid();
            clsToken = param("cls_token", init.make("cls_token", Shape.of(1, 1, c)));
            distillationToken = config.distillation() == VitConfig.Distillation.NONE
                    ? null
                    : param("distillation_token", init.make("distillation_token", Shape.of(1, 1, c)));
            int tokens = config.leadingTokens() + patches;
            positions = param("position_embeddings", init.make("position_embeddings", Shape.of(1, tokens, c)));
            String path = "patch_embeddings.projection.";
            patchWeight = param(path + "weight", init.make(path + "weight", Shape.of(c, config.channels(), p, p)));
            patchBias = param(path + "bias", init.make(path + "bias", Shape.of(c)));
            dropout = new Dropout(config.dropout());
        }

        Tensor forward(Tensor pixels) {
            int p = config.patchSize();
            if (pixels.shape().rank() != 4
                    || pixels.dim(1) != config.channels()
                    || pixels.dim(2) % p != 0
                    || pixels.dim(3) % p != 0) {
                throw new TensorException("vit: expected pixels [N, " + config.channels()
                        + ", H, W] with H and W multiples of the patch size " + p + "; got " + pixels.describe());
            }
            int n = pixels.dim(0);
            int rows = pixels.dim(2) / p;
            int columns = pixels.dim(3) / p;
            int c = config.hiddenSize();
            // A convolution whose windows do not overlap is one product of the patches as rows.
            Tensor patches = pixels.reshape(n, config.channels(), rows, p, columns, p)
                    .permute(0, 2, 4, 1, 3, 5)
                    .reshape(n, rows * columns, config.channels() * p * p);
            Tensor tokens = patches.matmul(patchWeight.value().reshape(c, -1).transpose(0, 1), patchBias.value());
            Tensor cls = clsToken.value().expand(Shape.of(n, 1, c));
            Tensor all = distillationToken == null
                    ? Tensor.concat(1, cls, tokens)
                    : Tensor.concat(1, cls, distillationToken.value().expand(Shape.of(n, 1, c)), tokens);
            return dropout.forward(all.add(positions(rows, columns)));
        }

        private Tensor positions(int rows, int columns) {
            int grid = config.grid();
            Tensor all = positions.value();
            if (rows == grid && columns == grid) {
                return all;
            }
            int c = config.hiddenSize();
            int leading = config.leadingTokens();
            Tensor resize = Tensor.of(Bicubic.matrix(grid, grid, rows, columns), rows * columns, grid * grid)
                    .to(all.device());
            Tensor patches = resize.matmul(all.narrow(1, leading, grid * grid).reshape(grid * grid, c));
            return Tensor.concat(1, all.narrow(1, 0, leading), patches.reshape(1, rows * columns, c));
        }
    }

    /** x + attention of the normed x, and that + feed-forward of the normed sum. */
    private static final class Block extends Module {
        private final LayerNorm before;
        private final Linear query;
        private final Linear key;
        private final Linear value;
        private final Linear projection;
        private final LayerNorm after;
        private final Linear intermediate;
        private final Linear output;
        private final VitConfig config;
        private final Dropout dropout;
        private final double dropPath;

        Block(VitConfig config, int layer, Init init) {
            this.config = config;
            int c = config.hiddenSize();
            String attention = "attention.attention.";
            query = child(attention + "query", linear(init, attention + "query", c, c, config.qkvBias()));
            key = child(attention + "key", linear(init, attention + "key", c, c, config.qkvBias()));
            value = child(attention + "value", linear(init, attention + "value", c, c, config.qkvBias()));
            projection = child("attention.output.dense", linear(init, "attention.output.dense", c, c, true));
            intermediate =
                    child("intermediate.dense", linear(init, "intermediate.dense", c, config.intermediateSize(), true));
            output = child("output.dense", linear(init, "output.dense", config.intermediateSize(), c, true));
            before = child("layernorm_before", norm(config, init, "layernorm_before"));
            after = child("layernorm_after", norm(config, init, "layernorm_after"));
            dropout = new Dropout(config.dropout());
            dropPath = config.layers() == 1 ? config.dropPath() : config.dropPath() * layer / (config.layers() - 1);
        }

        Tensor forward(Tensor x) {
            return Scope.tidy(() -> {
                List<Tensor> a = after.forwardSum(x, kept(attention(before.forward(x)))); // normed, sum
                Tensor inner =
                        intermediate.forward(a.get(0), config.activation().function());
                return a.get(1).add(kept(dropout.forward(output.forward(inner))));
            });
        }

        /** Query, key and value are views into one product: three small ones would read x three times. */
        private Tensor attention(Tensor x) {
            Tensor weight = Tensor.concat(0, query.weight(), key.weight(), value.weight()); // [3 C, C]
            Tensor bias = config.qkvBias() ? Tensor.concat(0, query.bias(), key.bias(), value.bias()) : null;
            Tensor qkv = x.matmul(weight.transpose(0, 1), bias)
                    .reshape(x.dim(0), x.dim(1), 3, config.heads(), config.hiddenSize() / config.heads());
            Tensor y = qkv.select(2, 0).attention(qkv.select(2, 1), qkv.select(2, 2), null, options());
            return dropout.forward(projection.forward(y.reshape(x.shape())));
        }

        private Tensor heads(Linear layer, Tensor x) {
            return layer.forward(x).reshape(x.dim(0), x.dim(1), config.heads(), config.hiddenSize() / config.heads());
        }

        private double scale() {
            return 1 / Math.sqrt((double) config.hiddenSize() / config.heads());
        }

        private Attention.Options options() {
            TrainingMode mode = TrainingMode.current();
            return mode == null || config.attentionDropout() == 0
                    ? Attention.Options.full(scale())
                    : new Attention.Options(false, scale(), config.attentionDropout(), mode.seed(), mode.nextStream());
        }

        /** Stochastic depth: leaves out a branch for some pictures, while training. */
        private Tensor kept(Tensor branch) {
            TrainingMode mode = TrainingMode.current();
            if (mode == null || dropPath == 0) {
                return branch;
            }
            Tensor one = Tensor.full(branch.device(), branch.dtype(), Shape.of(branch.dim(0), 1, 1), 1);
            return branch.mul(one.dropout(dropPath, mode.seed(), mode.nextStream()));
        }

        /** Attention weights of one picture, mean over the heads: [T, T]. */
        double[] meanAttention(Tensor x) {
            Tensor normed = before.forward(x);
            Tensor q = heads(query, normed).transpose(1, 2);
            Tensor k = heads(key, normed).transpose(1, 2);
            return q.matmul(k.transpose(2, 3)).scale(scale()).softmax().mean(1).toDoubles();
        }
    }

    private static Linear linear(Init init, String path, int in, int out, boolean bias) {
        return new Linear(
                init.make(path + ".weight", Shape.of(out, in)), bias ? init.make(path + ".bias", Shape.of(out)) : null);
    }

    private static LayerNorm norm(VitConfig config, Init init, String path) {
        Shape shape = Shape.of(config.hiddenSize());
        return new LayerNorm(
                init.make(path + ".weight", shape), init.make(path + ".bias", shape), config.layerNormEps());
    }

    @Override
    public VitConfig config() {
        return config;
    }
}
