package io.quern.transformer.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.file.FileErrors;
import io.quern.transformer.JsonTree;
import java.io.IOException;
import java.io.InputStream;
import java.util.HashMap;
import java.util.Map;

/**
 * A place in a JSON file, which knows its name for messages.
 *
 * @param file the file's name
 * @param path keys from the top of the file, joined by dots; empty for the top
 * @param node what is there; a missing node if nothing is
 */
record JsonFile(String file, String path, JsonNode node) {
    /** Reads a whole file, whose top must be an object. */
    static JsonFile read(String file, InputStream in) {
        JsonNode node;
        try {
            node = JsonTree.read(in);
        } catch (JsonProcessingException e) {
            String place = e.getLocation() == null
                    ? ""
                    : " at line " + e.getLocation().getLineNr() + ", column "
                            + e.getLocation().getColumnNr();
            throw new TokenizerException(
                    file + ": not valid JSON" + place + ": " + firstLine(e.getOriginalMessage()), e);
        } catch (IOException e) {
            throw new TokenizerException(file + ": cannot be read: " + FileErrors.reason(e), e);
        }
        if (node.isMissingNode()) {
            throw new TokenizerException(file + ": the file is empty; expected a JSON object");
        }
        JsonFile top = new JsonFile(file, "", node);
        if (!node.isObject()) {
            throw top.unexpected("an object");
        }
        return top;
    }

    JsonFile get(String key) {
        return new JsonFile(file, path.isEmpty() ? key : path + "." + key, node.path(key));
    }

    JsonFile get(int index) {
        return new JsonFile(file, path + "[" + index + "]", node.path(index));
    }

    int size() {
        return node.size();
    }

    /** Whether there is anything but null. */
    boolean isPresent() {
        return !node.isMissingNode() && !node.isNull();
    }

    JsonFile object() {
        if (!node.isObject()) {
            throw unexpected("an object");
        }
        return this;
    }

    JsonFile array() {
        if (!node.isArray()) {
            throw unexpected("an array");
        }
        return this;
    }

    String string() {
        if (!node.isTextual()) {
            throw unexpected("a string");
        }
        return node.textValue();
    }

    String string(String absent) {
        return isPresent() ? string() : absent;
    }

    boolean bool(boolean absent) {
        if (!isPresent()) {
            return absent;
        }
        if (!node.isBoolean()) {
            throw unexpected("true or false");
        }
        return node.booleanValue();
    }

    int integer() {
        if (!node.isIntegralNumber() || !node.canConvertToInt()) {
            throw unexpected("an integer");
        }
        return node.intValue();
    }

    /** An object from tokens to ids. */
    Map<String, Integer> ids() {
        Map<String, Integer> ids = HashMap.newHashMap(object().size());
        for (Map.Entry<String, JsonNode> entry : node.properties()) {
            JsonNode id = entry.getValue();
            if (!id.isIntegralNumber() || !id.canConvertToInt()) {
                throw get(entry.getKey()).unexpected("an id");
            }
            ids.put(entry.getKey(), id.intValue());
        }
        return ids;
    }

    TokenizerException unexpected(String expected) {
        return new TokenizerException(where() + ": expected " + expected + ", found " + found());
    }

    /** The file and the place in it. */
    String where() {
        return path.isEmpty() ? file : file + ": " + path;
    }

    private String found() {
        return switch (node.getNodeType()) {
            case MISSING -> "nothing";
            case NULL -> "null";
            case OBJECT -> "an object";
            case ARRAY -> "an array of " + node.size();
            case STRING -> "the string " + Vocabulary.quote(node.textValue());
            default -> Vocabulary.quote(node.asText());
        };
    }

    private static String firstLine(String message) {
        int end = message.indexOf('\n');
        return end < 0 ? message : message.substring(0, end);
    }
}
