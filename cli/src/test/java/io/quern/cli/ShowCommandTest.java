package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/** What {@code show} says of each kind of model. */
class ShowCommandTest {
    private static final Path ROOT =
            Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();

    private static String model(String module, String name) {
        return ROOT.resolve(module + "/src/test/resources/models/" + name).toString();
    }

    @Test
    void aDecoder() {
        JsonNode show = CommandRun.of("show", model("transformer", "gpt2-tiny"), "--json")
                .json();
        assertEquals("GPT2LMHeadModel", show.get("architecture").asText());
        assertEquals(2, show.get("n_layer").asInt());
        assertTrue(show.get("for").asText().startsWith("generate"), show.toString());
    }

    @Test
    void anEncoder() {
        JsonNode show = CommandRun.of("show", "-m", model("transformer", "bert-tiny"), "--json", "--tensors")
                .json();
        assertEquals("BertForSequenceClassification", show.get("architecture").asText());
        assertEquals("embed, search, classify --text", show.get("for").asText());
        assertEquals(64, show.get("hidden_size").asInt());
        long numbers = 0;
        for (JsonNode tensor : show.get("tensors")) {
            long size = 1;
            for (JsonNode d : tensor.get("shape")) {
                size *= d.asLong();
            }
            numbers += size;
        }
        assertEquals(numbers, show.get("parameters").asLong());
    }

    @Test
    void aModelOfPictures() {
        JsonNode show =
                CommandRun.of("show", model("vision", "vit-tiny"), "--json").json();
        assertEquals("ViTForImageClassification", show.get("architecture").asText());
        assertTrue(show.get("for").asText().contains("attention"), show.toString());
        assertEquals(28, show.get("image_size").asInt());
        CommandRun.of("generate", "-m", model("vision", "vit-tiny"), "-p", "x")
                .fails(1, "a model of pictures does not continue texts");
    }

    @Test
    void oneModelAtATime() {
        CommandRun.of("show", "a", "-m", "b").fails(2, "name the model once");
        CommandRun.of("quantize", "a", "-m", "b", "--to", "q8_0", "--out", "x.gguf")
                .fails(2, "name the model once");
    }
}
