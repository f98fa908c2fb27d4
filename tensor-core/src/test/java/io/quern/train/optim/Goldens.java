package io.quern.train.optim;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** Cases that PyTorch and transformers computed. */
final class Goldens {
    private Goldens() {}

    static JsonNode all(String group) {
        try (InputStream in = Goldens.class.getResourceAsStream("/golden/" + group + ".json")) {
            return new ObjectMapper().readTree(in).get("cases");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode of(String group, String id) {
        for (JsonNode c : all(group)) {
            if (c.get("id").asText().equals(id)) {
                return c;
            }
        }
        throw new AssertionError("no case " + id + " in " + group);
    }
}
