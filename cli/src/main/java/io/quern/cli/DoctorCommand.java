package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;
import io.quern.tensor.spi.Finding;
import io.quern.tensor.spi.Tunable;
import io.quern.transformer.hub.HfCache;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Says what was found, what would be used and why, and what is missing. */
@Command(
        name = "doctor",
        description = {
            "Show what was found, what would be used, and what is missing and how to get it.",
            "--verbose lists all options of the JVM, where libraries were looked for, and memory."
        })
final class DoctorCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    private final Output output;

    DoctorCommand(Output output) {
        this.output = output;
    }

    /**
     * What was found, by section.
     *
     * @param lists sections of which each entry is a list of lines, such as the tables by which devices choose kernels
     */
    record Report(Map<String, List<Finding>> sections, Map<String, Map<String, List<String>>> lists) {
        Report() {
            this(new LinkedHashMap<>(), new LinkedHashMap<>());
        }

        /** One object; {@code missing} has what has a remedy. */
        Map<String, Object> json() {
            Map<String, Object> all = new LinkedHashMap<>();
            List<Map<String, String>> missing = new ArrayList<>();
            sections.forEach((section, findings) -> {
                Map<String, String> facts = new LinkedHashMap<>();
                for (Finding f : findings) {
                    facts.put(f.what(), f.found());
                    if (f.remedy() != null) {
                        Map<String, String> one = new LinkedHashMap<>();
                        one.put("section", section);
                        one.put("what", f.what());
                        one.put("remedy", f.remedy());
                        missing.add(one);
                    }
                }
                all.put(section, facts);
            });
            all.putAll(lists);
            all.put("missing", missing);
            return all;
        }

        List<String> text() {
            List<String> lines = new ArrayList<>();
            List<String> missing = new ArrayList<>();
            sections.forEach((section, findings) -> {
                lines.add(section);
                for (Finding f : findings) {
                    lines.add(line(f.what(), f.found()));
                    if (f.remedy() != null) {
                        missing.add(line(section + "." + f.what(), f.remedy()));
                    }
                }
            });
            lists.forEach((section, entries) -> {
                if (!entries.isEmpty()) {
                    lines.add(section);
                }
                entries.forEach((what, found) -> {
                    for (int i = 0; i < found.size(); i++) {
                        lines.add(line(i == 0 ? what : "", found.get(i)));
                    }
                });
            });
            if (!missing.isEmpty()) {
                lines.add("missing, and how to get it");
                lines.addAll(missing);
            }
            return lines;
        }

        private static String line(String what, String found) {
            return "  %-18s %s".formatted(what, found);
        }
    }

    @Override
    public Integer call() {
        Report report = new Report();
        report.sections.put("quern", List.of(Finding.of("version", Version.text())));
        List<String> options = ManagementFactory.getRuntimeMXBean().getInputArguments();
        report.sections.put("java", DoctorJava.findings(options, common.verbose));
        report.sections.put("machine", new DoctorMachine(Path.of("/")).findings());
        devices(report, common.verbose);
        report.sections.put("models", DoctorModels.findings(HfCache.ofUser()));
        if (common.json) {
            output.json(report.json());
        } else {
            report.text().forEach(output::println);
        }
        return Main.OK;
    }

    /** What would be used, and a section for each kind of device. */
    private static void devices(Report report, boolean verbose) {
        List<Finding> devices = new ArrayList<>();
        Map<String, List<String>> choices = new LinkedHashMap<>();
        Map<String, List<String>> search = new LinkedHashMap<>();
        Map<String, List<String>> memory = new LinkedHashMap<>();
        report.sections.put("devices", devices);
        report.lists.put("kernel_choices", choices);
        if (verbose) {
            report.lists.put("search", search);
            report.lists.put("memory", memory);
        }
        for (BackendProvider p : ServiceLoader.load(BackendProvider.class)) {
            try {
                Device device = new Device(p.kind(), 0);
                Backend backend = device.backend();
                devices.add(Finding.of(p.kind(), backend.description()));
                if (backend instanceof Tunable tunable) {
                    choices.put(p.kind(), tunable.table());
                }
                memory.put(p.kind(), MemoryReport.lines(device));
            } catch (TensorException e) {
                devices.add(Finding.of(p.kind(), "not usable: " + e.getMessage()));
            }
            if (!p.search().isEmpty()) {
                search.put(p.kind(), p.search());
            }
            List<Finding> findings = p.findings();
            if (!findings.isEmpty()) {
                report.sections.put(p.kind(), findings);
            }
        }
        if (devices.stream().noneMatch(f -> f.what().equals("cuda"))) {
            devices.add(Finding.of("cuda", "this build has no CUDA backend"));
        }
        devices.add(Finding.of("auto", "cpu; --device names another"));
    }
}
