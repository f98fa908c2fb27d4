package io.quern.cuda;

import java.util.Map;
import java.util.TreeMap;

/** What a piece of a program starts on the device, counted by kernel. */
final class LaunchCounts {
    private final Map<String, Integer> counts = new TreeMap<>();

    static LaunchCounts of(Runnable body) {
        LaunchCounts all = new LaunchCounts();
        CatalogRun.backend().synchronize();
        CatalogRun.backend().card().watch(all::add);
        try {
            body.run();
            CatalogRun.backend().synchronize();
        } finally {
            CatalogRun.backend().card().watch(null);
        }
        return all;
    }

    void add(String started) {
        counts.merge(started, 1, Integer::sum);
    }

    int count(String started) {
        return counts.getOrDefault(started, 0);
    }

    /** How often by kernel. */
    String ofKernels() {
        Map<String, Integer> kernels = new TreeMap<>(counts);
        kernels.keySet().removeIf(k -> k.startsWith("<"));
        return launches() + " launches " + kernels;
    }

    /** Kernels and products. */
    int launches() {
        return counts.entrySet().stream()
                .filter(e -> !e.getKey().startsWith("<"))
                .mapToInt(Map.Entry::getValue)
                .sum();
    }

    @Override
    public String toString() {
        return launches() + " launches " + counts;
    }
}
