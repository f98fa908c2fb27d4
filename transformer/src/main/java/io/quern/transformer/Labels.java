package io.quern.transformer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.List;

/** The names of a classifier's classes in {@code config.json}. */
public final class Labels {
    private Labels() {}

    /**
     * Reads {@code id2label}, or makes names for {@code num_labels}, which is 2 where it is absent.
     *
     * @throws TensorException if a class from 0 on has no name
     */
    public static List<String> read(ConfigJson json) {
        List<String> labels = new ArrayList<>();
        if (!json.has("id2label")) {
            int n = json.integer("num_labels", 1, 1 << 20, 2);
            for (int i = 0; i < n; i++) {
                labels.add("LABEL_" + i);
            }
            return labels;
        }
        JsonNode node = json.node().path("id2label");
        for (int i = 0; i < node.size(); i++) {
            JsonNode label = node.path(Integer.toString(i));
            if (!label.isTextual()) {
                throw new TensorException(
                        json.file() + ": id2label: expected a name for each class from 0 on, found none for " + i);
            }
            labels.add(label.textValue());
        }
        return labels;
    }

    /** Writes {@code id2label} and {@code label2id}. */
    public static void put(List<String> labels, ObjectNode to) {
        ObjectNode names = to.putObject("id2label");
        ObjectNode ids = to.putObject("label2id");
        for (int i = 0; i < labels.size(); i++) {
            names.put(Integer.toString(i), labels.get(i));
            ids.put(labels.get(i), i);
        }
    }
}
