package io.quern.train.search;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** The settings that are searched; a point in it is a place in [0, 1] for each. */
public record SearchSpace(List<Dimension> dimensions) {
    public SearchSpace {
        dimensions = List.copyOf(dimensions);
        Set<String> names = new HashSet<>();
        for (Dimension d : dimensions) {
            if (!names.add(d.name())) {
                throw new IllegalArgumentException("search: " + d.name() + " is there twice");
            }
        }
        if (dimensions.isEmpty()) {
            throw new IllegalArgumentException("search: there is nothing to search");
        }
    }

    /** The settings at a point, by name. */
    public Map<String, Object> values(double[] point) {
        Map<String, Object> values = new LinkedHashMap<>();
        for (int i = 0; i < point.length; i++) {
            values.put(dimensions.get(i).name(), dimensions.get(i).value(point[i]));
        }
        return values;
    }
}
