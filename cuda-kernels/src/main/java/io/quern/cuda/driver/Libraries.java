package io.quern.cuda.driver;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
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

        /** Such as {@code libcuda: /lib/libcuda.so.1 (looked at ...)}. */
        String describe(String name) {
            return name + ": " + (isThere() ? path : "not found") + " (looked at " + String.join(", ", looked) + ")";
        }
    }

    /**
     * The property {@code property} if it is set, and nothing else then; else {@code CUDA_HOME/lib64}, the system's loader,
     * and the folders where distributions and Python's wheels put it. In each place the names are tried in order.
     */
    static Found find(String property, List<String> names, String... folders) {
        List<String> looked = new ArrayList<>();
        String wish = System.getProperty(property);
        if (wish != null) {
            looked.add(property + "=" + wish);
            return new Found(Files.exists(Path.of(wish)) ? wish : null, looked);
        }
        for (String variable : List.of("CUDA_HOME", "CUDA_PATH")) {
            String home = System.getenv(variable);
            if (home != null && !home.isBlank()) {
                String found = inFolder(Path.of(home, "lib64"), names, looked);
                if (found != null) {
                    return new Found(found, looked);
                }
            }
        }
        for (String name : names) {
            looked.add(name + " by the system's loader");
            if (loads(name)) {
                return new Found(name, looked);
            }
        }
        for (String folder : folders) {
            String found = inFolder(Path.of(folder), names, looked);
            if (found != null) {
                return new Found(found, looked);
            }
        }
        for (Path environment : pythons()) {
            String found = wheel(environment, names, looked);
            if (found != null) {
                return new Found(found, looked);
            }
        }
        return new Found(null, looked);
    }

    private static String inFolder(Path folder, List<String> names, List<String> looked) {
        for (String name : names) {
            Path p = folder.resolve(name);
            looked.add(p.toString());
            if (Files.exists(p)) {
                return p.toString();
            }
        }
        return null;
    }

    /** The Python environments that are active, and those that the python3 on the path belongs to. */
    private static Set<Path> pythons() {
        Set<Path> all = new LinkedHashSet<>();
        for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
            String folder = System.getenv(variable);
            if (folder != null && !folder.isBlank()) {
                all.add(Path.of(folder));
            }
        }
        String path = System.getenv("PATH");
        for (String folder : path == null ? new String[0] : path.split(":")) {
            Path python = Path.of(folder, "python3");
            if (folder.startsWith("/") && Files.isExecutable(python)) {
                addPrefix(all, python);
                try {
                    // A link into an environment, or a file in it that is itself a link to the system's.
                    addPrefix(
                            all,
                            Files.isSymbolicLink(python)
                                    ? python.resolveSibling(Files.readSymbolicLink(python))
                                    : python);
                } catch (IOException e) {
                    // Then the link leads nowhere.
                }
                break;
            }
        }
        return all;
    }

    private static void addPrefix(Set<Path> all, Path python) {
        Path bin = python.normalize().getParent();
        if (bin != null && bin.getParent() != null) {
            all.add(bin.getParent());
        }
    }

    /** NVIDIA's wheels put libraries into {@code nvidia/cublas/lib}, or {@code nvidia/cu13/lib} from CUDA 13 on. */
    private static String wheel(Path environment, List<String> names, List<String> looked) {
        looked.add(environment + "/lib/python*/*-packages/nvidia/*/lib");
        for (String lib : List.of("lib", "local/lib")) {
            for (Path python : children(environment.resolve(lib), "python3")) {
                for (String packages : List.of("site-packages", "dist-packages")) {
                    for (Path part : children(python.resolve(packages).resolve("nvidia"), "")) {
                        for (String name : names) {
                            Path p = part.resolve("lib").resolve(name);
                            if (Files.exists(p)) {
                                return p.toString();
                            }
                        }
                    }
                }
            }
        }
        return null;
    }

    private static List<Path> children(Path folder, String start) {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(p -> p.getFileName().toString().startsWith(start))
                    .sorted()
                    .toList();
        } catch (IOException e) {
            return List.of();
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
