package io.quern.transformer.model;

import io.quern.nn.Conv1D;
import io.quern.nn.Dropout;
import io.quern.nn.Embedding;
import io.quern.nn.Init;
import io.quern.nn.LayerNorm;
import io.quern.nn.Linear;
import io.quern.nn.Module;
import io.quern.nn.Recompute;
import io.quern.nn.TrainingMode;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Recording;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.KvCache;
import io.quern.transformer.TokenBatch;
import java.util.ArrayList;
import java.util.List;

/**
 * GPT-2: learned positions, pre-norm blocks, an output layer tied to the embedding. Parameters have the paths of Hugging
 * Face's checkpoints. Source: Radford et al., "Language models are unsupervised multitask learners" (2019).
 */
public final class Gpt2 extends CausalLanguageModel {
    private final Gpt2Config config;
    private final Embedding wte;
    private final Embedding wpe;
    private final Dropout dropout;
    private final List<Block> blocks = new ArrayList<>();
    private final LayerNorm lnF;
    private final Linear lmHead;

    /** A model whose parameters are what {@code init} makes: {@link Init#gpt2} for a new one. */
    public Gpt2(Gpt2Config config, Init init) {
        this.config = config;
        int width = config.nEmbd();
        wte = child("transformer.wte", embedding(init, "transformer.wte", config.vocabSize(), width));
        wpe = child("transformer.wpe", embedding(init, "transformer.wpe", config.nPositions(), width));
        dropout = new Dropout(config.embdPdrop());
        for (int i = 0; i < config.nLayer(); i++) {
            String path = "transformer.h." + i;
            blocks.add(child(path, new Block(config, i, init.at(path + "."))));
        }
        lnF = child("transformer.ln_f", norm(config, init, "transformer.ln_f"));
        lmHead = config.tieWordEmbeddings()
                ? null
                : child("lm_head", new Linear(init.make("lm_head.weight", Shape.of(config.vocabSize(), width)), null));
        nameParameters();
    }

    @Override
    protected Tensor encode(TokenBatch batch, KvCache cache, List<Tensor> states) {
        if (cache != null && batch.mask() != null) {
            throw new TensorException(
                    "gpt2: a padded batch cannot go with a cache; run prompts of other lengths one by one");
        }
        Tensor positions = batch.positions() != null
                ? wpe.forward(batch.positions())
                : Recording.sliding(
                        wpe.weight()
                                .value()
                                .narrow(
                                        0,
                                        cache == null ? 0 : cache.length(),
                                        batch.ids().dim(1)),
                        0);
        Tensor tokens = wte.forward(batch.ids()).cast(positions.dtype()); // the table may be of fewer bits
        Tensor x = dropout.forward(tokens.add(positions)); // [B, T, C]
        Tensor added = null; // x + added is what passes between blocks: the next norm adds them on its way
        for (Block block : blocks) {
            if (states != null) {
                states.add(added == null ? x : x.add(added));
            }
            if (recomputes() && cache == null) {
                x = Recompute.of(x, in -> block.forward(in, batch.mask()));
            } else {
                List<Tensor> summands = block.forward(x, added, batch.mask(), cache);
                x = summands.get(0);
                added = summands.get(1);
            }
        }
        return added == null ? lnF.forward(x) : lnF.forwardSum(x, added).getFirst();
    }

    @Override
    protected Tensor project(Tensor hidden) {
        return lmHead == null ? wte.project(hidden) : lmHead.forward(hidden);
    }

    /** x + attention of the normed x, and that + feed-forward of the normed sum. */
    private static final class Block extends Module {
        private final LayerNorm ln1;
        private final SelfAttention attn;
        private final LayerNorm ln2;
        private final FeedForward mlp;

        Block(Gpt2Config config, int layer, Init init) {
            ln1 = child("ln_1", norm(config, init, "ln_1"));
            attn = child("attn", new SelfAttention(config, layer, init.at("attn.")));
            ln2 = child("ln_2", norm(config, init, "ln_2"));
            mlp = child("mlp", new FeedForward(config, init.at("mlp.")));
        }

        Tensor forward(Tensor x, Tensor mask) {
            return Scope.tidy(() -> {
                List<Tensor> summands = forward(x, null, mask, null);
                return summands.get(0).add(summands.get(1));
            });
        }

        /** Takes x + added, of which the latter may be null, and gives two summands as well. */
        List<Tensor> forward(Tensor x, Tensor added, Tensor mask, KvCache cache) {
            return Scope.tidy(() -> {
                List<Tensor> first = added == null ? List.of(ln1.forward(x), x) : ln1.forwardSum(x, added);
                List<Tensor> second = ln2.forwardSum(first.get(1), attn.forward(first.get(0), mask, cache));
                return List.of(second.get(1), mlp.forward(second.get(0)));
            });
        }
    }

    private static final class SelfAttention extends Module {
        private final int layer;
        private final int heads;
        private final double scale;
        private final double weightDropout;
        private final Conv1D cAttn;
        private final Conv1D cProj;
        private final Dropout residualDropout;

        SelfAttention(Gpt2Config config, int layer, Init init) {
            this.layer = layer;
            this.heads = config.nHead();
            double byHead = config.scaleAttnWeights() ? 1 / Math.sqrt(config.headSize()) : 1;
            this.scale = config.scaleAttnByInverseLayerIdx() ? byHead / (layer + 1) : byHead;
            this.weightDropout = config.attnPdrop();
            int width = config.nEmbd();
            cAttn = child("c_attn", linear(init, "c_attn", width, 3 * width));
            cProj = child("c_proj", linear(init, "c_proj", width, width));
            residualDropout = new Dropout(config.residPdrop());
        }

        Tensor forward(Tensor x, Tensor mask, KvCache cache) {
            int b = x.dim(0);
            int t = x.dim(1);
            int c = x.dim(2);
            Tensor qkv = cAttn.forward(x).reshape(b, t, 3, heads, c / heads);
            Tensor q = qkv.select(2, 0); // [B, T, H, D]
            Tensor k = qkv.select(2, 1);
            Tensor v = qkv.select(2, 2);
            Tensor y = cache == null ? q.attention(k, v, mask, options()) : cache.attend(layer, q, k, v, options());
            return residualDropout.forward(cProj.forward(y.reshape(b, t, c)));
        }

        private Attention.Options options() {
            TrainingMode mode = TrainingMode.current();
            return mode == null || weightDropout == 0
                    ? Attention.Options.causal(scale)
                    : new Attention.Options(true, scale, weightDropout, mode.seed(), mode.nextStream());
        }
    }

    private static final class FeedForward extends Module {
        private final Conv1D cFc;
        private final Conv1D cProj;
        private final Gpt2Config config;
        private final Dropout residualDropout;

        FeedForward(Gpt2Config config, Init init) {
            this.config = config;
            cFc = child("c_fc", linear(init, "c_fc", config.nEmbd(), config.nInner()));
            cProj = child("c_proj", linear(init, "c_proj", config.nInner(), config.nEmbd()));
            residualDropout = new Dropout(config.residPdrop());
        }

        Tensor forward(Tensor x) {
            return residualDropout.forward(
                    cProj.forward(cFc.forward(x, config.activation().function())));
        }
    }

    private static Embedding embedding(Init init, String path, int rows, int width) {
        return new Embedding(init.make(path + ".weight", Shape.of(rows, width)));
    }

    private static Conv1D linear(Init init, String path, int in, int out) {
        return new Conv1D(init.make(path + ".weight", Shape.of(in, out)), init.make(path + ".bias", Shape.of(out)));
    }

    private static LayerNorm norm(Gpt2Config config, Init init, String path) {
        Shape shape = Shape.of(config.nEmbd());
        return new LayerNorm(
                init.make(path + ".weight", shape), init.make(path + ".bias", shape), config.layerNormEpsilon());
    }

    @Override
    public Gpt2Config config() {
        return config;
    }

    @Override
    public Device device() {
        return wte.weight().value().device();
    }

    @Override
    public KvCache newCache(int rows) {
        DType dtype = wpe.weight().value().dtype();
        return new KvCache(
                device(), dtype, config.nLayer(), rows, config.nHead(), config.headSize(), config.nPositions());
    }
}
