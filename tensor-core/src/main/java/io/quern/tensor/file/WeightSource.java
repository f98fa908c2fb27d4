package io.quern.tensor.file;

import io.quern.tensor.TensorException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/** Named tensors from a file, or from several. Closing it unmaps them: no entry may be used then. */
public interface WeightSource extends AutoCloseable {
    /** Names of all tensors, in the order of the file. */
    Set<String> names();

    default boolean contains(String name) {
        return names().contains(name);
    }

    /**
     * A tensor by name.
     *
     * @throws TensorException if there is none
     */
    WeightEntry get(String name);

    /** Free-form text that the file carries, such as {@code format: pt}. */
    Map<String, String> metadata();

    @Override
    void close();

    /**
     * Opens a {@code .safetensors} file, a {@code .gguf} file, a {@code .safetensors.index.json}, or a model folder that
     * has {@code model.safetensors} or {@code model.safetensors.index.json}.
     */
    static WeightSource open(Path path) {
        if (Files.isDirectory(path)) {
            Path single = path.resolve("model.safetensors");
            Path index = path.resolve("model.safetensors.index.json");
            if (Files.exists(single)) {
                return Safetensors.open(single);
            }
            if (Files.exists(index)) {
                return ShardedSafetensors.open(index);
            }
            throw new TensorException(path + " has no weights: there is neither model.safetensors nor"
                    + " model.safetensors.index.json in it");
        }
        if (path.toString().endsWith(".gguf")) {
            return Gguf.open(path);
        }
        return path.toString().endsWith(".json") ? ShardedSafetensors.open(path) : Safetensors.open(path);
    }
}
