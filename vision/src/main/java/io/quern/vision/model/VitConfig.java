package io.quern.vision.model;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.tensor.TensorException;
import io.quern.transformer.Activation;
import io.quern.transformer.ConfigJson;
import io.quern.vision.ImageModelConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A vision transformer's settings, under the names of Hugging Face's {@code config.json}.
 *
 * @param imageSize height and width for which there are positions; other sizes interpolate them
 * @param patchSize height and width of a patch
 * @param channels of a picture
 * @param hiddenSize width of the hidden states
 * @param layers number of blocks
 * @param heads number of attention heads; they divide the width
 * @param intermediateSize width inside the feed-forward layer
 * @param activation of the feed-forward layer
 * @param layerNormEps added to the variance
 * @param qkvBias whether query, key and value have a bias
 * @param pooling what the classifier sees
 * @param dropout of what is added to the residual stream and of the embedding
 * @param attentionDropout of the attention weights
 * @param dropPath probability with which the last block's branches are left out for a picture (stochastic depth); it grows
 *     linearly from 0 at the first block
 * @param distillation whether there is a distillation token, and who reads it
 * @param labels of the classes
 */
public record VitConfig(
        int imageSize,
        int patchSize,
        int channels,
        int hiddenSize,
        int layers,
        int heads,
        int intermediateSize,
        Activation activation,
        double layerNormEps,
        boolean qkvBias,
        Pooling pooling,
        double dropout,
        double attentionDropout,
        double dropPath,
        Distillation distillation,
        List<String> labels)
        implements ImageModelConfig {
    static final String TYPE = "vit";

    /** The model type of a vision transformer with a distillation token. */
    static final String DISTILLED = "deit";

    private static final String TEACHER = "DeiTForImageClassificationWithTeacher";

    private static final Pattern BLOCK =
            Pattern.compile("(?:vit|deit)\\.encoder\\.layer\\.(\\d+)\\.(.+)\\.(weight|bias)");
    private static final Pattern IGNORED = Pattern.compile("((vit|deit)\\.)?pooler\\..*");

    /** What the classifier sees. */
    public enum Pooling {
        /** The normed class token. */
        CLS,
        /** The normed mean of the patches, as timm's {@code global_pool="avg"}. */
        MEAN
    }

    /**
     * The token of DeiT that learns from a teacher's answers. Source: Touvron et al., "Training data-efficient image transformers
     * and distillation through attention" (2021).
     */
    public enum Distillation {
        /** There is none. */
        NONE,
        /** There is the token, and the classifier does not look at it, as in {@code DeiTForImageClassification}. */
        UNREAD,
        /** The answer is the mean of two classifiers, as in {@code DeiTForImageClassificationWithTeacher}. */
        READ
    }

    public VitConfig {
        if (patchSize < 1 || imageSize < patchSize || imageSize % patchSize != 0) {
            throw new TensorException("vit: image_size " + imageSize + " is not a multiple of patch_size " + patchSize);
        }
        if (heads < 1 || hiddenSize < 1 || hiddenSize % heads != 0) {
            throw new TensorException(
                    "vit: hidden_size " + hiddenSize + " is not a multiple of num_attention_heads " + heads);
        }
        if (layers < 1 || channels < 1 || intermediateSize < 1 || labels.isEmpty()) {
            throw new TensorException("vit: sizes must be positive; num_hidden_layers " + layers + ", num_channels "
                    + channels + ", intermediate_size " + intermediateSize + ", labels " + labels.size());
        }
        if (pooling == Pooling.MEAN && distillation != Distillation.NONE) {
            throw new TensorException("vit: a model with a distillation token has its classifier on the class token");
        }
        labels = List.copyOf(labels);
    }

    /** A new model's settings; the feed-forward layer is 4 times as wide as the rest. */
    public static VitConfig of(
            int imageSize, int patchSize, int channels, int hiddenSize, int layers, int heads, List<String> labels) {
        return new VitConfig(
                imageSize,
                patchSize,
                channels,
                hiddenSize,
                layers,
                heads,
                4 * hiddenSize,
                Activation.GELU,
                1e-6,
                true,
                Pooling.CLS,
                0,
                0,
                0,
                Distillation.NONE,
                labels);
    }

    /** The same with these regularisers and this pooling. */
    public VitConfig with(Pooling how, double drop, double path) {
        return new VitConfig(
                imageSize,
                patchSize,
                channels,
                hiddenSize,
                layers,
                heads,
                intermediateSize,
                activation,
                layerNormEps,
                qkvBias,
                how,
                drop,
                attentionDropout,
                path,
                distillation,
                labels);
    }

    /**
     * Reads {@code config.json}.
     *
     * @throws TensorException if a value is missing, wrong, or asks for what is not supported
     */
    static VitConfig read(ConfigJson json) {
        String activation = json.string("hidden_act", "gelu");
        int hidden = json.integer("hidden_size", 1, 1 << 16, 768);
        String pooling = json.string("pooling", "cls");
        if (!List.of("cls", "mean").contains(pooling)) {
            throw json.unexpected("pooling", "cls or mean");
        }
        return new VitConfig(
                json.integer("image_size", 1, 1 << 14, 224),
                json.integer("patch_size", 1, 1 << 12, 16),
                json.integer("num_channels", 1, 1 << 10, 3),
                hidden,
                json.integer("num_hidden_layers", 1, 1 << 12, 12),
                json.integer("num_attention_heads", 1, 1 << 12, 12),
                json.integer("intermediate_size", 1, 1 << 20, 4 * hidden),
                Activation.find(activation)
                        .orElseThrow(() -> json.unexpected("hidden_act", "one of " + Activation.labels())),
                json.number("layer_norm_eps", 1e-12),
                json.flag("qkv_bias", true),
                Pooling.valueOf(pooling.toUpperCase(java.util.Locale.ROOT)),
                probability(json, "hidden_dropout_prob"),
                probability(json, "attention_probs_dropout_prob"),
                probability(json, "drop_path_rate"),
                distillation(json),
                ImageModelConfig.labels(json));
    }

    private static Distillation distillation(ConfigJson json) {
        if (!json.string("model_type", "").equals(DISTILLED)) {
            return Distillation.NONE;
        }
        return json.strings("architectures").contains(TEACHER) ? Distillation.READ : Distillation.UNREAD;
    }

    /** The beginning of the paths of all but the classifiers. */
    String prefix() {
        return (distillation == Distillation.NONE ? TYPE : DISTILLED) + ".";
    }

    /** Tokens before the patches. */
    public int leadingTokens() {
        return distillation == Distillation.NONE ? 1 : 2;
    }

    private static double probability(ConfigJson json, String key) {
        double p = json.number(key, 0);
        if (!(p >= 0 && p < 1)) {
            throw json.unexpected(key, "a probability below 1");
        }
        return p;
    }

    /** Patches along one side. */
    public int grid() {
        return imageSize / patchSize;
    }

    @Override
    public Vit build(Init init) {
        return new Vit(this, init);
    }

    /** Zeros for biases, ones for norms, else normal numbers of standard deviation 0.02, as in transformers. */
    @Override
    public Init init(long seed) {
        Init weight = Init.normal(seed, 0.02);
        return (path, shape) -> {
            boolean bias = path.endsWith("bias");
            return bias || shape.rank() == 1 ? Init.constant(bias ? 0 : 1).make(path, shape) : weight.make(path, shape);
        };
    }

    /** Hugging Face's name, with and without {@code vit.}, and timm's. */
    @Override
    public List<Stored> stored(String path) {
        List<Stored> names = new ArrayList<>();
        names.add(Stored.whole(path));
        String bare = path.startsWith(prefix()) ? path.substring(prefix().length()) : path;
        if (!bare.equals(path)) {
            names.add(Stored.whole(bare));
        }
        Matcher block = BLOCK.matcher(path);
        if (block.matches()) {
            names.add(timm("blocks." + block.group(1) + ".", block.group(2), "." + block.group(3)));
            return names;
        }
        switch (bare) {
            case "embeddings.cls_token" -> names.add(Stored.whole("cls_token"));
            case "embeddings.distillation_token" -> names.add(Stored.whole("dist_token"));
            case "embeddings.position_embeddings" -> names.add(Stored.whole("pos_embed"));
            default -> {
                String end = path.substring(path.lastIndexOf('.'));
                switch (bare.substring(0, bare.length() - end.length())) {
                    case "embeddings.patch_embeddings.projection" -> names.add(Stored.whole("patch_embed.proj" + end));
                    case "layernorm" -> {
                        names.add(Stored.whole("norm" + end));
                        names.add(Stored.whole("fc_norm" + end));
                    }
                    case "classifier", "cls_classifier" -> names.add(Stored.whole("head" + end));
                    case "distillation_classifier" -> names.add(Stored.whole("head_dist" + end));
                    default -> throw new IllegalStateException(path);
                }
            }
        }
        return names;
    }

    private static Stored timm(String block, String layer, String end) {
        return switch (layer) {
            case "attention.attention.query" -> new Stored(block + "attn.qkv" + end, 0, 3);
            case "attention.attention.key" -> new Stored(block + "attn.qkv" + end, 1, 3);
            case "attention.attention.value" -> new Stored(block + "attn.qkv" + end, 2, 3);
            case "attention.output.dense" -> Stored.whole(block + "attn.proj" + end);
            case "intermediate.dense" -> Stored.whole(block + "mlp.fc1" + end);
            case "output.dense" -> Stored.whole(block + "mlp.fc2" + end);
            case "layernorm_before" -> Stored.whole(block + "norm1" + end);
            case "layernorm_after" -> Stored.whole(block + "norm2" + end);
            default -> throw new IllegalStateException(layer);
        };
    }

    @Override
    public boolean ignores(String name) {
        return IGNORED.matcher(name).matches();
    }

    @Override
    public ObjectNode toJson() {
        ObjectNode json = ConfigJson.object();
        json.putArray("architectures")
                .add(
                        switch (distillation) {
                            case NONE -> "ViTForImageClassification";
                            case UNREAD -> "DeiTForImageClassification";
                            case READ -> TEACHER;
                        });
        json.put("model_type", distillation == Distillation.NONE ? TYPE : DISTILLED);
        json.put("image_size", imageSize);
        json.put("patch_size", patchSize);
        json.put("num_channels", channels);
        json.put("hidden_size", hiddenSize);
        json.put("num_hidden_layers", layers);
        json.put("num_attention_heads", heads);
        json.put("intermediate_size", intermediateSize);
        json.put("hidden_act", activation.label());
        json.put("layer_norm_eps", layerNormEps);
        json.put("qkv_bias", qkvBias);
        json.put("pooling", pooling.name().toLowerCase(java.util.Locale.ROOT));
        json.put("hidden_dropout_prob", dropout);
        json.put("attention_probs_dropout_prob", attentionDropout);
        json.put("drop_path_rate", dropPath);
        ImageModelConfig.put(labels, json);
        return json;
    }
}
