package io.quern.vision;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.Labels;
import java.util.List;

/** Sizes and settings of a classifier of pictures. */
public interface ImageModelConfig extends NetworkConfig<ImageModel> {
    /** The classes by index. */
    List<String> labels();

    /** Reads {@code id2label}, or makes names for {@code num_labels}. */
    static List<String> labels(ConfigJson json) {
        return Labels.read(json);
    }

    /** Writes {@code id2label} and {@code label2id}. */
    static void put(List<String> labels, ObjectNode to) {
        Labels.put(labels, to);
    }
}
