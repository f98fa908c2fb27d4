package io.quern.cuda;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** Builds the emulated device, and families of kernels for it, with g++. */
final class EmulatorBuild {
    /** The module's folder: the tests of another module run in that module's. */
    static final Path MODULE = Path.of(Files.isDirectory(Path.of("src/test/cpp")) ? "" : "../cuda-kernels")
            .toAbsolutePath()
            .normalize();

    static final Path KERNELS = MODULE.resolve("src/main/resources/io/quern/cuda/kernels");
    static final Path TARGET = MODULE.resolve("target/emulator");
    static final Path SOURCES = MODULE.resolve("src/test/cpp");

    private static final Pattern KERNEL = Pattern.compile("EMU_KERNEL\\s+void\\s+(\\w+)");
    private static final List<String> FLAGS = List.of(
            "-std=c++20",
            "-O1",
            "-fPIC",
            "-fvisibility=hidden",
            "-fno-gnu-unique",
            "-ffp-contract=off",
            "-fno-strict-aliasing",
            "-I" + SOURCES,
            "-include",
            "cuemu.h");

    /** The compiler reports every access to the checker; nothing of the sanitizer's own library is linked. */
    private static final List<String> CHECKED = List.of(
            "-fsanitize=thread",
            "--param=tsan-instrument-func-entry-exit=0",
            "-Wno-tsan",
            "-Wno-unused-variable",
            "-Wno-unused-function");

    private EmulatorBuild() {}

    /** There is no compiler, or an old one. */
    static final class NoCompilerException extends Exception {
        private static final long serialVersionUID = 1;

        NoCompilerException(String message) {
            super(message);
        }
    }

    /** The folder of the libraries, built if they are not those of the sources. */
    static Path build() throws IOException, NoCompilerException {
        List<Path> kernels = files(KERNELS, "cu|cuh");
        List<Path> machine = files(SOURCES, "cpp|h");
        List<Path> all = new ArrayList<>(machine);
        all.addAll(kernels);
        Path folder = TARGET.resolve(hash(all));
        if (Files.exists(folder.resolve("libcublas.so.13"))) {
            return folder;
        }
        run(TARGET, List.of("g++", "--version"));
        Files.createDirectories(TARGET);
        Path work = Files.createTempDirectory(TARGET, "build");
        List<Compilation> jobs = new ArrayList<>();
        List<String> link =
                new ArrayList<>(List.of("g++", "-shared", "-Wl,-soname,libcuda.so.1", "-o", "libcuda.so.1"));
        for (Path source : kernels) {
            if (source.toString().endsWith(".cu")) {
                jobs.add(() -> compile(source, work));
                link.add(stem(source) + ".o");
            }
        }
        for (Path source : machine) {
            String stem = stem(source);
            if (source.toString().endsWith(".cpp") && !stem.equals("cublas")) {
                jobs.add(() -> run(work, command("-c", source.toString(), "-o", stem + ".o")));
                link.add(stem + ".o");
            }
        }
        for (String major : List.of("12", "13")) {
            jobs.add(() -> cublas(work, major));
        }
        inParallel(jobs);
        link.add("-ldl");
        run(work, link);
        try {
            Files.move(work, folder, StandardCopyOption.ATOMIC_MOVE);
        } catch (FileSystemException e) {
            // Another run may have built the same in the meantime.
            if (!Files.exists(folder.resolve("libcublas.so.13"))) {
                throw e;
            }
        }
        return folder;
    }

    /** A library of the kernels of one source, to put in the place of those of the device in {@code device}. */
    static Path replacement(Path source, Path work, Path device) throws IOException, NoCompilerException {
        compile(source, work);
        Path library = work.resolve("replacement.so");
        run(
                work,
                List.of(
                        "g++",
                        "-shared",
                        "-o",
                        library.toString(),
                        stem(source) + ".o",
                        device.resolve("libcuda.so.1").toString()));
        return library;
    }

    private interface Compilation {
        void run() throws IOException, NoCompilerException;
    }

    private static void inParallel(List<Compilation> jobs) throws IOException, NoCompilerException {
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            List<Future<Object>> results = new ArrayList<>();
            for (Compilation job : jobs) {
                results.add(threads.submit(() -> {
                    job.run();
                    return null;
                }));
            }
            for (Future<Object> result : results) {
                result.get();
            }
        } catch (ExecutionException e) {
            if (e.getCause() instanceof NoCompilerException none) {
                throw none;
            }
            throw new IOException(e.getCause());
        } catch (InterruptedException e) {
            throw new IOException(e);
        }
    }

    private static String stem(Path source) {
        return source.getFileName().toString().replaceFirst("\\.[a-z]+$", "");
    }

    private static List<String> command(String... more) {
        List<String> command = new ArrayList<>(List.of("g++"));
        command.addAll(FLAGS);
        command.addAll(List.of(more));
        return command;
    }

    /** A cuBLAS of a major version, whose symbols have the version that JCuda, or what Quern makes of it, asks for. */
    private static void cublas(Path work, String major) throws IOException, NoCompilerException {
        String name = "libcublas.so." + major;
        Path versions = work.resolve(name + ".map");
        Files.writeString(versions, name + " { global: *; };\n");
        run(
                work,
                List.of(
                        "g++",
                        "-std=c++20",
                        "-O2",
                        "-fPIC",
                        "-shared",
                        "-Wl,-soname," + name,
                        "-Wl,--version-script," + versions,
                        "-o",
                        name,
                        SOURCES.resolve("cublas.cpp").toString()));
    }

    private static void compile(Path source, Path work) throws IOException, NoCompilerException {
        String stem = stem(source);
        Path registry = work.resolve(stem + "_registry.cpp");
        Files.writeString(registry, registry(source, work));
        List<String> command = command();
        command.addAll(CHECKED);
        command.addAll(List.of("-c", registry.toString(), "-o", stem + ".o"));
        run(work, command);
    }

    /** A source that includes the kernels and registers each by name; the preprocessor finds those that macros make. */
    private static String registry(Path source, Path work) throws IOException, NoCompilerException {
        String text = run(work, command("-E", "-P", "-DEMU_LIST", "-x", "c++", source.toString()));
        StringBuilder s = new StringBuilder("#include \"" + source + "\"\n#include \"registry.h\"\n");
        KERNEL.matcher(text)
                .results()
                .forEach(m -> s.append("REGISTER(").append(m.group(1)).append(")\n"));
        return s.toString();
    }

    static List<Path> files(Path folder, String extensions) throws IOException {
        try (Stream<Path> all = Files.list(folder)) {
            return all.filter(p -> p.toString().matches(".*\\.(" + extensions + ")"))
                    .sorted()
                    .toList();
        }
    }

    private static String hash(List<Path> files) throws IOException {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Path p : files) {
                digest.update(Files.readAllBytes(p));
            }
            digest.update((FLAGS.toString() + CHECKED).getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest.digest()).substring(0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private static String run(Path folder, List<String> command) throws IOException, NoCompilerException {
        Files.createDirectories(folder);
        Path errors = Files.createTempFile("quern-emulator", ".txt");
        Process p;
        try {
            p = new ProcessBuilder(command)
                    .directory(folder.toFile())
                    .redirectError(errors.toFile())
                    .start();
        } catch (IOException e) {
            throw new NoCompilerException(e.getMessage());
        }
        try {
            String output = new String(p.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!p.waitFor(5, TimeUnit.MINUTES) || p.exitValue() != 0) {
                throw new IOException(String.join(" ", command) + ":\n" + Files.readString(errors));
            }
            return output;
        } catch (InterruptedException e) {
            throw new IOException(e);
        } finally {
            Files.deleteIfExists(errors);
        }
    }
}
