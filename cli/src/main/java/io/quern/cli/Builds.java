package io.quern.cli;

import java.io.File;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How to start this Quern, or another build of it, in a process of its own. */
final class Builds {
    private Builds() {}

    /** This one, with the options that its JVM has. */
    static List<String> self() {
        List<String> command = java();
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        return command;
    }

    /** Whether {@code path} is to be taken for a build and not for a file of results; no other file is ever started. */
    static boolean isBuild(Path path) {
        Path name = path.getFileName();
        return Files.isDirectory(path)
                || name != null
                        && (name.toString().equals("quern") || name.toString().endsWith(".jar"));
    }

    /**
     * Another one.
     *
     * @param path its folder, its launcher, or its jar with the libraries in {@code lib} beside it
     * @throws Errors.UsageException if there is none
     */
    static List<String> at(Path path) {
        Path launcher = path;
        if (Files.isDirectory(path)) {
            launcher = Files.isRegularFile(path.resolve("quern")) ? path.resolve("quern") : path.resolve("bin/quern");
        }
        if (!Files.isRegularFile(launcher)) {
            throw new Errors.UsageException(
                    "--baseline: " + path + " is no folder with a quern in it, no launcher and no jar");
        }
        Path file = launcher.toAbsolutePath();
        if (file.toString().endsWith(".jar")) {
            List<String> command = java();
            command.addAll(List.of(
                    "-cp", file + File.pathSeparator + file.resolveSibling("lib") + "/*", Main.class.getName()));
            return command;
        }
        if (!Files.isExecutable(file)) {
            throw new Errors.UsageException("--baseline: " + path + " is not executable");
        }
        return List.of(file.toString());
    }

    private static List<String> java() {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        // A child has no descriptor 3 to write errors to, and an archive of classes is made of one class path.
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(a -> !a.startsWith("-Dquern.stderr=") && !a.startsWith("-agentlib:jdwp"))
                .forEach(command::add);
        return command;
    }
}
