package io.quern.transformer;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * How checkpoints of an architecture deviate from the paths of its parameters, and which parameters are matrices.
 *
 * @param optionalPrefix begins the paths of most parameters; some checkpoints leave it out
 * @param ignored names, without the prefix, of tensors that are no parameters, such as stored masks
 * @param copies names of tensors that may be there, if they equal the parameter given: tied weights
 * @param roles paths, without the prefix, of the parameters of each role but {@link Role#OTHER}
 */
public record WeightNames(
        String optionalPrefix, Pattern ignored, Map<String, String> copies, Map<Role, Pattern> roles) {
    /** What a parameter is for, which decides in which dtypes it may be held. */
    public enum Role {
        /** The weight of a linear layer, [out, in]. */
        LINEAR,
        /** The weight of a linear layer, [in, out]. */
        CONV1D,
        /** Rows for tokens, [V, C]: an embedding, an output layer, or both. */
        VOCABULARY,
        /** Biases, norms, positions: small, and added to activations as they are. */
        OTHER
    }

    /** The path of a parameter without the optional prefix. */
    public String bare(String path) {
        return path.startsWith(optionalPrefix) ? path.substring(optionalPrefix.length()) : path;
    }

    /**
     * What a checkpoint may call the tensor of a parameter, by preference. BERT of 2018 called the weight and bias of a norm
     * gamma and beta.
     */
    public List<String> candidates(String path) {
        List<String> all = new ArrayList<>(List.of(path, bare(path), optionalPrefix + bare(path)));
        if (path.contains("LayerNorm.")) {
            List.copyOf(all)
                    .forEach(p -> all.add(p.replace("LayerNorm.weight", "LayerNorm.gamma")
                            .replace("LayerNorm.bias", "LayerNorm.beta")));
        }
        return all;
    }

    /** The role of a parameter. */
    public Role role(String path) {
        String bare = bare(path);
        return roles.entrySet().stream()
                .filter(e -> e.getValue().matcher(bare).matches())
                .map(Map.Entry::getKey)
                .findFirst()
                .orElse(Role.OTHER);
    }
}
