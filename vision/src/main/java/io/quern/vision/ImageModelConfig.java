package io.quern.vision;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.nn.Init;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.Labels;
import java.util.List;

/** Sizes and settings of an image model, as {@code config.json} has them. */
public interface ImageModelConfig {
    /** The classes by index. */
    List<String> labels();

    /** 1 for grey, 3 for colour. */
    int channels();

    /** Height and width of the pictures. */
    int imageSize();

    /** A model of this configuration whose parameters are what {@code init} makes. */
    ImageModel build(Init init);

    /** First values of a new model's parameters. */
    Init init(long seed);

    /** What checkpoints may call the parameter at {@code path}, by preference. */
    List<Stored> stored(String path);

    /** Whether a checkpoint may have this tensor although the model has no use for it. */
    boolean ignores(String name);

    /** The contents of {@code config.json}, without the dtype. */
    ObjectNode toJson();

    /**
     * Where a checkpoint has a parameter: part {@code part} of {@code parts} equal ones of a tensor's rows.
     *
     * @param name of the tensor
     */
    record Stored(String name, int part, int parts) {
        public static Stored whole(String name) {
            return new Stored(name, 0, 1);
        }
    }

    /** Reads {@code id2label}, or makes names for {@code num_labels}. */
    static List<String> labels(ConfigJson json) {
        return Labels.read(json);
    }

    /** Writes {@code id2label} and {@code label2id}. */
    static void put(List<String> labels, ObjectNode to) {
        Labels.put(labels, to);
    }
}
