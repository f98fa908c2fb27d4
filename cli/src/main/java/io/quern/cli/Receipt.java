package io.quern.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.AtomicFile;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/**
 * The file {@code run.json}, sealed by a hash over itself: {@code sha256} is that of the other members as compact JSON in
 * the order of the file. The seal shows a change made by hand or by a broken disk; it is no signature, so only
 * {@code quern replay}, which repeats the run, tells whether the receipt is true.
 */
final class Receipt {
    static final String FILE = "run.json";

    private static final String SEAL = "sha256";
    private static final ObjectMapper JSON = new ObjectMapper();

    private Receipt() {}

    /** Writes the members and their seal. */
    static void write(Path folder, Map<String, Object> members) throws IOException {
        // Read back before it is hashed: the numbers are then written as any reader of the file would write them.
        ObjectNode body = (ObjectNode) JSON.readTree(JSON.writeValueAsBytes(members));
        body.put(SEAL, seal(body));
        ObjectMapper indented = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
        AtomicFile.write(folder.resolve(FILE), indented.writeValueAsBytes(body));
    }

    /**
     * Reads the receipt of a run.
     *
     * @throws TensorException if the folder has none, it is damaged, or it is not as it was written
     */
    static JsonNode read(Path folder) throws IOException {
        Path file = folder.resolve(FILE);
        if (!Files.exists(file)) {
            throw new TensorException(
                    folder + " has no " + FILE + ": it is not the folder of a finished or stopped run");
        }
        JsonNode root;
        try {
            root = JSON.readTree(Files.readAllBytes(file));
        } catch (JsonProcessingException e) {
            throw new TensorException(file + " is not valid JSON: " + e.getOriginalMessage(), e);
        }
        if (!(root instanceof ObjectNode body) || !body.path(SEAL).isTextual()) {
            throw new TensorException(
                    file + " has no seal (" + SEAL + "): it is of an earlier version of Quern, or was changed");
        }
        String written = body.remove(SEAL).textValue();
        String found = seal(body);
        if (!found.equals(written)) {
            throw new TensorException(file + " was changed after the run: its seal is " + written
                    + ", but its contents have the hash " + found + "; take the file that the run wrote");
        }
        return body;
    }

    private static String seal(ObjectNode body) throws JsonProcessingException {
        return Hashes.of(JSON.writeValueAsString(body).getBytes(StandardCharsets.UTF_8));
    }
}
