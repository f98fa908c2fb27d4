package io.quern.transformer;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * Which layers get an adapter, as PEFT's {@code target_modules} says it: by the last parts of their paths, such as
 * {@code c_attn} or {@code attn.c_proj}, or by one pattern that a whole path matches.
 *
 * @param names ends of paths; empty if there is a pattern
 * @param pattern or null
 */
public record LoraTargets(List<String> names, String pattern) {
    private static final String KEY = "target_modules";

    public LoraTargets {
        names = List.copyOf(names);
        if (names.isEmpty() == (pattern == null)) {
            throw new IllegalArgumentException("LoRA needs the names of layers, or a pattern for their paths");
        }
    }

    public static LoraTargets of(List<String> names) {
        return new LoraTargets(names, null);
    }

    static LoraTargets read(ConfigJson json) {
        JsonNode n = json.node().path(KEY);
        if (n.isTextual()) {
            try {
                Pattern.compile(n.textValue());
            } catch (PatternSyntaxException e) {
                throw json.unexpected(KEY, "a list of names, or a regular expression");
            }
            return new LoraTargets(List.of(), n.textValue());
        }
        List<String> names = json.strings(KEY);
        if (names.isEmpty()) {
            throw json.unexpected(KEY, "names of layers");
        }
        return of(names);
    }

    void put(ObjectNode json) {
        if (pattern != null) {
            json.put(KEY, pattern);
        } else {
            ArrayNode all = json.putArray(KEY);
            names.forEach(all::add);
        }
    }

    /** Whether the layer at this path is one of them. */
    public boolean match(String path) {
        return pattern != null ? Pattern.matches(pattern, path) : names.stream().anyMatch(name -> endsWith(path, name));
    }

    /** Whether a path, or the beginning of it, ends with a name. */
    static boolean isInside(String path, String name) {
        return ("." + path + ".").contains("." + name + ".");
    }

    /** Whether a path ends with whole parts. */
    static boolean endsWith(String path, String name) {
        return path.equals(name) || path.endsWith("." + name);
    }
}
