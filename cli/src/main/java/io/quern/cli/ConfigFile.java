package io.quern.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParseResult;

/** Options from JSON, {@code {"lr": 1e-3, "layers": 6}}: they count where the command line says nothing. */
final class ConfigFile {
    private ConfigFile() {}

    /**
     * Sets the options of a command from the file.
     *
     * @throws Errors.UsageException if it names an option that the command does not have, or has a wrong value
     */
    static void apply(Path file, CommandSpec spec, ParseResult given) throws IOException {
        JsonNode root;
        try {
            root = new ObjectMapper().readTree(Files.readAllBytes(file));
        } catch (JsonProcessingException e) {
            throw new Errors.UsageException(file + " is not valid JSON: " + e.getOriginalMessage());
        }
        if (root == null || !root.isObject()) {
            throw new Errors.UsageException(file + " is not a JSON object of options");
        }
        apply(file.toString(), root, spec, given);
    }

    /** Sets the options of a command from a JSON object. */
    static void apply(String file, JsonNode root, CommandSpec spec, ParseResult given) {
        for (Map.Entry<String, JsonNode> e : root.properties()) {
            OptionSpec option = spec.findOption("--" + e.getKey());
            if (option == null) {
                throw new Errors.UsageException(file + ": " + spec.qualifiedName() + " has no option --" + e.getKey());
            }
            if (!given.hasMatchedOption(option)) {
                option.setValue(convert(file, e.getKey(), option, e.getValue()));
            }
        }
    }

    /** The values that options have now, by name without dashes, in the form in which {@link #apply} takes them. */
    static Map<String, Object> values(CommandSpec spec, List<String> names) {
        Map<String, Object> values = new LinkedHashMap<>();
        for (String name : names) {
            Object value = spec.findOption("--" + name).getValue();
            if (value != null) {
                values.put(name, plain(value));
            }
        }
        return values;
    }

    /** Jackson writes paths as URIs, and {@link #one} reads them as they are typed. */
    private static Object plain(Object value) {
        return switch (value) {
            case Path p -> p.toString();
            case Enum<?> e -> e.toString();
            case List<?> all -> all.stream().map(ConfigFile::plain).toList();
            default -> value;
        };
    }

    private static Object convert(String file, String name, OptionSpec option, JsonNode value) {
        Class<?> type = option.type();
        if (type == List.class) {
            return StreamSupport.stream(value.spliterator(), false)
                    .map(v -> one(file, name, option.auxiliaryTypes()[0], v))
                    .toList();
        }
        return one(file, name, type, value);
    }

    private static Object one(String file, String name, Class<?> type, JsonNode v) {
        if ((type == Integer.class || type == int.class) && v.canConvertToInt() && v.isIntegralNumber()) {
            return v.intValue();
        }
        if ((type == Long.class || type == long.class) && v.isIntegralNumber()) {
            return v.longValue();
        }
        if ((type == Double.class || type == double.class) && v.isNumber()) {
            return v.doubleValue();
        }
        if (type == boolean.class && v.isBoolean()) {
            return v.booleanValue();
        }
        if (type == String.class && v.isTextual()) {
            return v.textValue();
        }
        if (type == Path.class && v.isTextual()) {
            return Path.of(v.textValue());
        }
        if (type.isEnum() && v.isTextual()) {
            for (Object constant : type.getEnumConstants()) {
                if (constant.toString().equals(v.textValue())) {
                    return constant;
                }
            }
        }
        throw new Errors.UsageException(file + ": " + name + " cannot be " + v
                + (type.isEnum() ? ", but one of " + List.of(type.getEnumConstants()) : ""));
    }
}
