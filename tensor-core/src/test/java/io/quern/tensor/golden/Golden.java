package io.quern.tensor.golden;

import static org.junit.jupiter.api.Assertions.fail;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.file.Safetensors;
import io.quern.tensor.file.WeightEntry;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A group of reference results that PyTorch and transformers computed: {@code /golden/GROUP.json} on the class path, and
 * {@code GROUP.safetensors} for its large tensors.
 */
public final class Golden {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** A tensor of a case, in float64. */
    public record Values(Shape shape, double[] data) {
        public int[] ints() {
            return java.util.Arrays.stream(data).mapToInt(d -> (int) d).toArray();
        }

        public Tensor tensor(DType dtype) {
            Tensor wide = Tensor.of(data, shape.dims());
            Tensor t = wide.cast(dtype);
            if (t != wide) {
                wide.close();
            }
            return t;
        }
    }

    /** One case of a group. */
    public static final class Case {
        private final Golden group;
        private final JsonNode node;

        Case(Golden group, JsonNode node) {
            this.group = group;
            this.node = node;
        }

        public String id() {
            return node.get("id").asText();
        }

        public JsonNode params() {
            return node.path("params");
        }

        public JsonNode input() {
            return node.path("input");
        }

        public JsonNode expected() {
            return node.path("expected");
        }

        /** A tensor among the inputs. */
        public Values input(String name) {
            return group.values(input().path(name), id() + ".input." + name);
        }

        /** A tensor among the expected results. */
        public Values expected(String name) {
            return group.values(expected().path(name), id() + ".expected." + name);
        }

        /** The absolute tolerance; 0 where the case is exact. */
        public double abs() {
            return node.path("tolerance").path("abs").asDouble(0);
        }

        public double rel() {
            return node.path("tolerance").path("rel").asDouble(0);
        }

        public JsonNode tolerance() {
            return node.path("tolerance");
        }

        /** Fails, naming the worst element, unless |got - expected| <= abs + rel * |expected| everywhere. */
        public void assertClose(String name, double[] got) {
            Golden.assertClose(id() + "." + name, expected(name).data(), got, abs(), rel());
        }

        public void assertClose(String name, Tensor got) {
            Values e = expected(name);
            if (!e.shape().equals(got.shape())) {
                fail(id() + "." + name + ": expected shape " + e.shape() + ", got " + got.shape());
            }
            assertClose(name, got.toDoubles());
        }

        @Override
        public String toString() {
            return id();
        }
    }

    private final String name;
    private final JsonNode root;

    private Golden(String name, JsonNode root) {
        this.name = name;
        this.root = root;
    }

    public static Golden load(String group) {
        try {
            return new Golden(group, JSON.readTree(bytes("/golden/" + group + ".json")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A resource of the tests. */
    public static byte[] bytes(String resource) {
        try (InputStream in = Golden.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalStateException("no test resource " + resource);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public List<Case> cases() {
        List<Case> all = new ArrayList<>();
        root.get("cases").forEach(c -> all.add(new Case(this, c)));
        return all;
    }

    public Case get(String id) {
        return cases().stream()
                .filter(c -> c.id().equals(id))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no case " + id + " in " + name));
    }

    /** Reads {@code {"dtype", "shape", "data" or "ref"}}, or a plain number or array of numbers of any depth. */
    public Values values(JsonNode node, String what) {
        if (node.isMissingNode() || node.isNull()) {
            throw new IllegalArgumentException("golden " + name + " has no " + what);
        }
        if (!node.isObject()) {
            return plain(node);
        }
        int[] dims = ints(node.get("shape"));
        if (node.has("data")) {
            double[] data = new double[node.get("data").size()];
            for (int i = 0; i < data.length; i++) {
                data[i] = number(node.get("data").get(i));
            }
            return new Values(Shape.of(dims), data);
        }
        try (Safetensors file = Safetensors.of(name, bytes("/golden/" + name + ".safetensors"))) {
            return new Values(Shape.of(dims), read(file.get(node.get("ref").asText())));
        }
    }

    private static double[] read(WeightEntry e) {
        int n = (int) e.shape().size();
        return switch (e.type()) {
            case F32 -> {
                float[] x = e.data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
                yield IntStream.range(0, n).mapToDouble(i -> x[i]).toArray();
            }
            case F64 -> e.data().toArray(ValueLayout.JAVA_DOUBLE_UNALIGNED);
            case I64 -> {
                long[] x = e.data().toArray(ValueLayout.JAVA_LONG_UNALIGNED);
                yield IntStream.range(0, n).mapToDouble(i -> x[i]).toArray();
            }
            case BOOL, U8 -> {
                byte[] x = e.data().toArray(ValueLayout.JAVA_BYTE);
                yield IntStream.range(0, n).mapToDouble(i -> x[i]).toArray();
            }
            default -> throw new IllegalArgumentException("golden tensors are not " + e.type());
        };
    }

    private static Values plain(JsonNode node) {
        List<Double> flat = new ArrayList<>();
        List<Integer> dims = new ArrayList<>();
        for (JsonNode n = node; n.isArray(); n = n.get(0)) {
            dims.add(n.size());
            if (n.isEmpty()) {
                break;
            }
        }
        flatten(node, flat);
        return new Values(
                Shape.of(dims.stream().mapToInt(d -> d).toArray()),
                flat.stream().mapToDouble(d -> d).toArray());
    }

    private static void flatten(JsonNode node, List<Double> to) {
        if (node.isArray()) {
            node.forEach(n -> flatten(n, to));
        } else {
            to.add(number(node));
        }
    }

    private static double number(JsonNode n) {
        return n.isBoolean() ? (n.asBoolean() ? 1 : 0) : n.isTextual() ? Double.parseDouble(n.asText()) : n.asDouble();
    }

    private static int[] ints(JsonNode array) {
        return IntStream.range(0, array.size()).map(i -> array.get(i).asInt()).toArray();
    }

    /** Fails, naming the worst element, unless |got - expected| <= abs + rel * |expected| everywhere. */
    public static void assertClose(String what, double[] expected, double[] got, double abs, double rel) {
        if (expected.length != got.length) {
            fail(what + ": expected " + expected.length + " elements, got " + got.length);
        }
        int worst = -1;
        double excess = 0;
        for (int i = 0; i < got.length; i++) {
            double over = Math.abs(got[i] - expected[i]) - (abs + rel * Math.abs(expected[i]));
            boolean same = got[i] == expected[i] || Double.isNaN(got[i]) && Double.isNaN(expected[i]);
            if (!same && !(over <= excess)) {
                worst = i;
                excess = Double.isNaN(over) ? Double.POSITIVE_INFINITY : over;
            }
        }
        if (worst >= 0) {
            fail(what + ": element " + worst + " of " + got.length + " should be " + expected[worst] + ", is "
                    + got[worst] + " (tolerance " + abs + " + " + rel + " relative)");
        }
    }
}
