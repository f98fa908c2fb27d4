package io.quern.transformer.hub;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.FileErrors;
import io.quern.transformer.ConfigJson;
import io.quern.transformer.Spelling;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Hugging Face's cache of downloaded models, read only: {@code models--ORG--NAME/refs/REVISION} has the commit, and
 * {@code models--ORG--NAME/snapshots/COMMIT} its files. Nothing is downloaded.
 */
public final class HfCache {
    private static final Pattern PART = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]*");
    private static final Pattern REVISION = Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._/-]*");
    private static final Pattern COMMIT = Pattern.compile("[0-9a-f]{40}");
    private static final String FOLDER = "models--";
    private static final String DEFAULT_REVISION = "main";

    private final Path root;

    /** A cache in this folder. */
    public HfCache(Path root) {
        this.root = root;
    }

    /** The cache of this user, where Hugging Face's libraries put it. */
    public static HfCache ofUser() {
        return new HfCache(root(System.getenv(), Path.of(System.getProperty("user.home", "."))));
    }

    /** HF_HUB_CACHE, else HF_HOME/hub, else huggingface/hub in XDG_CACHE_HOME or {@code .cache} at home. */
    static Path root(Map<String, String> environment, Path home) {
        String hub = environment.getOrDefault("HF_HUB_CACHE", "");
        if (!hub.isEmpty()) {
            return expand(hub, home);
        }
        String hfHome = environment.getOrDefault("HF_HOME", "");
        if (!hfHome.isEmpty()) {
            return expand(hfHome, home).resolve("hub");
        }
        String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
        Path caches = xdg.isEmpty() ? home.resolve(".cache") : expand(xdg, home);
        return caches.resolve("huggingface").resolve("hub");
    }

    private static Path expand(String path, Path home) {
        return path.startsWith("~/") ? home.resolve(path.substring(2)) : Path.of(path);
    }

    public Path root() {
        return root;
    }

    /** The names of the models that the cache has, complete or not, in order. */
    public List<String> repositories() {
        if (!Files.isDirectory(root)) {
            return List.of();
        }
        try (Stream<Path> folders = Files.list(root)) {
            return folders.map(f -> f.getFileName().toString())
                    .filter(n -> n.startsWith(FOLDER))
                    .map(n -> n.substring(FOLDER.length()).replace("--", "/"))
                    .filter(HfCache::isRepository)
                    .sorted()
                    .toList();
        } catch (IOException e) {
            throw new TensorException(root + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /** Whether a text has the form {@code org/name}, or {@code org/name@revision}. */
    public static boolean isRepository(String text) {
        int at = text.indexOf('@');
        String[] parts = (at < 0 ? text : text.substring(0, at)).split("/", -1);
        return parts.length == 2
                && PART.matcher(parts[0]).matches()
                && PART.matcher(parts[1]).matches()
                && (at < 0 || isRevision(text.substring(at + 1)));
    }

    private static boolean isRevision(String text) {
        return REVISION.matcher(text).matches() && !text.contains("..");
    }

    /**
     * The snapshot of a model with all its files.
     *
     * @param repository {@code org/name}; {@code @revision} may follow: a branch, a tag or a commit
     * @throws TensorException if it is not in the cache, or not all of it
     */
    public Path model(String repository) {
        Path snapshot = snapshot(repository);
        List<String> missing = missing(snapshot);
        if (!missing.isEmpty()) {
            throw new TensorException("the copy of " + repository + " in the cache is incomplete: " + snapshot
                    + " lacks " + String.join(", ", missing) + "; download it again, for instance by: hf download "
                    + repository);
        }
        return snapshot;
    }

    /**
     * The snapshot of a repository, whatever files it has.
     *
     * @throws TensorException if it is not in the cache
     */
    public Path snapshot(String repository) {
        if (!isRepository(repository)) {
            throw new TensorException("'" + repository + "' is not of the form org/name or org/name@revision");
        }
        int at = repository.indexOf('@');
        String name = at < 0 ? repository : repository.substring(0, at);
        String revision = at < 0 ? DEFAULT_REVISION : repository.substring(at + 1);
        Path folder = root.resolve(FOLDER + name.replace("/", "--"));
        if (!Files.isDirectory(folder)) {
            throw new ModelNotFoundException(name + " is not in the cache " + root + similar(name)
                    + "; download it, for instance by: hf download " + name + ", or give a folder");
        }
        Path snapshot = folder.resolve("snapshots").resolve(commit(folder, name, revision));
        if (!Files.isDirectory(snapshot)) {
            throw new TensorException("revision " + revision + " of " + name
                    + " is not in the cache: there is no folder " + snapshot + "; download it again");
        }
        return snapshot;
    }

    private String similar(String name) {
        return Spelling.nearest(name, repositories())
                .map(n -> ", but " + n + " is")
                .orElse("");
    }

    private static String commit(Path folder, String name, String revision) {
        Path ref = folder.resolve("refs").resolve(revision);
        if (!Files.isRegularFile(ref)) {
            if (COMMIT.matcher(revision).matches()) {
                return revision;
            }
            throw new TensorException("revision " + revision + " of " + name + " is not in the cache: there is no file "
                    + ref + "; download it again");
        }
        try {
            String commit = Files.readString(ref, StandardCharsets.ISO_8859_1).strip();
            if (!PART.matcher(commit).matches()) {
                throw new TensorException(ref + " does not hold the name of a commit; download the model again");
            }
            return commit;
        } catch (IOException e) {
            throw new TensorException(ref + ": cannot be read: " + FileErrors.reason(e), e);
        }
    }

    /** The files that a model needs and the snapshot has not, or only as a link to nothing. */
    private static List<String> missing(Path snapshot) {
        List<String> missing = new ArrayList<>();
        need(snapshot, "config.json", missing);
        Path index = snapshot.resolve("model.safetensors.index.json");
        boolean single = Files.exists(snapshot.resolve("model.safetensors"), LinkOption.NOFOLLOW_LINKS);
        if (single || !Files.exists(index, LinkOption.NOFOLLOW_LINKS)) {
            need(snapshot, "model.safetensors", missing);
        } else if (Files.exists(index)) {
            Set<String> shards = new TreeSet<>();
            for (JsonNode file : ConfigJson.read(index).node().path("weight_map")) {
                shards.add(file.asText());
            }
            shards.forEach(s -> need(snapshot, s, missing));
        } else {
            missing.add("model.safetensors.index.json");
        }
        return missing;
    }

    private static void need(Path snapshot, String file, List<String> missing) {
        if (!Files.exists(snapshot.resolve(file))) {
            missing.add(file);
        }
    }
}
