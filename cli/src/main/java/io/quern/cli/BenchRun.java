package io.quern.cli;

import java.util.List;
import java.util.Map;

/**
 * What a run of {@code bench} measured.
 *
 * @param machine where and how, by name
 * @param roofs the limits of the device; null if they were not measured
 */
record BenchRun(Map<String, String> machine, Roofs roofs, List<BenchRow> rows) {
    /**
     * The best of all rounds.
     *
     * @param gflops of multiply-adds, each counted as two
     * @param readGbs of reading memory, GB/s
     * @param copyGbs of copying it, bytes read plus bytes written
     */
    record Roofs(double gflops, double readGbs, double copyGbs) {
        Roofs best(Roofs other) {
            return new Roofs(
                    Math.max(gflops, other.gflops), Math.max(readGbs, other.readGbs), Math.max(copyGbs, other.copyGbs));
        }
    }
}
