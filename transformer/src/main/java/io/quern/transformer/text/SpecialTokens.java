package io.quern.transformer.text;

import java.util.Map;
import java.util.OptionalInt;

/**
 * The ids of the tokens that have a role, as {@code tokenizer_config.json} names them.
 *
 * @param roles ids by role: "bos", "eos", "unk", "sep", "pad", "cls", "mask"; roles that nobody plays are absent
 */
public record SpecialTokens(Map<String, Integer> roles) {
    public static final SpecialTokens NONE = new SpecialTokens(Map.of());

    public SpecialTokens {
        roles = Map.copyOf(roles);
    }

    /** Begin of sequence. */
    public OptionalInt bos() {
        return role("bos");
    }

    /** End of sequence: where generation stops. */
    public OptionalInt eos() {
        return role("eos");
    }

    /** Fills short sequences of a batch. */
    public OptionalInt pad() {
        return role("pad");
    }

    /** Stands for what the vocabulary cannot express. */
    public OptionalInt unk() {
        return role("unk");
    }

    public OptionalInt role(String name) {
        Integer id = roles.get(name);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }
}
