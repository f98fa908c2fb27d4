package io.quern.tensor.file;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import io.quern.tensor.Shape;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The header of a safetensors file, checked against itself and against the size of the data behind it. It accepts what the
 * reference implementation accepts: of a name that comes twice the last tensor counts, properties that it does not know are
 * skipped.
 */
record SafetensorsHeader(Map<String, Part> tensors, Map<String, String> metadata) {
    /** The reference implementation's limit. */
    static final long LARGEST = 100_000_000;

    private static final Set<String> PROPERTIES = Set.of("dtype", "shape", "data_offsets");

    private static final JsonFactory JSON = new JsonFactoryBuilder().build();

    /** A tensor, and where its bytes are in the data. */
    record Part(String name, StoredType type, Shape shape, long begin, long end) {}

    /**
     * Reads a header.
     *
     * @param file for messages
     * @param dataSize how many bytes follow the header
     */
    static SafetensorsHeader parse(String file, byte[] json, long dataSize) {
        Map<String, Part> tensors = new LinkedHashMap<>();
        Map<String, String> metadata = null;
        if (json.length > 0 && json[0] == (byte) 0xEF) {
            throw new TensorException(file + ": the header begins with a byte order mark, not with a JSON object");
        }
        try (JsonParser p = JSON.createParser(json)) {
            if (p.nextToken() != JsonToken.START_OBJECT) {
                throw new TensorException(file + ": the header is not a JSON object");
            }
            while (p.nextToken() == JsonToken.FIELD_NAME) {
                String name = p.currentName();
                checkText(file, name);
                p.nextToken();
                if (name.equals("__metadata__")) {
                    if (metadata != null) {
                        throw new TensorException(file + ": the header has __metadata__ twice");
                    }
                    metadata = strings(file, p);
                } else {
                    tensors.put(name, part(file, name, p, dataSize));
                }
            }
            if (p.currentToken() != JsonToken.END_OBJECT) {
                throw new TensorException(file + ": the header is cut off");
            }
            JsonToken more = p.nextToken();
            if (more != null) {
                throw new TensorException(file + ": there is more in the header than one JSON object");
            }
        } catch (IOException e) {
            throw new TensorException(file + ": the header is not valid JSON: " + firstLine(e), e);
        }
        checkCoverage(file, tensors, dataSize);
        return new SafetensorsHeader(tensors, metadata == null ? Map.of() : metadata);
    }

    private static String firstLine(IOException e) {
        return e instanceof com.fasterxml.jackson.core.JsonProcessingException j
                ? j.getOriginalMessage()
                : String.valueOf(e.getMessage());
    }

    /** What JSON can escape but UTF-8 cannot say. */
    static void checkText(String file, String text) {
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new TensorException(file + ": a name or a text of the header has half of a surrogate pair");
        }
    }

    private static Map<String, String> strings(String file, JsonParser p) throws IOException {
        Map<String, String> m = new LinkedHashMap<>();
        if (p.currentToken() == JsonToken.VALUE_NULL) {
            return m;
        }
        if (p.currentToken() != JsonToken.START_OBJECT) {
            throw new TensorException(file + ": __metadata__ is not an object of strings");
        }
        while (p.nextToken() == JsonToken.FIELD_NAME) {
            String key = p.currentName();
            if (p.nextToken() != JsonToken.VALUE_STRING) {
                throw new TensorException(file + ": __metadata__ entry '" + key + "' is not a string");
            }
            checkText(file, key);
            checkText(file, p.getText());
            m.put(key, p.getText());
        }
        return m;
    }

    private static Part part(String file, String name, JsonParser p, long dataSize) throws IOException {
        String where = file + ": tensor '" + name + "'";
        if (p.currentToken() != JsonToken.START_OBJECT) {
            throw new TensorException(where + " is not described by an object");
        }
        StoredType type = null;
        List<Long> shape = null;
        List<Long> offsets = null;
        Set<String> seen = new HashSet<>();
        while (p.nextToken() == JsonToken.FIELD_NAME) {
            String key = p.currentName();
            p.nextToken();
            if (!PROPERTIES.contains(key)) {
                p.skipChildren(); // as the reference implementation does
                continue;
            }
            if (!seen.add(key)) {
                throw new TensorException(where + " has the property '" + key + "' twice");
            }
            switch (key) {
                case "dtype" -> type = type(where, p);
                case "shape" -> shape = numbers(where, key, p);
                default -> offsets = numbers(where, key, p);
            }
        }
        if (type == null || shape == null || offsets == null || offsets.size() != 2) {
            throw new TensorException(where + " needs dtype, shape and two data_offsets");
        }
        long begin = offsets.get(0);
        long end = offsets.get(1);
        if (begin > end || end > dataSize) {
            throw new TensorException(where + " lies at bytes " + begin + " to " + end + ", but the file has "
                    + dataSize + " bytes of data: it is cut off or its header is wrong");
        }
        long bits = type.bits();
        int[] dims = new int[shape.size()];
        try {
            for (int i = 0; i < dims.length; i++) {
                dims[i] = Math.toIntExact(shape.get(i));
                bits = Math.multiplyExact(bits, (long) dims[i]);
            }
        } catch (ArithmeticException e) {
            throw new TensorException(where + " has the impossible shape " + shape, e);
        }
        long size = bits / 8;
        if (bits % 8 != 0 || size != end - begin) {
            throw new TensorException(
                    where + " is " + type + " " + shape + ", which takes " + size + " bytes, but has " + (end - begin));
        }
        return new Part(name, type, Shape.of(dims), begin, end);
    }

    private static StoredType type(String where, JsonParser p) throws IOException {
        for (StoredType type : StoredType.values()) {
            if (type.bits() > 0 && type.name().equals(p.getText())) {
                return type;
            }
        }
        throw new TensorException(where + " has the unknown dtype '" + p.getText() + "'");
    }

    private static List<Long> numbers(String where, String key, JsonParser p) throws IOException {
        List<Long> all = new ArrayList<>();
        if (p.currentToken() != JsonToken.START_ARRAY) {
            throw new TensorException(where + ": " + key + " is not an array");
        }
        while (p.nextToken() == JsonToken.VALUE_NUMBER_INT) {
            long n = p.getLongValue();
            if (n < 0) {
                throw new TensorException(where + ": " + key + " has a negative number");
            }
            all.add(n);
        }
        if (p.currentToken() != JsonToken.END_ARRAY) {
            throw new TensorException(where + ": " + key + " has something other than whole numbers");
        }
        return all;
    }

    /** The tensors must cover the data without holes and overlaps, as the reference implementation demands. */
    private static void checkCoverage(String file, Map<String, Part> tensors, long dataSize) {
        List<Part> sorted = new ArrayList<>(tensors.values());
        sorted.sort(Comparator.comparingLong(Part::begin).thenComparingLong(Part::end));
        long at = 0;
        for (Part t : sorted) {
            if (t.begin != at) {
                throw new TensorException(file + ": tensor '" + t.name + "' begins at byte " + t.begin
                        + " of the data, but the one before ends at " + at + (t.begin < at ? ": they overlap" : ""));
            }
            at = t.end;
        }
        if (at != dataSize) {
            throw new TensorException(file + ": the tensors take " + at + " bytes, but the file has " + dataSize
                    + " bytes of data" + (at > dataSize ? ": it is cut off" : ""));
        }
    }
}
