package io.quern.transformer.hub;

import io.quern.nn.Param;
import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.Gguf;
import io.quern.tensor.file.GgufMetadata;
import io.quern.tensor.file.GgufWriter;
import io.quern.tensor.file.WeightEntry;
import io.quern.tensor.file.WeightSource;
import io.quern.transformer.Activation;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.WeightNames.Role;
import io.quern.transformer.model.Gpt2Config;
import io.quern.transformer.text.Tokenizer;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * GPT-2 in GGUF files, under the names of llama.cpp: weights of linear layers are [out, in] there, the tied output layer
 * is left out, positions, norms and biases are F32.
 */
final class Gpt2Gguf {
    private static final String ARCHITECTURE = "gpt2";

    /** Names in the file and ours, without numbers of blocks and endings. */
    private static final Map<String, String> OUTER = Map.of(
            "token_embd", "transformer.wte",
            "position_embd", "transformer.wpe",
            "output_norm", "transformer.ln_f",
            "output", "lm_head");

    private static final Map<String, String> INNER = Map.of(
            "attn_norm", "ln_1",
            "attn_qkv", "attn.c_attn",
            "attn_output", "attn.c_proj",
            "ffn_norm", "ln_2",
            "ffn_up", "mlp.c_fc",
            "ffn_down", "mlp.c_proj");

    private static final Pattern BLOCK = Pattern.compile("blk\\.(\\d+)\\.(\\w+)\\.(weight|bias)");
    private static final Pattern OTHER = Pattern.compile("(\\w+)\\.(weight|bias)");

    private Gpt2Gguf() {}

    /** The configuration of a file. */
    static Gpt2Config config(String file, Gguf gguf) {
        GgufMetadata m = gguf.values();
        String architecture = m.string("general.architecture", "");
        if (!architecture.equals(ARCHITECTURE)) {
            throw new TensorException(file + ": the architecture '" + architecture
                    + "' is not supported in GGUF files; supported is " + ARCHITECTURE);
        }
        Shape tokens = matrix(file, gguf, "token_embd.weight");
        Shape positions = matrix(file, gguf, "position_embd.weight");
        int width = m.integer("gpt2.embedding_length", 1, 1 << 20);
        int vocabulary = tokens.dim(0);
        return new Gpt2Config(
                vocabulary,
                positions.dim(0),
                width,
                m.integer("gpt2.block_count", 1, 1 << 12),
                m.integer("gpt2.attention.head_count", 1, 1 << 16),
                m.integer("gpt2.feed_forward_length", 1, 1 << 22, 4 * width),
                Activation.GELU_NEW,
                epsilon(m),
                0,
                0,
                0,
                true,
                false,
                !gguf.contains("output.weight"),
                id(m, "tokenizer.ggml.bos_token_id", vocabulary),
                id(m, "tokenizer.ggml.eos_token_id", vocabulary).stream()
                        .boxed()
                        .toList());
    }

    private static double epsilon(GgufMetadata m) {
        String key = "gpt2.attention.layer_norm_epsilon";
        // Files hold a float32 that was written in decimals, and that is what Hugging Face's configurations have.
        double epsilon = m.has(key) ? Double.parseDouble(Float.toString((float) m.number(key))) : 1e-5;
        if (!(epsilon > 0)) {
            throw m.unexpected(key, "a positive number");
        }
        return epsilon;
    }

    private static Shape matrix(String file, Gguf gguf, String name) {
        if (!gguf.contains(name) || gguf.get(name).shape().rank() != 2) {
            throw new TensorException(file + " has no matrix '" + name + "': it is not a whole GPT-2");
        }
        return gguf.get(name).shape();
    }

    private static OptionalInt id(GgufMetadata m, String key, int vocabulary) {
        return m.has(key) ? OptionalInt.of(m.integer(key, 0, vocabulary - 1)) : OptionalInt.empty();
    }

    /** The weights under our names and in our shapes. */
    static WeightSource weights(Gguf gguf, Gpt2Config config) {
        Map<String, WeightEntry> entries = new LinkedHashMap<>();
        for (String name : gguf.names()) {
            WeightEntry e = gguf.get(name);
            String path = path(name);
            boolean turned = e.shape().rank() == 2 && config.weightNames().role(path) == Role.CONV1D;
            entries.put(path, turned ? e.transposed(path) : e.renamed(path));
        }
        return new Renamed(gguf, entries);
    }

    /** Our name for a tensor of the file; its own if it is none of GPT-2's. */
    private static String path(String name) {
        Matcher block = BLOCK.matcher(name);
        if (block.matches() && INNER.containsKey(block.group(2))) {
            return "transformer.h." + block.group(1) + "." + INNER.get(block.group(2)) + "." + block.group(3);
        }
        Matcher other = OTHER.matcher(name);
        return other.matches() && OUTER.containsKey(other.group(1))
                ? OUTER.get(other.group(1)) + "." + other.group(2)
                : name;
    }

    private record Renamed(Gguf gguf, Map<String, WeightEntry> entries) implements WeightSource {
        @Override
        public Set<String> names() {
            return Collections.unmodifiableSet(entries.keySet());
        }

        @Override
        public WeightEntry get(String name) {
            WeightEntry e = entries.get(name);
            return e == null ? gguf.get(name) : e;
        }

        @Override
        public Map<String, String> metadata() {
            return gguf.metadata();
        }

        @Override
        public void close() {
            gguf.close();
        }
    }

    /**
     * Writes a model with its matrices in the dtypes that it holds them in.
     *
     * @param tokenizer or null for a file without one
     */
    static void write(Path file, CausalLanguageModel model, Tokenizer tokenizer, String name) {
        if (!(model.config() instanceof Gpt2Config c)) {
            throw new TensorException("only GPT-2 can be written as GGUF, not "
                    + model.config().toJson().path("architectures").path(0).asText());
        }
        boolean plain = c.scaleAttnWeights() && !c.scaleAttnByInverseLayerIdx();
        if (!plain || c.activation() != Activation.GELU_NEW && c.activation() != Activation.GELU_PYTORCH_TANH) {
            throw new TensorException("GGUF files cannot say what deviates from GPT-2: activation "
                    + c.activation().label() + ", scale_attn_weights " + c.scaleAttnWeights()
                    + ", scale_attn_by_inverse_layer_idx " + c.scaleAttnByInverseLayerIdx());
        }
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        Map<String, String> inverse = inverse(c.nLayer());
        for (Map.Entry<String, Param> p : model.parameters().entrySet()) {
            Tensor t = p.getValue().value();
            boolean turned = c.weightNames().role(p.getKey()) == Role.CONV1D;
            tensors.put(inverse.get(p.getKey()), turned ? t.detach().transpose(0, 1) : t);
        }
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("general.architecture", ARCHITECTURE);
        m.put("general.name", name);
        m.put("general.file_type", fileType(tensors.get("blk.0.attn_qkv.weight").dtype()));
        m.put("general.quantization_version", 2);
        m.put("gpt2.block_count", c.nLayer());
        m.put("gpt2.context_length", c.nPositions());
        m.put("gpt2.embedding_length", c.nEmbd());
        m.put("gpt2.feed_forward_length", c.nInner());
        m.put("gpt2.attention.head_count", c.nHead());
        m.put("gpt2.attention.layer_norm_epsilon", (float) c.layerNormEpsilon());
        if (tokenizer != null) {
            GgufTokenizer.write(tokenizer, c.vocabSize(), m);
        } else {
            c.bosTokenId().ifPresent(id -> m.put("tokenizer.ggml.bos_token_id", id));
            c.eosTokenIds().stream().findFirst().ifPresent(id -> m.put("tokenizer.ggml.eos_token_id", id));
        }
        GgufWriter.write(file, m, tensors);
    }

    private static Map<String, String> inverse(int layers) {
        Map<String, String> names = new LinkedHashMap<>();
        for (String ending : List.of("weight", "bias")) {
            OUTER.keySet().forEach(n -> names.put(path(n + "." + ending), n + "." + ending));
            for (int i = 0; i < layers; i++) {
                String block = "blk." + i + ".";
                INNER.keySet().forEach(n -> names.put(path(block + n + "." + ending), block + n + "." + ending));
            }
        }
        return names;
    }

    /** {@code llama_ftype}: what most matrices are. */
    private static int fileType(DType matrices) {
        return switch (matrices) {
            case F32 -> 0;
            case F16 -> 1;
            case Q4_0 -> 2;
            case Q8_0 -> 7;
            case Q4_K -> 14;
            case Q6_K -> 18;
            case BF16 -> 32;
            case F64, I32 -> throw new TensorException("GGUF models are not written with matrices of " + matrices);
        };
    }
}
