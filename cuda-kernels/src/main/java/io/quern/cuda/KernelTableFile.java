package io.quern.cuda;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.cuda.KernelTable.Row;
import io.quern.cuda.driver.BlockSizes;
import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.file.AtomicFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Predicate;

/**
 * A {@link KernelTable} as JSON, for one card and one state of the kernels' sources. A table of anything else is not used: the
 * kernels behind the names, or what they take, would be others.
 *
 * @param path null if there is none to be
 */
record KernelTableFile(Path path, String card, String capability, String kernels) {
    private static final String FORMAT_KEY = "quern_cuda_kernels";
    private static final int FORMAT = 2;
    private static final int MOST_THREADS = 1024;

    /** Longer files are no tables. */
    private static final long LONGEST = 16L << 20;

    private static final ObjectMapper JSON = new ObjectMapper();

    /** A table that cannot be used, and why. */
    static final class UnusableException extends Exception {
        private static final long serialVersionUID = 1;

        UnusableException(String message) {
            super(message);
        }
    }

    /**
     * The file for a card: that of the property {@code quern.cuda.table}, with {@code off} none; else one named after the card
     * in {@code quern} in XDG_CACHE_HOME or {@code .cache} at home.
     */
    static KernelTableFile of(CudaDevice device, String kernels) {
        return new KernelTableFile(
                path(System.getProperty("quern.cuda.table"), System.getenv(), device),
                device.name(),
                device.capability(),
                kernels);
    }

    private static Path path(String wish, Map<String, String> environment, CudaDevice device) {
        if (wish != null) {
            return wish.equals("off") ? null : Path.of(wish);
        }
        String xdg = environment.getOrDefault("XDG_CACHE_HOME", "");
        Path caches = xdg.isEmpty() ? Path.of(System.getProperty("user.home", "."), ".cache") : Path.of(xdg);
        String card = (device.name() + " sm " + device.capability()).replaceAll("[^A-Za-z0-9.]+", "-");
        return caches.resolve("quern").resolve("cuda-kernels-" + card + ".json");
    }

    /**
     * The table, empty if there is no file.
     *
     * @throws UnusableException if it is damaged, or of another card or other kernels
     */
    KernelTable read() throws UnusableException {
        if (path == null || !Files.exists(path)) {
            return new KernelTable();
        }
        try {
            if (Files.size(path) > LONGEST) {
                throw new UnusableException("it is too long for a table");
            }
            JsonNode root = JSON.readTree(Files.readAllBytes(path));
            if (root.path(FORMAT_KEY).asInt() != FORMAT) {
                throw new UnusableException("it is no table of kernels, or of another version of Quern");
            }
            is(root, "card", card, "it is of another card");
            is(root, "capability", capability, "it is of another card");
            is(root, "kernels_sha256", kernels, "it was measured with other kernels");
            KernelTable table = new KernelTable();
            for (JsonNode n : array(root, "products")) {
                table.products().put(productClass(n), row(n, KernelTableFile::isKernel));
            }
            for (JsonNode n : array(root, "blocks")) {
                BlockSizes.Key key = new BlockSizes.Key(text(n, "kernel"), positive(n, "elements"));
                table.blocks().put(key, row(n, KernelTableFile::isThreads));
            }
            return table;
        } catch (JsonProcessingException e) {
            throw new UnusableException("it is damaged: not JSON: " + e.getOriginalMessage());
        } catch (IOException e) {
            throw new UnusableException("it cannot be read: " + e);
        }
    }

    private static void is(JsonNode root, String key, String want, String otherwise) throws UnusableException {
        String found = root.path(key).asText();
        if (!found.equals(want)) {
            throw new UnusableException(otherwise + " (" + key + " " + found + ", not " + want + ")");
        }
    }

    private static Iterable<JsonNode> array(JsonNode root, String key) throws UnusableException {
        if (!(root.get(key) instanceof ArrayNode all)) {
            throw new UnusableException("it is damaged: it has no list '" + key + "'");
        }
        return all;
    }

    private static ProductClass productClass(JsonNode n) throws UnusableException {
        String layout = text(n, "layout");
        if (!layout.matches("[nt][nt]")) {
            throw damaged(n, "layout");
        }
        return new ProductClass(
                dtype(n, "a"),
                dtype(n, "b"),
                n.path("tf32").asBoolean(),
                layout,
                positive(n, "m"),
                positive(n, "k"),
                positive(n, "n"),
                positive(n, "batch"),
                n.path("aligned").asBoolean(),
                n.path("bias").asBoolean());
    }

    private static Row row(JsonNode n, Predicate<String> known) throws UnusableException {
        Map<String, Double> seconds = new LinkedHashMap<>();
        for (Map.Entry<String, JsonNode> e : n.path("seconds").properties()) {
            double s = e.getValue().asDouble();
            if (!known.test(e.getKey()) || !(s > 0) || Double.isInfinite(s)) {
                throw damaged(n, "seconds");
            }
            seconds.put(e.getKey(), s);
        }
        if (seconds.isEmpty()) {
            throw damaged(n, "seconds");
        }
        return new Row(text(n, "measured"), seconds);
    }

    private static boolean isKernel(String name) {
        return name.equals(KernelTable.CUBLAS) || MatMulKernel.find(name) != null;
    }

    private static boolean isThreads(String number) {
        return number.matches("[1-9][0-9]{1,3}") && Integer.parseInt(number) <= MOST_THREADS;
    }

    private static String text(JsonNode n, String key) throws UnusableException {
        if (!n.path(key).isTextual()) {
            throw damaged(n, key);
        }
        return n.get(key).textValue();
    }

    private static int positive(JsonNode n, String key) throws UnusableException {
        int x = n.path(key).asInt();
        if (x < 1) {
            throw damaged(n, key);
        }
        return x;
    }

    private static DType dtype(JsonNode n, String key) throws UnusableException {
        try {
            return DType.valueOf(text(n, key));
        } catch (IllegalArgumentException e) {
            throw damaged(n, key);
        }
    }

    private static UnusableException damaged(JsonNode n, String key) {
        String entry = n.toString();
        return new UnusableException(
                "it is damaged: '" + key + "' in " + entry.substring(0, Math.min(200, entry.length())));
    }

    /**
     * Writes the table in the place of what was there.
     *
     * @param device for readers: what else the times depend on
     */
    void write(KernelTable table, Map<String, String> device) throws IOException {
        ObjectNode root = JSON.createObjectNode();
        root.put(FORMAT_KEY, FORMAT);
        root.put("card", card);
        root.put("capability", capability);
        root.put("kernels_sha256", kernels);
        root.put("date", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        device.forEach(root::put);
        ArrayNode products = root.putArray("products");
        table.products().forEach((key, row) -> {
            ObjectNode n = products.addObject();
            n.put("a", key.a().name()).put("b", key.b().name()).put("tf32", key.tf32());
            n.put("layout", key.layout()).put("m", key.m()).put("k", key.k()).put("n", key.n());
            n.put("batch", key.batch()).put("aligned", key.aligned()).put("bias", key.biased());
            write(n, row);
        });
        ArrayNode blocks = root.putArray("blocks");
        table.blocks().forEach((key, row) -> {
            ObjectNode n = blocks.addObject();
            n.put("kernel", key.kernel()).put("elements", key.elements());
            write(n, row);
        });
        Path parent = path.toAbsolutePath().getParent();
        Files.createDirectories(parent);
        AtomicFile.write(path, JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(root));
    }

    private static void write(ObjectNode n, Row row) {
        n.put("measured", row.measured());
        ObjectNode seconds = n.putObject("seconds");
        row.seconds().forEach(seconds::put);
    }
}
