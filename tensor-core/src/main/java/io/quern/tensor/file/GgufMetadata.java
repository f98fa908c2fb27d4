package io.quern.tensor.file;

import io.quern.tensor.TensorException;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * The key-value pairs of a GGUF file, read strictly: a value of the wrong kind is an error that names file, key, what was
 * expected and what was found. Integers of any width are {@code Long}, floating-point numbers {@code Double}; arrays are
 * {@code long[]}, {@code double[]}, {@code boolean[]} or a list of strings.
 */
public final class GgufMetadata {
    private final String file;
    private final Map<String, Object> values;

    GgufMetadata(String file, Map<String, Object> values) {
        this.file = file;
        this.values = Collections.unmodifiableMap(values);
    }

    /** All pairs in the order of the file. */
    public Map<String, Object> values() {
        return values;
    }

    public boolean has(String key) {
        return values.containsKey(key);
    }

    /** A required integer from {@code least} to {@code most}. */
    public int integer(String key, int least, int most) {
        if (values.get(key) instanceof Long n && n >= least && n <= most) {
            return n.intValue();
        }
        throw unexpected(key, "an integer from " + least + " to " + most);
    }

    /** An integer from {@code least} to {@code most}, or {@code absent}. */
    public int integer(String key, int least, int most, int absent) {
        return has(key) ? integer(key, least, most) : absent;
    }

    /** A required finite number. */
    public double number(String key) {
        if (values.get(key) instanceof Double n && Double.isFinite(n)) {
            return n;
        }
        throw unexpected(key, "a finite floating-point number");
    }

    public boolean flag(String key, boolean absent) {
        if (!has(key)) {
            return absent;
        }
        if (values.get(key) instanceof Boolean b) {
            return b;
        }
        throw unexpected(key, "true or false");
    }

    public String string(String key, String absent) {
        if (!has(key)) {
            return absent;
        }
        if (values.get(key) instanceof String s) {
            return s;
        }
        throw unexpected(key, "a string");
    }

    /** A required array of strings. */
    public List<String> strings(String key) {
        if (values.get(key) instanceof List<?> list) {
            return list.stream().map(String.class::cast).toList();
        }
        throw unexpected(key, "an array of strings");
    }

    /** An array of integers; empty if it is absent. */
    public long[] integers(String key) {
        if (!has(key)) {
            return new long[0];
        }
        if (values.get(key) instanceof long[] array) {
            return array.clone();
        }
        throw unexpected(key, "an array of integers");
    }

    /** The error that a value is not what it should be. */
    public TensorException unexpected(String key, String expected) {
        return new TensorException(file + ": " + key + ": expected " + expected + ", found " + kind(values.get(key)));
    }

    private static String kind(Object value) {
        return switch (value) {
            case null -> "nothing";
            case String s -> "the string '" + (s.length() <= 60 ? s : s.substring(0, 60) + "...") + "'";
            case List<?> list -> "an array of " + list.size() + " strings";
            case long[] a -> "an array of " + a.length + " integers";
            case double[] a -> "an array of " + a.length + " floating-point numbers";
            case boolean[] a -> "an array of " + a.length + " booleans";
            default -> value.toString();
        };
    }
}
