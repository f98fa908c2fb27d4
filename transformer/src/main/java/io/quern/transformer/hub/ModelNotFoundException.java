package io.quern.transformer.hub;

import io.quern.tensor.TensorException;
import io.quern.transformer.Spelling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.stream.Stream;

/** There is no model where one was named; the message says what lies nearby. */
public final class ModelNotFoundException extends TensorException {
    private static final long serialVersionUID = 1;
    private static final String CONFIG = "config.json";
    private static final int MOST_NAMED = 8;

    ModelNotFoundException(String message) {
        super(message);
    }

    /**
     * Checks that a folder is one and has {@code config.json}.
     *
     * @param what such as "a model", for the message
     * @throws ModelNotFoundException if not
     */
    public static void check(Path folder, String what) {
        if (Files.isRegularFile(folder)) {
            Path parent = folder.toAbsolutePath().getParent();
            throw new ModelNotFoundException(folder + " is a file; " + what + " is a folder with " + CONFIG
                    + " and model.safetensors"
                    + (holdsModel(parent) ? ", here " + parent : ""));
        }
        if (!Files.isDirectory(folder)) {
            throw new ModelNotFoundException(folder + ": no such folder; " + what + " is a folder with " + CONFIG
                    + " and model.safetensors" + similar(folder));
        }
        if (!Files.exists(folder.resolve(CONFIG))) {
            List<String> inside = names(folder, ModelNotFoundException::holdsModel);
            String some = String.join(", ", inside.subList(0, Math.min(MOST_NAMED, inside.size())));
            throw new ModelNotFoundException(
                    folder + " has no " + CONFIG + ": it is not a model folder in Hugging Face layout"
                            + (inside.isEmpty() ? "" : ", but there are such folders in it: " + some));
        }
    }

    private static boolean holdsModel(Path folder) {
        return folder != null && Files.exists(folder.resolve(CONFIG));
    }

    private static String similar(Path folder) {
        Path parent = folder.toAbsolutePath().normalize().getParent();
        Path name = folder.getFileName();
        if (parent == null || name == null) {
            return "";
        }
        Optional<String> sibling = Spelling.nearest(name.toString(), names(parent, ModelNotFoundException::holdsModel));
        Optional<String> cached = HfCache.ofUser().repositories().stream()
                .filter(r -> r.endsWith("/" + folder))
                .findFirst();
        return sibling.map(folder::resolveSibling)
                .map(Path::toString)
                .or(() -> cached)
                .map(s -> "; did you mean " + s + "?")
                .orElse("");
    }

    private static List<String> names(Path parent, Predicate<Path> filter) {
        try (Stream<Path> all = Files.list(parent)) {
            return all.filter(filter)
                    .map(p -> p.getFileName().toString())
                    .sorted()
                    .toList();
        } catch (IOException e) {
            // Only a hint is lost: the folder is not there, or may not be listed.
            return List.of();
        }
    }
}
