package io.quern.tensor.file;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;

/** Weights split over several safetensors files, found through {@code model.safetensors.index.json}. */
public final class ShardedSafetensors implements WeightSource {
    private final Map<String, Safetensors> files;
    private final Map<String, Safetensors> byName;

    private ShardedSafetensors(Map<String, Safetensors> files, Map<String, Safetensors> byName) {
        this.files = files;
        this.byName = byName;
    }

    /**
     * Opens all files that the index names.
     *
     * @throws TensorException if the index is broken, a file is missing or lies outside the folder, or a tensor is not in
     *     the file that the index names
     */
    public static ShardedSafetensors open(Path index) {
        Map<String, Safetensors> files = new LinkedHashMap<>();
        Map<String, Safetensors> byName = new LinkedHashMap<>();
        try {
            for (Map.Entry<String, JsonNode> e : weightMap(index).properties()) {
                String fileName = e.getValue().asText();
                Safetensors file = files.get(fileName);
                if (file == null) {
                    file = Safetensors.open(shard(index, fileName));
                    files.put(fileName, file);
                }
                if (!file.contains(e.getKey())) {
                    throw new TensorException(
                            index + " says that tensor '" + e.getKey() + "' is in " + fileName + ", but it is not");
                }
                byName.put(e.getKey(), file);
            }
            return new ShardedSafetensors(files, byName);
        } catch (RuntimeException e) {
            files.values().forEach(Safetensors::close);
            throw e;
        }
    }

    private static JsonNode weightMap(Path index) {
        JsonNode map;
        try {
            JsonNode root = new ObjectMapper().readTree(Files.readAllBytes(index));
            map = root == null ? null : root.get("weight_map");
        } catch (JsonProcessingException e) {
            throw new TensorException(index + " is not valid JSON: " + e.getOriginalMessage(), e);
        } catch (IOException e) {
            throw new TensorException(index + ": cannot be read: " + FileErrors.reason(e), e);
        }
        if (map == null || !map.isObject() || map.isEmpty()) {
            throw new TensorException(index + " has no weight_map");
        }
        for (Map.Entry<String, JsonNode> e : map.properties()) {
            if (!e.getValue().isTextual()) {
                throw new TensorException(index + ": the file of tensor '" + e.getKey() + "' is not a name");
            }
        }
        return map;
    }

    private static Path shard(Path index, String fileName) {
        if (fileName.isEmpty() || fileName.contains("/") || fileName.contains("\\") || fileName.startsWith("..")) {
            throw new TensorException(index + " names the file '" + fileName + "', which is not in its folder");
        }
        Path file;
        try {
            file = index.toAbsolutePath().getParent().resolve(fileName);
        } catch (java.nio.file.InvalidPathException e) {
            throw new TensorException(index + " names the file '" + fileName + "', which cannot be a file's name", e);
        }
        if (!Files.exists(file)) {
            throw new TensorException(index + " names " + fileName + ", which is missing: the model is incomplete");
        }
        return file;
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(byName.keySet());
    }

    @Override
    public WeightEntry get(String name) {
        Safetensors file = byName.get(name);
        if (file == null) {
            throw new TensorException("no file of " + files.keySet() + " has a tensor '" + name + "'");
        }
        return file.get(name);
    }

    @Override
    public Map<String, String> metadata() {
        return files.values().iterator().next().metadata();
    }

    @Override
    public void close() {
        files.values().forEach(Safetensors::close);
    }
}
