package io.quern.cuda.driver;

import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Looks for NVIDIA's libraries and says where it looked. Source of the order: {@code docs/cuda.md}. */
final class Libraries {
    private Libraries() {}

    /**
     * A library that was found or not.
     *
     * @param path to load, a bare name if the system's loader finds it, or null
     * @param looked all that was tried, in order
     */
    record Found(String path, List<String> looked) {
        boolean isThere() {
            return path != null;
        }
    }

    /**
     * The property {@code property} if it is set, and nothing else then; else {@code CUDA_HOME/lib64}, the system's loader,
     * and the folders where distributions and Python's wheels put it.
     */
    static Found find(String property, String name, String... folders) {
        List<String> looked = new ArrayList<>();
        String wish = System.getProperty(property);
        if (wish != null) {
            looked.add(property + "=" + wish);
            return new Found(Files.exists(Path.of(wish)) ? wish : null, looked);
        }
        List<Path> places = new ArrayList<>();
        for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
            String home = System.getenv(variable);
            if (home != null && !home.isBlank()) {
                places.add(Path.of(home, "lib64"));
            }
        }
        for (Path p : places) {
            looked.add(p.resolve(name).toString());
            if (Files.exists(p.resolve(name))) {
                return new Found(p.resolve(name).toString(), looked);
            }
        }
        looked.add(name + " by the system's loader");
        if (loads(name)) {
            return new Found(name, looked);
        }
        for (String folder : folders) {
            Path p = Path.of(folder, name);
            looked.add(p.toString());
            if (Files.exists(p)) {
                return new Found(p.toString(), looked);
            }
        }
        return wheel(name, looked);
    }

    /** In the site-packages of the Python environment that is active, if one is. */
    private static Found wheel(String name, List<String> looked) {
        String environment = System.getenv("VIRTUAL_ENV");
        if (environment == null) {
            environment = System.getenv("CONDA_PREFIX");
        }
        if (environment == null) {
            return new Found(null, looked);
        }
        Path lib = Path.of(environment, "lib");
        looked.add(lib + "/python*/site-packages/nvidia/*/lib/" + name);
        try (Stream<Path> all =
                Files.find(lib, 6, (p, a) -> p.endsWith(name) && p.toString().contains("nvidia"))) {
            return new Found(all.map(Path::toString).sorted().findFirst().orElse(null), looked);
        } catch (java.io.IOException | java.io.UncheckedIOException e) {
            return new Found(null, looked);
        }
    }

    private static boolean loads(String name) {
        try (Arena arena = Arena.ofConfined()) {
            SymbolLookup.libraryLookup(name, arena);
            return true;
        } catch (IllegalArgumentException e) {
            return false;
        }
    }

    /** The functions of a library that was found. */
    static SymbolLookup symbols(String path) {
        return path.contains("/")
                ? SymbolLookup.libraryLookup(Path.of(path), Arena.global())
                : SymbolLookup.libraryLookup(path, Arena.global());
    }

    /** Loads a library into the process, so that what needs it by its name finds it. */
    static void load(String path) {
        if (path.contains("/")) {
            System.load(Path.of(path).toAbsolutePath().toString());
        } else {
            // Stays loaded with the arena, which is never closed.
            symbols(path);
        }
    }
}
