package io.quern.transformer;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.FileErrors;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * The JSON object of a configuration file, read strictly: a value of the wrong kind is an error that names the file, the
 * key, what was expected and what was found. Keys that nobody asks for are ignored, as Hugging Face's configurations have
 * many; null counts as absent.
 *
 * @param file the file's name, for messages
 * @param node the object
 */
public record ConfigJson(String file, ObjectNode node) {
    /** Far beyond any configuration; a larger file is not one. */
    private static final long LARGEST = 16L << 20;

    /**
     * Reads a file.
     *
     * @throws TensorException if it is missing, cannot be read, or is not one JSON object
     */
    public static ConfigJson read(Path path) {
        try {
            long size = Files.size(path);
            if (size > LARGEST) {
                throw new TensorException(path + " has " + size + " bytes; a configuration has at most " + LARGEST
                        + ": is it another file?");
            }
            return parse(path.toString(), Files.readAllBytes(path));
        } catch (NoSuchFileException e) {
            throw new TensorException(path + ": no such file", e);
        } catch (IOException e) {
            throw new TensorException(path + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /**
     * Parses the bytes of a file.
     *
     * @param file its name, for messages
     * @throws TensorException if they are not one JSON object
     */
    public static ConfigJson parse(String file, byte[] json) {
        JsonNode node;
        try {
            node = JsonTree.read(json);
        } catch (JsonProcessingException e) {
            String place =
                    e.getLocation() == null ? "" : " at line " + e.getLocation().getLineNr();
            String first = e.getOriginalMessage().lines().findFirst().orElse("");
            throw new TensorException(file + " is not valid JSON" + place + ": " + first, e);
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
        if (!(node instanceof ObjectNode object)) {
            throw new TensorException(file + ": expected a JSON object, found " + kind(node));
        }
        return new ConfigJson(file, object);
    }

    /** An empty object to fill and write. */
    public static ObjectNode object() {
        return JsonNodeFactory.instance.objectNode();
    }

    /** The object as the text of a file. */
    public static byte[] bytes(ObjectNode object) {
        try {
            return (new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(object) + "\n")
                    .getBytes(java.nio.charset.StandardCharsets.UTF_8);
        } catch (JsonProcessingException e) {
            throw new AssertionError(e);
        }
    }

    /** Whether the key is there, null or not. */
    public boolean mentions(String key) {
        return node.has(key);
    }

    /** Whether the key has a value other than null. */
    public boolean has(String key) {
        return node.hasNonNull(key);
    }

    /** A required integer from {@code least} to {@code most}. */
    public int integer(String key, int least, int most) {
        JsonNode n = node.path(key);
        if (!n.isIntegralNumber() || !n.canConvertToInt() || n.intValue() < least || n.intValue() > most) {
            throw unexpected(key, "an integer from " + least + " to " + most);
        }
        return n.intValue();
    }

    /** An integer from {@code least} to {@code most}, or {@code absent}. */
    public int integer(String key, int least, int most, int absent) {
        return has(key) ? integer(key, least, most) : absent;
    }

    /** A finite number, or {@code absent}. */
    public double number(String key, double absent) {
        if (!has(key)) {
            return absent;
        }
        JsonNode n = node.path(key);
        if (!n.isNumber() || !Double.isFinite(n.doubleValue())) {
            throw unexpected(key, "a number");
        }
        return n.doubleValue();
    }

    public boolean flag(String key, boolean absent) {
        if (has(key) && !node.path(key).isBoolean()) {
            throw unexpected(key, "true or false");
        }
        return has(key) ? node.path(key).booleanValue() : absent;
    }

    public String string(String key, String absent) {
        if (has(key) && !node.path(key).isTextual()) {
            throw unexpected(key, "a string");
        }
        return has(key) ? node.path(key).textValue() : absent;
    }

    /** Strings: a list of them, one, or none. */
    public List<String> strings(String key) {
        List<String> all = new ArrayList<>();
        for (JsonNode n : listed(key)) {
            if (!n.isTextual()) {
                throw unexpected(key, "a string or a list of strings");
            }
            all.add(n.textValue());
        }
        return all;
    }

    /** Token ids: a list of them, one, or none. */
    public List<Integer> ids(String key) {
        List<Integer> all = new ArrayList<>();
        for (JsonNode n : listed(key)) {
            if (!n.isIntegralNumber() || !n.canConvertToInt() || n.intValue() < 0) {
                throw unexpected(key, "a token id or a list of token ids");
            }
            all.add(n.intValue());
        }
        return all;
    }

    private Iterable<JsonNode> listed(String key) {
        JsonNode n = node.path(key);
        return !has(key) ? List.of() : n.isArray() ? n : List.of(n);
    }

    /** The error that a value is not what it should be. */
    public TensorException unexpected(String key, String expected) {
        return new TensorException(file + ": " + key + ": expected " + expected + ", found " + kind(node.path(key)));
    }

    private static String kind(JsonNode n) {
        return switch (n.getNodeType()) {
            case MISSING -> "nothing";
            case OBJECT -> "an object";
            case ARRAY -> "a list of " + n.size();
            case STRING -> "the string '" + abridge(n.textValue()) + "'";
            default -> n.asText();
        };
    }

    private static String abridge(String s) {
        return s.length() <= 60 ? s : s.substring(0, 60) + "...";
    }
}
