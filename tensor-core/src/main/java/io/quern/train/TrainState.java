package io.quern.train;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.Safetensors;
import io.quern.tensor.file.SafetensorsWriter;
import io.quern.tensor.file.StoredType;
import io.quern.tensor.file.WeightEntry;
import io.quern.train.optim.Optimizer;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;

/**
 * Everything that a run needs to go on as if it had not been interrupted. With the trained parameters and the state of
 * the optimizer in their own dtypes it makes one safetensors file, whose metadata has this record as JSON. One file, so
 * that it can be replaced atomically: parameters and moments never come from different steps, wherever a run is killed.
 * The model beside it is a copy for use, maybe in a narrower dtype.
 *
 * @param step updates done
 * @param batchesTaken position in the data, and in the random numbers of dropout
 * @param optimizerSteps what bias corrections count
 * @param seed of the model's random numbers
 * @param bestLoss smallest validation loss so far; infinite if none was measured
 * @param bestStep the step it was measured after; 0 if none was
 * @param seconds spent so far
 * @param schedule what the learning-rate schedule remembers besides the step
 * @param data fingerprint of the training data; empty if it has none
 * @param config of the program that trains; plain values
 */
public record TrainState(
        long step,
        long batchesTaken,
        long optimizerSteps,
        long seed,
        double bestLoss,
        long bestStep,
        double seconds,
        Map<String, Double> schedule,
        String data,
        Map<String, Object> config) {
    /** Of the file's layout; a reader refuses others. */
    public static final int VERSION = 1;

    private static final String KEY = "quern.train_state";
    private static final ObjectMapper JSON = new ObjectMapper();

    /**
     * Writes this, the parameters that the optimizer updates, its state, and other tensors, such as copies of parameters, by
     * their names.
     *
     * @throws TensorException if the file cannot be written; what was there before then stays
     */
    public void save(Path file, Optimizer optimizer, Map<String, Tensor> others) {
        SafetensorsWriter.write(file, tensors(optimizer, others), Map.of(KEY, toJson()));
    }

    /**
     * Reads the record without touching the tensors behind it.
     *
     * @throws TensorException if the file cannot be read, is damaged, or is not the state of a run
     */
    public static TrainState read(Path file) {
        try (Safetensors source = Safetensors.open(file)) {
            String json = source.metadata().get(KEY);
            if (json == null) {
                throw new TrainException(file + " is not the state of a training run: it has no " + KEY
                        + " in its metadata; a run writes it as " + Trainer.STATE_FILE + " beside the model");
            }
            return fromJson(file, json);
        }
    }

    /**
     * Fills the optimizer's parameters, its state and the other tensors from a file.
     *
     * @throws TensorException if names, shapes or dtypes are not those of the optimizer; then nothing is changed
     */
    public static void restore(Path file, Optimizer optimizer, Map<String, Tensor> others) {
        TrainState state = read(file);
        Map<String, Tensor> targets = tensors(optimizer, others);
        try (Safetensors source = Safetensors.open(file)) {
            check(file, source, targets);
            targets.forEach((name, target) -> Scope.run(() -> {
                WeightEntry e = source.get(name);
                target.assign(Tensor.from(target.device(), target.dtype(), target.shape(), e.data()));
                return null;
            }));
        }
        optimizer.resumeAt(state.optimizerSteps);
    }

    private static void check(Path file, Safetensors source, Map<String, Tensor> targets) {
        TreeSet<String> missing = new TreeSet<>(targets.keySet());
        missing.removeAll(source.names());
        TreeSet<String> unknown = new TreeSet<>(source.names());
        unknown.removeAll(targets.keySet());
        if (!missing.isEmpty() || !unknown.isEmpty()) {
            throw new TrainException("cannot resume from " + file + ": it is of another model or optimizer; "
                    + (missing.isEmpty() ? "" : missing.size() + " tensors are missing, such as " + missing.first())
                    + (missing.isEmpty() || unknown.isEmpty() ? "" : "; ")
                    + (unknown.isEmpty() ? "" : unknown.size() + " are unknown here, such as " + unknown.first()));
        }
        targets.forEach((name, target) -> {
            WeightEntry e = source.get(name);
            if (!e.shape().equals(target.shape()) || e.type() != StoredType.of(target.dtype())) {
                throw new TrainException("cannot resume from " + file + ": " + name + " is " + e.type() + " "
                        + e.shape() + " there, but " + target.describe()
                        + " here; build the model with the configuration of that run");
            }
        });
    }

    private static Map<String, Tensor> tensors(Optimizer optimizer, Map<String, Tensor> others) {
        Map<String, Tensor> all = new LinkedHashMap<>(others);
        optimizer.params().forEach((path, p) -> all.put("model." + path, p.value()));
        optimizer.state().forEach((name, t) -> all.put("optimizer." + name, t));
        return all;
    }

    private String toJson() {
        ObjectNode n = JSON.createObjectNode();
        n.put("version", VERSION);
        n.put("step", step);
        n.put("batches_taken", batchesTaken);
        n.put("optimizer_steps", optimizerSteps);
        n.put("seed", seed);
        if (bestStep > 0) {
            n.put("best_loss", bestLoss);
            n.put("best_step", bestStep);
        }
        n.put("seconds", seconds);
        n.set("schedule", JSON.valueToTree(schedule));
        n.put("data", data);
        n.set("config", JSON.valueToTree(config));
        return n.toString();
    }

    private static TrainState fromJson(Path file, String json) {
        try {
            JsonNode n = JSON.readTree(json);
            int version = n.required("version").asInt();
            if (version != VERSION) {
                throw new TrainException(file + " has version " + version + ", and this program reads version "
                        + VERSION + ": resume with the version of Quern that wrote it");
            }
            return new TrainState(
                    n.required("step").asLong(),
                    n.required("batches_taken").asLong(),
                    n.required("optimizer_steps").asLong(),
                    n.required("seed").asLong(),
                    n.path("best_loss").asDouble(Double.POSITIVE_INFINITY),
                    n.path("best_step").asLong(0),
                    n.required("seconds").asDouble(),
                    JSON.convertValue(
                            n.path("schedule").isObject() ? n.get("schedule") : JSON.createObjectNode(),
                            new TypeReference<Map<String, Double>>() {}),
                    n.path("data").asText(""),
                    JSON.convertValue(n.required("config"), new TypeReference<Map<String, Object>>() {}));
        } catch (JsonProcessingException | IllegalArgumentException e) {
            throw new TrainException(file + ": the state of the run in its metadata is damaged: " + e.getMessage(), e);
        }
    }
}
