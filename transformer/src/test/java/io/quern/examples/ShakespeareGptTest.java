package io.quern.examples;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShakespeareGptTest {
    private static final String VERSE = """
        Shall I compare thee to a summer's day?
        Thou art more lovely and more temperate:
        Rough winds do shake the darling buds of May,
        And summer's lease hath all too short a date;
        """;

    @Test
    void learnsAndSpeaksAndIsLoaded(@TempDir Path folder) throws Exception {
        ShakespeareGpt.Run run = ShakespeareGpt.run(VERSE.repeat(40), 270, 16, 40, folder);
        assertEquals(40, run.training().size());
        assertEquals(Math.log(270), run.training().getFirst(), 0.2, "knows nothing at first");
        assertTrue(run.training().getLast() < 4.6, "loss " + run.training().getLast());
        assertTrue(run.validation().getLast() < run.validation().getFirst());
        assertFalse(run.sample().isEmpty());
        try (CausalLanguageModel model = ModelDir.open(folder).load(Purpose.INFERENCE)) {
            assertEquals(ShakespeareGpt.CONTEXT, model.contextLength());
        }
    }
}
