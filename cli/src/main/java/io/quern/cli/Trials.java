package io.quern.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The trials of a search as {@code trials.jsonl} has them: a line for each training, appended when it ends. */
final class Trials {
    static final String FILE = "trials.jsonl";

    /** Number of the trial of the training's options as they are. */
    static final int DEFAULTS = 0;

    /**
     * One training, or one round of it.
     *
     * @param trial counted from 1; {@link #DEFAULTS} for that of the defaults
     * @param round of halving, from 0
     * @param steps updates after which it was measured
     * @param point in the search space; empty for the defaults
     * @param values of the options that are searched
     * @param loss best validation loss; NaN if training failed
     * @param seconds that the training took, earlier rounds included
     */
    record Trial(
            int trial, int round, long steps, double[] point, Map<String, Object> values, double loss, double seconds) {
        Map<String, Object> toJson() {
            Map<String, Object> m = new LinkedHashMap<>();
            m.put("trial", trial);
            m.put("round", round);
            m.put("steps", steps);
            m.put("values", values);
            m.put("val_loss", Double.isNaN(loss) ? null : loss);
            m.put("status", Double.isNaN(loss) ? "failed" : "complete");
            m.put("seconds", seconds);
            m.put("point", point);
            return m;
        }

        static Trial of(JsonNode n) {
            ObjectMapper json = new ObjectMapper();
            return new Trial(
                    n.required("trial").asInt(),
                    n.required("round").asInt(),
                    n.required("steps").asLong(),
                    json.convertValue(n.required("point"), double[].class),
                    json.convertValue(n.required("values"), new com.fasterxml.jackson.core.type.TypeReference<>() {}),
                    n.hasNonNull("val_loss") ? n.get("val_loss").asDouble() : Double.NaN,
                    n.required("seconds").asDouble());
        }

        /** The loss for comparisons: a failed training is worse than any. */
        double rank() {
            return Double.isNaN(loss) ? Double.POSITIVE_INFINITY : loss;
        }
    }

    private final Path file;
    private final List<Trial> all = new ArrayList<>();

    /** Reads those that there are; a last line that was cut off does not count. */
    Trials(Path folder) throws IOException {
        file = folder.resolve(FILE);
        if (!Files.exists(file)) {
            return;
        }
        ObjectMapper json = new ObjectMapper();
        List<String> lines = Files.readAllLines(file);
        for (int i = 0; i < lines.size(); i++) {
            try {
                all.add(Trial.of(json.readTree(lines.get(i))));
            } catch (JsonProcessingException | IllegalArgumentException e) {
                if (i < lines.size() - 1) {
                    throw new TensorException(file + ", line " + (i + 1) + " is damaged: " + e.getMessage(), e);
                }
                Files.write(file, lines.subList(0, i));
            }
        }
    }

    List<Trial> all() {
        return all;
    }

    void add(Trial trial) throws IOException {
        String line = new ObjectMapper().writeValueAsString(trial.toJson()) + "\n";
        Files.writeString(file, line, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        all.add(trial);
    }

    /** Those of a round, without the defaults, in the order in which they were tried. */
    List<Trial> round(int round) {
        return all.stream().filter(t -> t.round == round && t.trial != DEFAULTS).toList();
    }

    boolean has(int trial, int round) {
        return all.stream().anyMatch(t -> t.trial == trial && t.round == round);
    }

    /** The longest training of each trial, best first: those trained longer come before those trained less. */
    List<Trial> ranking() {
        Map<Integer, Trial> last = new LinkedHashMap<>();
        all.forEach(t -> last.merge(t.trial, t, (a, b) -> b.round >= a.round ? b : a));
        return last.values().stream()
                .sorted(java.util.Comparator.comparingLong((Trial t) -> -t.steps)
                        .thenComparingDouble(Trial::rank))
                .toList();
    }
}
