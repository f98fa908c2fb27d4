package io.quern.transformer.model;

import io.quern.nn.Module;
import io.quern.tensor.Device;

/** A BERT, bare or with a head. */
public abstract sealed class BertModel extends Module permits Bert, BertForSequenceClassification, BertForMaskedLM {
    /** The encoder, which a bare BERT itself is. */
    public abstract Bert encoder();

    /** The name of the architecture in {@code config.json}. */
    public abstract String architecture();

    public final BertConfig config() {
        return encoder().settings();
    }

    /** Where the parameters are. */
    public final Device device() {
        return encoder().place();
    }
}
