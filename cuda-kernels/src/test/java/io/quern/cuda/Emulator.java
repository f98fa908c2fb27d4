package io.quern.cuda;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/**
 * The device that tests run on. Usually the emulated one: a libcuda and a libcublas built by g++ from the kernels' own
 * sources, which JCuda loads like NVIDIA's. Built once, and again when a source changes. Tests that need it are skipped where
 * it cannot be built. A build elsewhere is taken if the property {@code quern.cuda.driver} names it, and the property
 * {@code quern.cuda.card} runs the tests on a card instead. Tests of other modules may use it too: {@link #require()} first.
 */
public final class Emulator {
    /** The module's folder: the tests of another module run in that module's. */
    private static final Path MODULE = Path.of(Files.isDirectory(Path.of("src/test/cpp")) ? "" : "../cuda-kernels")
            .toAbsolutePath()
            .normalize();

    private static final Path SOURCES = MODULE.resolve("src/test/cpp");
    static final Path KERNELS = MODULE.resolve("src/main/resources/io/quern/cuda/kernels");
    private static final Path TARGET = MODULE.resolve("target/emulator");
    private static final Pattern KERNEL = Pattern.compile("EMU_KERNEL\\s+void\\s+(\\w+)");
    private static final List<String> FLAGS = List.of(
            "-std=c++20",
            "-O1",
            "-fPIC",
            "-fvisibility=hidden",
            "-ffp-contract=off",
            "-fno-strict-aliasing",
            "-I" + SOURCES,
            "-I" + KERNELS,
            "-include",
            "cuemu.h");

    private static final boolean CARD = Boolean.getBoolean("quern.cuda.card");

    private static String missing = "not started";

    static {
        start();
    }

    private Emulator() {}

    /** Whether tests run on a card, which has no schedules to choose and no room to waste. */
    static boolean isCard() {
        return CARD;
    }

    /** Skips the calling test, saying why, unless the emulated device is there; {@code new Device("cuda", 0)} is it then. */
    public static void require() {
        if (missing != null) {
            System.out.println("emulated CUDA device: skipped, " + missing);
        }
        Assumptions.assumeTrue(missing == null, () -> "no emulated device: " + missing);
    }

    private static void start() {
        if (CARD || System.getProperty("quern.cuda.driver") != null) {
            missing = null;
            return;
        }
        if (!System.getProperty("os.name").equals("Linux")
                || !System.getProperty("os.arch").equals("amd64")) {
            missing = "it needs Linux on x86-64";
            return;
        }
        try {
            Path libraries = build();
            System.setProperty(
                    "quern.cuda.driver", libraries.resolve("libcuda.so.1").toString());
            System.setProperty(
                    "quern.cuda.cublas", libraries.resolve("libcublas.so.12").toString());
            if (System.getProperty("quern.cuda.pool") == null) {
                System.setProperty("quern.cuda.pool", "off");
            }
            missing = null;
        } catch (NoCompilerException e) {
            missing = "g++ 12 or newer is needed: " + e.getMessage();
        } catch (IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    private static Path build() throws IOException, NoCompilerException {
        List<Path> sources = new ArrayList<>();
        for (Path folder : List.of(SOURCES, KERNELS)) {
            try (Stream<Path> all = Files.list(folder)) {
                all.filter(p -> p.toString().matches(".*\\.(cpp|h|cu|cuh)"))
                        .sorted()
                        .forEach(sources::add);
            }
        }
        Path folder = TARGET.resolve(hash(sources));
        if (Files.exists(folder.resolve("libcublas.so.13"))) {
            return folder;
        }
        run(TARGET, List.of("g++", "--version"));
        Files.createDirectories(TARGET);
        Path work = Files.createTempDirectory(TARGET, "build");
        List<String> objects = new ArrayList<>();
        for (Path source : sources) {
            if (source.toString().endsWith(".cu")) {
                String stem = source.getFileName().toString().replace(".cu", "");
                Files.writeString(work.resolve(stem + ".cpp"), registry(source, work));
                objects.add(stem);
            }
        }
        for (String stem : List.of("emulator", "graphs")) {
            Files.copy(SOURCES.resolve(stem + ".cpp"), work.resolve(stem + ".cpp"));
            objects.add(stem);
        }
        List<String> link =
                new ArrayList<>(List.of("g++", "-shared", "-Wl,-soname,libcuda.so.1", "-o", "libcuda.so.1"));
        for (String stem : objects) {
            List<String> command = new ArrayList<>(List.of("g++"));
            command.addAll(FLAGS);
            command.addAll(List.of("-c", stem + ".cpp", "-o", stem + ".o"));
            run(work, command);
            link.add(stem + ".o");
        }
        run(work, link);
        cublas(work, "12");
        cublas(work, "13");
        try {
            Files.move(work, folder, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
        } catch (java.nio.file.FileSystemException e) {
            // Another run may have built the same in the meantime.
            if (!Files.exists(folder.resolve("libcublas.so.13"))) {
                throw e;
            }
        }
        return folder;
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

    /** A source that includes the kernels and registers each by name; the preprocessor finds those that macros make. */
    private static String registry(Path source, Path work) throws IOException, NoCompilerException {
        List<String> command = new ArrayList<>(List.of("g++", "-E", "-P", "-DEMU_LIST", "-x", "c++"));
        command.addAll(FLAGS);
        command.add(source.toString());
        String text = run(work, command);
        StringBuilder s = new StringBuilder("#include \"" + source.getFileName() + "\"\n#include \"registry.h\"\n");
        KERNEL.matcher(text)
                .results()
                .forEach(m -> s.append("REGISTER(").append(m.group(1)).append(")\n"));
        return s.toString();
    }

    private static String hash(List<Path> files) throws IOException {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            for (Path p : files) {
                digest.update(Files.readAllBytes(p));
            }
            digest.update(FLAGS.toString().getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest.digest()).substring(0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    private static final class NoCompilerException extends Exception {
        NoCompilerException(String message) {
            super(message);
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
