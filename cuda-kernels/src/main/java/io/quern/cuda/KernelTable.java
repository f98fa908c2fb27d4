package io.quern.cuda;

import io.quern.cuda.driver.BlockSizes;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** What was measured on a card: for classes of products every kernel's time, for other kernels that of sizes of blocks. */
final class KernelTable {
    /** The name that cuBLAS has among the kernels. */
    static final String CUBLAS = "cublas";

    /**
     * A row of the table.
     *
     * @param measured the shape that was measured, for readers
     * @param seconds of every kernel, or size of blocks, fastest first
     */
    record Row(String measured, Map<String, Double> seconds) {
        Row {
            Map<String, Double> sorted = new LinkedHashMap<>();
            seconds.entrySet().stream()
                    .sorted(Map.Entry.comparingByValue())
                    .forEach(e -> sorted.put(e.getKey(), e.getValue()));
            seconds = sorted;
        }

        /** Of those that can do it. */
        String fastest(Predicate<String> can) {
            for (String kernel : seconds.keySet()) {
                if (can.test(kernel)) {
                    return kernel;
                }
            }
            return null;
        }

        String describe() {
            StringBuilder s = new StringBuilder();
            seconds.forEach((kernel, t) -> s.append(s.isEmpty() ? "" : s.indexOf("(") < 0 ? " (" : ", ")
                    .append(kernel)
                    .append(time(t)));
            return s + (seconds.size() > 1 ? ")" : "") + ", measured " + measured;
        }

        private static String time(double seconds) {
            return String.format(java.util.Locale.ROOT, " %.1f us", 1e6 * seconds);
        }
    }

    private final Map<ProductClass, Row> products = new LinkedHashMap<>();
    private final Map<BlockSizes.Key, Row> blocks = new LinkedHashMap<>();

    Map<ProductClass, Row> products() {
        return products;
    }

    Map<BlockSizes.Key, Row> blocks() {
        return blocks;
    }

    boolean isEmpty() {
        return products.isEmpty() && blocks.isEmpty();
    }

    /** A line for each row. */
    List<String> describe() {
        List<String> lines = new ArrayList<>();
        products.forEach((key, row) -> lines.add(key.describe() + ": " + row.describe()));
        blocks.forEach((key, row) -> lines.add(key.describe() + ": " + row.describe()));
        lines.sort(Comparator.naturalOrder());
        return lines;
    }
}
