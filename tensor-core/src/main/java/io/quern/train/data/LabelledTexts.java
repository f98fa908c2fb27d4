package io.quern.train.data;

import io.quern.tensor.TensorException;
import java.util.List;

/**
 * Texts and their classes; {@link Table#texts} makes them.
 *
 * @param classes of each text, an index of {@code labels}
 */
public record LabelledTexts(List<String> texts, int[] classes, List<String> labels) {
    public LabelledTexts {
        if (texts.size() != classes.length) {
            throw new TensorException("there are " + texts.size() + " texts, but " + classes.length + " classes");
        }
        texts = List.copyOf(texts);
        labels = List.copyOf(labels);
        for (int c : classes) {
            if (c < 0 || c >= labels.size()) {
                throw new TensorException("class " + c + " is outside the " + labels.size() + " labels");
            }
        }
    }

    public int size() {
        return classes.length;
    }
}
