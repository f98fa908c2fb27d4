package io.quern.transformer.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.TensorException;
import io.quern.transformer.Activation;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.Labels;
import io.quern.transformer.WeightNames;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * BERT's settings, under the names of its {@code config.json}.
 *
 * @param vocabSize number of token ids
 * @param hiddenSize width of the hidden states
 * @param layers number of blocks
 * @param heads number of attention heads; they divide the width
 * @param intermediateSize width inside the feed-forward layer
 * @param activation of the feed-forward layer
 * @param layerNormEps added to the variance
 * @param maxPositions the most tokens of a sequence
 * @param typeVocabSize number of token types
 * @param padTokenId fills short sequences
 * @param hiddenDropout of the embedding and of what is added to the residual stream
 * @param attentionDropout of the attention weights
 * @param classifierDropout of what a classifier sees
 * @param labels of a classifier's classes
 */
public record BertConfig(
        int vocabSize,
        int hiddenSize,
        int layers,
        int heads,
        int intermediateSize,
        Activation activation,
        double layerNormEps,
        int maxPositions,
        int typeVocabSize,
        int padTokenId,
        double hiddenDropout,
        double attentionDropout,
        double classifierDropout,
        List<String> labels) {
    static final String TYPE = "bert";

    private static final String PREFIX = "bert.";

    /** Position ids that were stored as tensors, and what pre-training alone needs. */
    private static final String UNUSED = "embeddings\\.(position_ids|token_type_ids)|cls\\.seq_relationship\\..*";

    private static final Map<WeightNames.Role, Pattern> ROLES = Map.of(
            WeightNames.Role.LINEAR,
            Pattern.compile("(encoder\\..*\\.(dense|query|key|value)|pooler\\.dense|classifier"
                    + "|cls\\.predictions\\.transform\\.dense)\\.weight"),
            WeightNames.Role.VOCABULARY,
            Pattern.compile("embeddings\\.word_embeddings\\.weight"));

    public BertConfig {
        if (vocabSize < 1
                || hiddenSize < 1
                || layers < 1
                || heads < 1
                || intermediateSize < 1
                || maxPositions < 1
                || typeVocabSize < 1) {
            throw new TensorException("bert: sizes must be positive; vocab_size " + vocabSize + ", hidden_size "
                    + hiddenSize + ", num_hidden_layers " + layers + ", num_attention_heads " + heads
                    + ", intermediate_size " + intermediateSize + ", max_position_embeddings " + maxPositions
                    + ", type_vocab_size " + typeVocabSize);
        }
        if (hiddenSize % heads != 0) {
            throw new TensorException(
                    "bert: hidden_size " + hiddenSize + " is not a multiple of num_attention_heads " + heads);
        }
        if (padTokenId < 0 || padTokenId >= vocabSize) {
            throw new TensorException("bert: pad_token_id " + padTokenId + " is not below vocab_size " + vocabSize);
        }
        labels = List.copyOf(labels);
    }

    /** A BERT of these sizes, four times as wide in its feed-forward layers, without dropout, for two classes. */
    public static BertConfig of(int vocabSize, int maxPositions, int hiddenSize, int layers, int heads) {
        return new BertConfig(
                vocabSize,
                hiddenSize,
                layers,
                heads,
                4 * hiddenSize,
                Activation.GELU,
                1e-12,
                maxPositions,
                2,
                0,
                0,
                0,
                0,
                List.of("LABEL_0", "LABEL_1"));
    }

    /** The same with this dropout everywhere. */
    public BertConfig withDropout(double p) {
        return new BertConfig(
                vocabSize,
                hiddenSize,
                layers,
                heads,
                intermediateSize,
                activation,
                layerNormEps,
                maxPositions,
                typeVocabSize,
                padTokenId,
                p,
                p,
                p,
                labels);
    }

    /** The same for these classes. */
    public BertConfig withLabels(List<String> classes) {
        return new BertConfig(
                vocabSize,
                hiddenSize,
                layers,
                heads,
                intermediateSize,
                activation,
                layerNormEps,
                maxPositions,
                typeVocabSize,
                padTokenId,
                hiddenDropout,
                attentionDropout,
                classifierDropout,
                classes);
    }

    /** Whether a {@code config.json} is one of BERT's. */
    public static boolean describes(ConfigJson json) {
        return json.string("model_type", "").equals(TYPE)
                || json.strings("architectures").stream().anyMatch(a -> a.startsWith("Bert"));
    }

    /**
     * Reads {@code config.json}.
     *
     * @throws TensorException if a value is missing, wrong, or asks for what is not supported
     */
    public static BertConfig read(ConfigJson json) {
        if (!describes(json)) {
            throw new TensorException(json.file() + ": expected a BERT, found model_type '"
                    + json.string("model_type", "") + "', architectures " + json.strings("architectures"));
        }
        int width = json.integer("hidden_size", 1, 1 << 20);
        int heads = json.integer("num_attention_heads", 1, 1 << 16);
        if (width % heads != 0) {
            throw json.unexpected("num_attention_heads", "a divisor of hidden_size " + width);
        }
        for (String flag : List.of("is_decoder", "add_cross_attention")) {
            if (json.flag(flag, false)) {
                throw json.unexpected(flag, "false, for only encoders are supported");
            }
        }
        if (!json.string("position_embedding_type", "absolute").equals("absolute")) {
            throw json.unexpected("position_embedding_type", "absolute");
        }
        int vocabSize = json.integer("vocab_size", 1, 1 << 26);
        String activation = json.string("hidden_act", Activation.GELU.label());
        double hiddenDropout = probability(json, "hidden_dropout_prob", 0.1);
        return new BertConfig(
                vocabSize,
                width,
                json.integer("num_hidden_layers", 1, 1 << 12),
                heads,
                json.integer("intermediate_size", 1, 1 << 22),
                Activation.find(activation)
                        .orElseThrow(() -> json.unexpected("hidden_act", "one of " + Activation.labels())),
                positive(json, "layer_norm_eps", 1e-12),
                json.integer("max_position_embeddings", 1, 1 << 26),
                json.integer("type_vocab_size", 1, 1 << 16, 2),
                json.integer("pad_token_id", 0, vocabSize - 1, 0),
                hiddenDropout,
                probability(json, "attention_probs_dropout_prob", 0.1),
                probability(json, "classifier_dropout", hiddenDropout),
                Labels.read(json));
    }

    private static double positive(ConfigJson json, String key, double absent) {
        double x = json.number(key, absent);
        if (!(x > 0)) {
            throw json.unexpected(key, "a positive number");
        }
        return x;
    }

    private static double probability(ConfigJson json, String key, double absent) {
        double p = json.number(key, absent);
        if (!(p >= 0 && p < 1)) {
            throw json.unexpected(key, "a probability below 1");
        }
        return p;
    }

    /** Width of a head. */
    public int headSize() {
        return hiddenSize / heads;
    }

    /** How checkpoints name tensors, of which a bare encoder has no use for the heads. */
    public static WeightNames encoderNames() {
        return names(UNUSED + "|cls\\..*|classifier\\..*", Map.of());
    }

    /** How checkpoints of a classifier name tensors. */
    public static WeightNames classifierNames() {
        return names(UNUSED + "|cls\\..*", Map.of());
    }

    /** How checkpoints of a masked language model name tensors; the output layer may be stored beside the embedding. */
    public static WeightNames maskedNames() {
        return names(
                UNUSED + "|pooler\\..*|classifier\\..*",
                Map.of(
                        "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight",
                        "cls.predictions.decoder.bias", "cls.predictions.bias"));
    }

    private static WeightNames names(String ignored, Map<String, String> copies) {
        return new WeightNames(PREFIX, Pattern.compile(ignored), copies, ROLES);
    }

    /** The contents of {@code config.json}, without the dtype. */
    public ObjectNode toJson(String architecture) {
        ObjectNode json = ConfigJson.object();
        json.putArray("architectures").add(architecture);
        json.put("model_type", TYPE);
        json.put("vocab_size", vocabSize);
        json.put("hidden_size", hiddenSize);
        json.put("num_hidden_layers", layers);
        json.put("num_attention_heads", heads);
        json.put("intermediate_size", intermediateSize);
        json.put("hidden_act", activation.label());
        json.put("layer_norm_eps", layerNormEps);
        json.put("max_position_embeddings", maxPositions);
        json.put("type_vocab_size", typeVocabSize);
        json.put("pad_token_id", padTokenId);
        json.put("hidden_dropout_prob", hiddenDropout);
        json.put("attention_probs_dropout_prob", attentionDropout);
        json.put("classifier_dropout", classifierDropout);
        Labels.put(labels, json);
        return json;
    }
}
