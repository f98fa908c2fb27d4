package io.quern.cli;

import io.quern.tensor.spi.Finding;
import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** The Java runtime and how it was started. */
final class DoctorJava {
    private static final String COMPILE_COMMAND = "-XX:CompileCommand=";
    private static final String ARCHIVE = "-XX:SharedArchiveFile=";
    private static final String LAUNCHER = "start by the quern script";

    private DoctorJava() {}

    /**
     * @param options those that the JVM was started with
     * @param all whether to list every one of them
     */
    static List<Finding> findings(List<String> options, boolean all) {
        List<Finding> found = new ArrayList<>();
        found.add(Finding.of(
                "version", System.getProperty("java.vm.version") + ", " + System.getProperty("java.vendor")));
        found.add(Finding.of("home", System.getProperty("java.home")));
        found.add(options(options, all));
        found.add(Finding.of("max_heap", DoctorMachine.mib(Runtime.getRuntime().maxMemory())));
        found.add(Finding.of(
                "collector",
                ManagementFactory.getGarbageCollectorMXBeans().stream()
                        .map(GarbageCollectorMXBean::getName)
                        .collect(Collectors.joining(", "))));
        found.add(
                present("jdk.incubator.vector")
                        ? Finding.of("vector_api", "present")
                        : Finding.missing(
                                "vector_api",
                                "absent: CPU kernels run scalar",
                                "start java with --add-modules jdk.incubator.vector, or " + LAUNCHER));
        found.add(
                present("jdk.jfr")
                        ? Finding.of("flight_recorder", "present, for --jfr")
                        : Finding.missing("flight_recorder", "absent, so there is no --jfr", "use a whole JDK"));
        found.add(archive(options));
        return found;
    }

    private static boolean present(String module) {
        return ModuleLayer.boot().findModule(module).isPresent();
    }

    /** A compile command a kernel would bury the others. */
    static Finding options(List<String> options, boolean all) {
        if (all) {
            return Finding.of("options", String.join(" ", options));
        }
        List<String> others =
                options.stream().filter(o -> !o.startsWith(COMPILE_COMMAND)).toList();
        int commands = options.size() - others.size();
        return commands == 0
                ? Finding.missing(
                        "options",
                        String.join(" ", others),
                        LAUNCHER + ", whose options have kernels compiled at their first calls: a quicker start")
                : Finding.of(
                        "options",
                        String.join(" ", others) + " and " + commands + " compile commands (--verbose shows them)");
    }

    private static Finding archive(List<String> options) {
        String file = options.stream()
                .filter(o -> o.startsWith(ARCHIVE))
                .map(o -> o.substring(ARCHIVE.length()))
                .findFirst()
                .orElse(null);
        return file == null || !Files.isReadable(Path.of(file))
                ? Finding.missing(
                        "class_archive", "none", LAUNCHER + ", which makes one where its folder can be written")
                : Finding.of("class_archive", file);
    }
}
