package io.quern.transformer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import java.util.List;
import java.util.OptionalInt;

/** Sizes and settings of an architecture, as {@code config.json} has them. */
public interface ModelConfig {
    /** Number of token ids: the rows of the embedding. */
    int vocabSize();

    /** The most tokens that a sequence can have. */
    int contextLength();

    /** The token that begins a text, where there is one. */
    OptionalInt bosTokenId();

    /** The tokens that end a text. */
    List<Integer> eosTokenIds();

    /** A model of this configuration whose parameters are what {@code init} makes. */
    CausalLanguageModel build(Init init);

    /** How checkpoints of this architecture name tensors. */
    WeightNames weightNames();

    /** The contents of {@code config.json}, without the dtype. */
    ObjectNode toJson();
}
