package io.quern.transformer.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.tensor.TensorException;
import io.quern.transformer.Activation;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.ModelConfig;
import io.quern.transformer.WeightNames;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.regex.Pattern;

/**
 * GPT-2's settings, under the names of its {@code config.json}.
 *
 * @param vocabSize number of token ids
 * @param nPositions the most tokens of a sequence
 * @param nEmbd width of the hidden states
 * @param nLayer number of blocks
 * @param nHead number of attention heads; they divide the width
 * @param nInner width inside the feed-forward layer
 * @param activation of the feed-forward layer
 * @param layerNormEpsilon added to the variance
 * @param residPdrop dropout of what is added to the residual stream
 * @param embdPdrop dropout of the embedding
 * @param attnPdrop dropout of the attention weights
 * @param scaleAttnWeights whether scores are divided by the root of the head size
 * @param scaleAttnByInverseLayerIdx whether those of block i are also divided by i + 1
 * @param tieWordEmbeddings whether the output layer is the embedding
 * @param bosTokenId begins a text; empty where none does
 * @param eosTokenIds end a text
 */
public record Gpt2Config(
        int vocabSize,
        int nPositions,
        int nEmbd,
        int nLayer,
        int nHead,
        int nInner,
        Activation activation,
        double layerNormEpsilon,
        double residPdrop,
        double embdPdrop,
        double attnPdrop,
        boolean scaleAttnWeights,
        boolean scaleAttnByInverseLayerIdx,
        boolean tieWordEmbeddings,
        OptionalInt bosTokenId,
        List<Integer> eosTokenIds)
        implements ModelConfig {
    /** The begin and end of GPT-2's own vocabulary, which its configuration means where it says nothing. */
    private static final int END_OF_TEXT = 50256;

    private static final WeightNames NAMES = new WeightNames(
            "transformer.",
            Pattern.compile("h\\.\\d+\\.attn\\.(masked_)?bias"),
            Map.of("lm_head.weight", "transformer.wte.weight"),
            Map.of(
                    WeightNames.Role.CONV1D,
                    Pattern.compile("h\\.\\d+\\.(attn|mlp)\\.c_\\w+\\.weight"),
                    WeightNames.Role.VOCABULARY,
                    Pattern.compile("(wte|lm_head)\\.weight")));

    private static final WeightNames UNTIED_NAMES =
            new WeightNames(NAMES.optionalPrefix(), NAMES.ignored(), Map.of(), NAMES.roles());

    public Gpt2Config {
        if (vocabSize < 1 || nPositions < 1 || nEmbd < 1 || nLayer < 1 || nHead < 1 || nInner < 1) {
            throw new TensorException("gpt2: sizes must be positive; vocab_size " + vocabSize + ", n_positions "
                    + nPositions + ", n_embd " + nEmbd + ", n_layer " + nLayer + ", n_head " + nHead + ", n_inner "
                    + nInner);
        }
        if (nEmbd % nHead != 0) {
            throw new TensorException("gpt2: n_embd " + nEmbd + " is not a multiple of n_head " + nHead);
        }
        eosTokenIds = List.copyOf(eosTokenIds);
    }

    /** A GPT-2 of these sizes, tied, without dropout, whose texts have no begin or end token. */
    public static Gpt2Config of(int vocabSize, int nPositions, int nEmbd, int nLayer, int nHead) {
        return new Gpt2Config(
                vocabSize,
                nPositions,
                nEmbd,
                nLayer,
                nHead,
                4 * nEmbd,
                Activation.GELU_NEW,
                1e-5,
                0,
                0,
                0,
                true,
                false,
                true,
                OptionalInt.empty(),
                List.of());
    }

    /** The same with this dropout everywhere. */
    public Gpt2Config withDropout(double p) {
        return new Gpt2Config(
                vocabSize,
                nPositions,
                nEmbd,
                nLayer,
                nHead,
                nInner,
                activation,
                layerNormEpsilon,
                p,
                p,
                p,
                scaleAttnWeights,
                scaleAttnByInverseLayerIdx,
                tieWordEmbeddings,
                bosTokenId,
                eosTokenIds);
    }

    /** The same with this token at the begin and end of texts. */
    public Gpt2Config withEndOfText(int id) {
        return new Gpt2Config(
                vocabSize,
                nPositions,
                nEmbd,
                nLayer,
                nHead,
                nInner,
                activation,
                layerNormEpsilon,
                residPdrop,
                embdPdrop,
                attnPdrop,
                scaleAttnWeights,
                scaleAttnByInverseLayerIdx,
                tieWordEmbeddings,
                OptionalInt.of(id),
                List.of(id));
    }

    /**
     * Reads {@code config.json}.
     *
     * @throws TensorException if a value is missing, wrong, or asks for what is not supported
     */
    public static Gpt2Config read(ConfigJson json) {
        int width = json.integer("n_embd", 1, 1 << 20);
        int heads = json.integer("n_head", 1, 1 << 16);
        if (width % heads != 0) {
            throw json.unexpected("n_head", "a divisor of n_embd " + width);
        }
        if (json.flag("add_cross_attention", false)) {
            throw json.unexpected("add_cross_attention", "false, for there is no encoder");
        }
        String activation = json.string("activation_function", Activation.GELU_NEW.label());
        int vocabSize = json.integer("vocab_size", 1, 1 << 26);
        return new Gpt2Config(
                vocabSize,
                json.integer("n_positions", 1, 1 << 26),
                width,
                json.integer("n_layer", 1, 1 << 12),
                heads,
                json.integer("n_inner", 1, 1 << 22, 4 * width),
                Activation.find(activation)
                        .orElseThrow(() -> json.unexpected("activation_function", "one of " + Activation.labels())),
                positive(json, "layer_norm_epsilon", 1e-5),
                probability(json, "resid_pdrop"),
                probability(json, "embd_pdrop"),
                probability(json, "attn_pdrop"),
                json.flag("scale_attn_weights", true),
                json.flag("scale_attn_by_inverse_layer_idx", false),
                json.flag("tie_word_embeddings", true),
                ids(json, "bos_token_id", vocabSize).stream().mapToInt(i -> i).findFirst(),
                ids(json, "eos_token_id", vocabSize));
    }

    private static double positive(ConfigJson json, String key, double absent) {
        double x = json.number(key, absent);
        if (!(x > 0)) {
            throw json.unexpected(key, "a positive number");
        }
        return x;
    }

    private static double probability(ConfigJson json, String key) {
        double p = json.number(key, 0.1);
        if (!(p >= 0 && p < 1)) {
            throw json.unexpected(key, "a probability below 1");
        }
        return p;
    }

    private static List<Integer> ids(ConfigJson json, String key, int vocabSize) {
        if (json.mentions(key)) {
            return json.ids(key);
        }
        return END_OF_TEXT < vocabSize ? List.of(END_OF_TEXT) : List.of();
    }

    @Override
    public ObjectNode toJson() {
        ObjectNode json = ConfigJson.object();
        json.putArray("architectures").add(ModelFamily.GPT2.architectures().getFirst());
        json.put("model_type", ModelFamily.GPT2.modelType());
        json.put("vocab_size", vocabSize);
        json.put("n_positions", nPositions);
        json.put("n_embd", nEmbd);
        json.put("n_layer", nLayer);
        json.put("n_head", nHead);
        json.put("n_inner", nInner);
        json.put("activation_function", activation.label());
        json.put("layer_norm_epsilon", layerNormEpsilon);
        json.put("resid_pdrop", residPdrop);
        json.put("embd_pdrop", embdPdrop);
        json.put("attn_pdrop", attnPdrop);
        json.put("scale_attn_weights", scaleAttnWeights);
        json.put("scale_attn_by_inverse_layer_idx", scaleAttnByInverseLayerIdx);
        json.put("tie_word_embeddings", tieWordEmbeddings);
        json.put("bos_token_id", bosTokenId.isPresent() ? (Integer) bosTokenId.getAsInt() : null);
        switch (eosTokenIds.size()) {
            case 0 -> json.putNull("eos_token_id");
            case 1 -> json.put("eos_token_id", eosTokenIds.getFirst());
            default -> eosTokenIds.forEach(json.putArray("eos_token_id")::add);
        }
        return json;
    }

    @Override
    public int contextLength() {
        return nPositions;
    }

    /** Width of a head. */
    public int headSize() {
        return nEmbd / nHead;
    }

    @Override
    public Gpt2 build(Init init) {
        return new Gpt2(this, init);
    }

    @Override
    public WeightNames weightNames() {
        return tieWordEmbeddings ? NAMES : UNTIED_NAMES;
    }
}
