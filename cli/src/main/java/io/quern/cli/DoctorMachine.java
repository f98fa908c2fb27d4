package io.quern.cli;

import io.quern.tensor.spi.Finding;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Processors, caches, memory and limits, read from {@code /proc} and {@code /sys}; elsewhere what the JVM knows. */
final class DoctorMachine {
    private static final String UNKNOWN = "unknown";

    /** Extensions that kernels use, or that tell what the processor could do. */
    private static final Set<String> EXTENSIONS = Set.of(
            "fma",
            "avx",
            "avx2",
            "avx512f",
            "avx512bw",
            "avx512_vnni",
            "avx512_bf16",
            "avx512_fp16",
            "amx_bf16",
            "amx_int8",
            "asimd",
            "sve",
            "bf16");

    /** Older than this, groups say "no limit" by a huge number. */
    private static final long NO_LIMIT = 1L << 60;

    private final Path root;

    /**
     * @param root {@code /}, or a folder that stands for it
     */
    DoctorMachine(Path root) {
        this.root = root;
    }

    List<Finding> findings() {
        List<Finding> all = new ArrayList<>();
        all.add(Finding.of(
                "system",
                System.getProperty("os.name") + " " + System.getProperty("os.version") + ", "
                        + System.getProperty("os.arch")));
        all.add(Finding.of("processor", cpuInfo("model name")));
        all.add(Finding.of("extensions", extensions()));
        all.add(processors());
        all.add(Finding.of("caches", caches()));
        all.add(Finding.of("memory", memory()));
        all.add(Finding.of("container", container()));
        all.add(Finding.of("huge_pages", firstLine("sys/kernel/mm/transparent_hugepage/enabled")));
        all.add(Finding.of("load", firstLine("proc/loadavg") + "; figures of an idle machine are better"));
        return all;
    }

    private static Finding processors() {
        return Finding.of("processors", Runtime.getRuntime().availableProcessors() + " available to this process");
    }

    private String cpuInfo(String key) {
        return lines("proc/cpuinfo").stream()
                .filter(l -> l.startsWith(key))
                .map(l -> l.substring(l.indexOf(':') + 1).strip())
                .findFirst()
                .orElse(UNKNOWN);
    }

    private String extensions() {
        String flags = cpuInfo("flags");
        Set<String> found =
                new TreeSet<>(Arrays.asList((flags.equals(UNKNOWN) ? cpuInfo("Features") : flags).split(" ")));
        found.retainAll(EXTENSIONS);
        return found.isEmpty() ? UNKNOWN : String.join(" ", found);
    }

    /** The caches of the first processor, nearest first. */
    String caches() {
        Path folder = root.resolve("sys/devices/system/cpu/cpu0/cache");
        if (!Files.isDirectory(folder)) {
            return UNKNOWN;
        }
        try (Stream<Path> indices = Files.list(folder)) {
            String text = indices.filter(p -> p.getFileName().toString().matches("index\\d+"))
                    .sorted()
                    .map(this::cache)
                    .filter(c -> !c.isEmpty())
                    .collect(Collectors.joining(", "));
            return text.isEmpty() ? UNKNOWN : text;
        } catch (IOException e) {
            return UNKNOWN;
        }
    }

    private String cache(Path index) {
        String level = line(index.resolve("level"));
        String type = line(index.resolve("type"));
        String size = line(index.resolve("size"));
        if (level.equals(UNKNOWN) || size.equals(UNKNOWN)) {
            return "";
        }
        String kind = type.equals("Data") ? "d" : type.equals("Instruction") ? "i" : "";
        int sharing = count(line(index.resolve("shared_cpu_list")));
        return "L" + level + kind + " " + size + (sharing > 1 ? " shared by " + sharing : "");
    }

    /** The number of processors in a list such as {@code 0-3,8}. */
    static int count(String list) {
        int n = 0;
        for (String part : list.split(",")) {
            if (!part.matches("\\d{1,6}(-\\d{1,6})?")) {
                return 0;
            }
            String[] ends = part.split("-");
            n += Integer.parseInt(ends[ends.length - 1]) - Integer.parseInt(ends[0]) + 1;
        }
        return n;
    }

    private String memory() {
        String available = lines("proc/meminfo").stream()
                .filter(l -> l.startsWith("MemAvailable:"))
                .map(l -> l.replaceAll("\\D", ""))
                .filter(l -> !l.isEmpty())
                .map(kib -> ", " + Long.parseLong(kib) / 1024 + " MiB available")
                .findFirst()
                .orElse("");
        return ManagementFactory.getOperatingSystemMXBean() instanceof com.sun.management.OperatingSystemMXBean os
                ? mib(os.getTotalMemorySize()) + available
                : UNKNOWN;
    }

    /** The limits of the control groups that this process is in: version 2, and version 1 where it is still in use. */
    String container() {
        long memory = Long.MAX_VALUE;
        double processors = Double.POSITIVE_INFINITY;
        for (String group : lines("proc/self/cgroup")) {
            String[] parts = group.split(":", 3);
            if (parts.length < 3) {
                continue;
            }
            if (parts[1].isEmpty()) {
                for (Path p : upwards("sys/fs/cgroup", parts[2])) {
                    memory = Math.min(memory, number(line(p.resolve("memory.max"))));
                    String[] quota = line(p.resolve("cpu.max")).split(" ");
                    processors = Math.min(processors, quota.length == 2 ? share(quota[0], quota[1]) : processors);
                }
            } else if (List.of(parts[1].split(",")).contains("memory")) {
                for (Path p : upwards("sys/fs/cgroup/memory", parts[2])) {
                    memory = Math.min(memory, number(line(p.resolve("memory.limit_in_bytes"))));
                }
            } else if (List.of(parts[1].split(",")).contains("cpu")) {
                for (Path p : upwards("sys/fs/cgroup/cpu", parts[2])) {
                    processors = Math.min(
                            processors,
                            share(line(p.resolve("cpu.cfs_quota_us")), line(p.resolve("cpu.cfs_period_us"))));
                }
            }
        }
        String text = (memory < NO_LIMIT ? mib(memory) + " of memory" : "")
                + (memory < NO_LIMIT && processors < Double.POSITIVE_INFINITY ? ", " : "")
                + (processors < Double.POSITIVE_INFINITY ? BenchFiles.format("%.2f processors", processors) : "");
        return text.isEmpty() ? "no limits" : "limited to " + text;
    }

    private List<Path> upwards(String mount, String group) {
        List<Path> all = new ArrayList<>();
        Path top = root.resolve(mount);
        for (Path p = top.resolve(group.substring(1)).normalize(); p.startsWith(top); p = p.getParent()) {
            all.add(p);
        }
        return all;
    }

    private static long number(String text) {
        return text.matches("\\d{1,18}") ? Long.parseLong(text) : Long.MAX_VALUE;
    }

    private static double share(String quota, String period) {
        long q = number(quota);
        long p = number(period);
        return q == Long.MAX_VALUE || p == Long.MAX_VALUE || p == 0 ? Double.POSITIVE_INFINITY : (double) q / p;
    }

    private String firstLine(String file) {
        return line(root.resolve(file));
    }

    private static String line(Path file) {
        List<String> all = read(file);
        return all.isEmpty() ? UNKNOWN : all.getFirst().strip();
    }

    private List<String> lines(String file) {
        return read(root.resolve(file));
    }

    private static List<String> read(Path file) {
        try {
            return Files.isReadable(file) ? Files.readAllLines(file) : List.of();
        } catch (IOException e) {
            return List.of();
        }
    }

    static String mib(long bytes) {
        return (bytes >> 20) + " MiB";
    }
}
