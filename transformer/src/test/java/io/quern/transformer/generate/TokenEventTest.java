package io.quern.transformer.generate;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.testing.Recorded;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenEventTest extends LeakChecked {
    private static void generate(int beams, int sequences) {
        GenerationConfig config = GenerationConfig.builder()
                .maxNewTokens(4)
                .numBeams(beams)
                .doSample(beams == 1)
                .numReturnSequences(sequences)
                .eosTokenIds(List.of())
                .build();
        try (CausalLanguageModel model = TestModels.gpt2Tiny()) {
            new Generator(model, null).generate(GenerationRequest.of(new int[] {1, 2, 3}, config));
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "1, 3", "3, 1"})
    void everyStepOfDecodingIsAnEvent(int beams, int sequences) throws IOException {
        List<RecordedEvent> events = Recorded.events("Token", () -> generate(beams, sequences));
        assertEquals(4, events.size());
        for (int i = 0; i < 4; i++) {
            RecordedEvent e = events.get(i);
            assertEquals(3 + i, e.getInt("position"));
            assertEquals(i == 0 ? 3 : 0, e.getInt("promptTokens"));
            assertEquals(i == 0 && beams > 1 ? 1 : Math.max(beams, sequences), e.getInt("sequences"));
        }
    }

    /** What a person looks for: the kernels of each token. */
    @Test
    void kernelsLieWithinTheirToken(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("all.jfr");
        try (Recording recording = new Recording()) {
            recording.start();
            generate(1, 1);
            recording.dump(file);
        }
        List<RecordedEvent> products = Recorded.read(file, "Kernel").stream()
                .filter(e -> e.getString("operation").equals("matmul"))
                .toList();
        List<Long> within = Recorded.read(file, "Token").stream()
                .map(t -> products.stream()
                        .filter(p -> !p.getStartTime().isBefore(t.getStartTime())
                                && !p.getEndTime().isAfter(t.getEndTime()))
                        .count())
                .toList();
        assertEquals(4, within.size());
        assertTrue(within.getFirst() > 4, within.toString());
        within.forEach(n -> assertEquals(within.getFirst(), n));
        assertEquals(products.size(), 4 * within.getFirst());
    }
}
