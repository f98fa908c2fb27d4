package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;
import io.quern.tensor.spi.Tunable;
import io.quern.transformer.hub.HfCache;
import io.quern.transformer.hub.ModelDir;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says what was found, what would be used and why, and what is missing. */
@Command(name = "doctor", description = "Show what was found, what would be used, and what is missing.")
final class DoctorCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    private final Output output;

    DoctorCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        Map<String, Map<String, Object>> report = new LinkedHashMap<>();
        report.put("quern", quern());
        report.put("java", java());
        report.put("machine", machine());
        report.put("devices", devices());
        report.put("kernel_choices", kernelChoices());
        if (common.verbose) {
            report.put("search", search());
            report.put("memory", memoryOfDevices());
        }
        report.put("models", models());
        if (common.json) {
            output.json(report);
        } else {
            report.values().removeIf(Map::isEmpty);
            report.forEach((section, facts) -> {
                output.println(section);
                facts.forEach((what, value) -> {
                    String name = what;
                    for (Object line : value instanceof List<?> lines ? lines : List.of(value)) {
                        output.println("  %-18s %s".formatted(name, line));
                        name = "";
                    }
                });
            });
        }
        return Main.OK;
    }

    private static Map<String, Object> quern() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("version", Version.text());
        return m;
    }

    private static Map<String, Object> java() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("version", System.getProperty("java.vm.version") + ", " + System.getProperty("java.vendor"));
        m.put("home", System.getProperty("java.home"));
        m.put("options", String.join(" ", ManagementFactory.getRuntimeMXBean().getInputArguments()));
        m.put("max_heap", mib(Runtime.getRuntime().maxMemory()));
        boolean vector = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        m.put(
                "vector_api",
                vector
                        ? "present"
                        : "absent: CPU kernels run scalar; start java with --add-modules jdk.incubator.vector");
        return m;
    }

    private static Map<String, Object> machine() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put(
                "system",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + System.getProperty("os.arch"));
        m.put("processor", fromProc("/proc/cpuinfo", "model name", "unknown"));
        m.put("processors", Runtime.getRuntime().availableProcessors() + " available to this process");
        m.put("memory", memory());
        return m;
    }

    private static String memory() {
        if (ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean os) {
            return mib(os.getTotalMemorySize()) + ", " + mib(os.getFreeMemorySize()) + " free";
        }
        return "unknown";
    }

    private static Map<String, Object> devices() {
        Map<String, Object> m = new LinkedHashMap<>();
        for (BackendProvider p : ServiceLoader.load(BackendProvider.class)) {
            try {
                Backend backend = new Device(p.kind(), 0).backend();
                m.put(p.kind(), backend.description());
            } catch (TensorException e) {
                m.put(p.kind(), "not usable: " + e.getMessage());
            }
        }
        if (!m.containsKey("cuda")) {
            m.put("cuda", "this build has no CUDA backend");
        }
        m.put("auto", "cpu; --device names another");
        return m;
    }

    /** By device that has several kernels for a product, its table and what chooses. */
    private static Map<String, Object> kernelChoices() {
        Map<String, Object> m = new LinkedHashMap<>();
        for (BackendProvider p : ServiceLoader.load(BackendProvider.class)) {
            try {
                if (new Device(p.kind(), 0).backend() instanceof Tunable tunable) {
                    m.put(p.kind(), tunable.table());
                }
            } catch (TensorException e) {
                // The list of devices says why.
            }
        }
        return m;
    }

    /** By kind of device what was looked for and what was found. */
    private static Map<String, Object> search() {
        Map<String, Object> m = new LinkedHashMap<>();
        for (BackendProvider p : ServiceLoader.load(BackendProvider.class)) {
            if (!p.search().isEmpty()) {
                m.put(p.kind(), p.search());
            }
        }
        return m;
    }

    private static Map<String, Object> memoryOfDevices() {
        Map<String, Object> m = new LinkedHashMap<>();
        for (BackendProvider p : ServiceLoader.load(BackendProvider.class)) {
            try {
                m.put(p.kind(), MemoryReport.lines(new Device(p.kind(), 0)));
            } catch (TensorException e) {
                // The list of devices says why.
            }
        }
        return m;
    }

    private static Map<String, Object> models() {
        Map<String, Object> m = new LinkedHashMap<>();
        m.put("embedded", describe(Models.open(null)));
        Path cache = HfCache.ofUser().root();
        m.put(
                "hugging_face",
                cache + (Files.isDirectory(cache) ? "" : ": no such folder, so only model folders are found"));
        return m;
    }

    private static String describe(ModelDir dir) {
        return dir.config().toJson().path("architectures").path(0).asText() + ", vocabulary "
                + dir.config().vocabSize() + ", context " + dir.config().contextLength();
    }

    private static String fromProc(String file, String key, String otherwise) {
        try (Stream<String> lines = Files.lines(Path.of(file))) {
            List<String> found = lines.filter(l -> l.startsWith(key)).limit(1).toList();
            return found.isEmpty()
                    ? otherwise
                    : found.getFirst()
                            .substring(found.getFirst().indexOf(':') + 1)
                            .strip();
        } catch (IOException e) {
            return otherwise;
        }
    }

    private static String mib(long bytes) {
        return bytes / (1 << 20) + " MiB";
    }
}
