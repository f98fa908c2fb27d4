package io.quern.tensor.file;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of the gguf Python package, our own, and broken ones. */
class GgufTest {
    @TempDir
    Path folder;

    private byte[] golden;

    @BeforeEach
    void read() throws IOException {
        try (InputStream in = getClass().getResourceAsStream("/quant/ggml.gguf")) {
            golden = in.readAllBytes();
        }
    }

    private Path file(byte[] bytes) throws IOException {
        return Files.write(folder.resolve("w.gguf"), bytes);
    }

    @Test
    void readsWhatThePythonPackageWrote() throws IOException {
        try (Gguf g = (Gguf) WeightSource.open(file(golden))) {
            GgufMetadata m = g.values();
            assertEquals("gpt2", m.string("general.architecture", ""));
            assertEquals(200, m.integer("t.u8", 0, 255));
            assertEquals(-3, m.integer("t.i8", -9, 9));
            assertEquals(60000, m.integer("t.u16", 0, 65535));
            assertEquals(-300, m.integer("t.i16", -999, 0));
            assertEquals(4000000000L, m.values().get("t.u32"));
            assertEquals(-70000, m.integer("t.i32", -99999, 0));
            assertEquals(0.5, m.number("t.f32"));
            assertEquals(0.1, m.number("t.f64"));
            assertTrue(m.flag("t.bool", false));
            assertEquals("žluťoučký", m.string("t.string", ""));
            assertEquals(1L << 40, m.values().get("t.u64"));
            assertEquals(-(1L << 40), m.values().get("t.i64"));
            assertEquals(List.of("a", "", "Ġthe"), m.strings("t.strings"));
            assertArrayEquals(new long[] {1, -2, 3}, m.integers("t.ints"));
            assertArrayEquals(new double[] {0.25, -1.5}, (double[]) m.values().get("t.floats"));
            assertEquals("0.5", g.metadata().get("t.f32"));
            assertEquals(7, m.integer("absent", 0, 9, 7));
            assertThrows(TensorException.class, () -> m.integer("t.u32", 0, Integer.MAX_VALUE));
            assertThrows(TensorException.class, () -> m.strings("t.ints"));

            assertEquals(Shape.of(2, 3, 4), g.get("cube").shape());
            assertEquals(StoredType.I32, g.get("i32").type());
            Scope.run(() -> {
                Tensor x = Weights.copy(g.get("f32"), DType.F32);
                assertEquals(Shape.of(3, 256), x.shape());
                for (DType type : List.of(DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0)) {
                    Tensor mapped = Weights.map(g.get(type.name().toLowerCase(java.util.Locale.ROOT)), () -> {});
                    assertEquals(type, mapped.dtype());
                    assertArrayEquals(x.cast(type).toFloats(), mapped.toFloats(), type.name());
                }
                return null;
            });
        }
    }

    @Test
    void whatIsWrittenComesBack() {
        Path file = folder.resolve("own.gguf");
        Scope.run(() -> {
            Map<String, Object> metadata = new LinkedHashMap<>();
            metadata.put("a", 1);
            metadata.put("b", 2L);
            metadata.put("c", 0.5f);
            metadata.put("d", "é");
            metadata.put("e", true);
            metadata.put("f", List.of("x", ""));
            metadata.put("g", new int[] {-1, 5});
            metadata.put("h", 0.1);
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (DType type : List.of(DType.F32, DType.F64, DType.I32, DType.F16, DType.BF16, DType.Q8_0, DType.Q4_0)) {
                tensors.put(type.name(), Tensor.randn(new Rng(1), 3, 3, 32).cast(type));
            }
            tensors.put("q6", Tensor.randn(new Rng(2), 1, 1, 512).cast(DType.Q6_K));
            tensors.put("q4", Tensor.randn(new Rng(2), 1, 1, 512).cast(DType.Q4_K));
            tensors.put("view", Tensor.randn(new Rng(3), 1, 5, 7).transpose(0, 1));
            tensors.put("empty", Tensor.zeros(0, 4));
            GgufWriter.write(file, metadata, tensors);
            try (Gguf g = Gguf.open(file)) {
                assertEquals(List.copyOf(tensors.keySet()), List.copyOf(g.names()));
                assertEquals(
                        List.copyOf(metadata.keySet()),
                        List.copyOf(g.values().values().keySet()));
                assertEquals(List.of("x", ""), g.values().strings("f"));
                assertArrayEquals(new long[] {-1, 5}, g.values().integers("g"));
                tensors.forEach((name, t) -> {
                    assertEquals(t.shape(), g.get(name).shape());
                    assertArrayEquals(
                            t.toDoubles(), Weights.copy(g.get(name), t.dtype()).toDoubles(), name);
                });
            }
            return null;
        });
    }

    /** Every cut, and thousands of changed bytes, either do not matter or are an error that names the file. */
    @Test
    void brokenFilesAreErrors() throws IOException {
        Path file = folder.resolve("w.gguf");
        for (int length = 0; length < golden.length; length += length < 2000 ? 1 : 97) {
            Files.write(file, java.util.Arrays.copyOf(golden, length));
            TensorException e =
                    assertThrows(TensorException.class, () -> Gguf.open(file).close());
            assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
        }
        Rng rng = new Rng(1);
        int errors = 0;
        for (int i = 0; i < 4000; i++) {
            byte[] broken = golden.clone();
            int at = rng.nextInt(1600);
            broken[at] = (byte) (i % 3 == 0 ? 0xFF : rng.nextInt(256));
            Files.write(file, broken);
            try (Gguf g = Gguf.open(file)) {
                for (String name : g.names()) {
                    g.get(name).data().asByteBuffer();
                }
            } catch (TensorException e) {
                errors++;
                assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
            }
        }
        assertTrue(errors > 1000, errors + " errors");
    }

    private void refused(String part, byte[] bytes) throws IOException {
        Path file = file(bytes);
        TensorException e =
                assertThrows(TensorException.class, () -> Gguf.open(file).close());
        assertTrue(e.getMessage().contains(part), e.getMessage());
    }

    private static ByteBuffer header(int version, long tensors, long pairs) {
        return ByteBuffer.allocate(200)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(GgufHeader.MAGIC)
                .putInt(version)
                .putLong(tensors)
                .putLong(pairs);
    }

    private static byte[] tensor(int type, long offset, long... dims) {
        ByteBuffer b = header(3, 1, 0).putLong(1).put((byte) 'w').putInt(dims.length);
        for (long d : dims) {
            b.putLong(d);
        }
        return b.putInt(type).putLong(offset).array();
    }

    @Test
    void errorsSayWhatIsWrong() throws IOException {
        refused("not a GGUF file", "PK and so on, a zip file".getBytes());
        refused("version 1 is not supported", header(1, 0, 0).array());
        refused("big-endian", header(3 << 24, 0, 0).array());
        refused("number of tensors is 18446744073709551615", header(3, -1, 0).array());
        refused("number of metadata entries is 1000000", header(3, 0, 1000000).array());
        refused("'w' is Q5_0, which is not supported; supported are F32, F16, Q4_0", tensor(6, 0, 32));
        refused("is type 99", tensor(99, 0, 32));
        refused("has 5 dimensions", tensor(0, 0, 1, 1, 1, 1, 1));
        refused("has a dimension of 9223372036854775807", tensor(0, 0, Long.MAX_VALUE));
        refused("impossible shape", tensor(8, 0, 33));
        refused("impossible shape", tensor(0, 0, 1 << 30, 1 << 30, 1 << 30, 1 << 30));
        refused("not a multiple of the alignment", tensor(0, 4, 1));
        refused("takes 4000 bytes from byte 0", tensor(0, 0, 1000));
        refused("takes 4 bytes from byte 9223372036854775776", tensor(0, Long.MAX_VALUE / 32 * 32, 1));
        try (Gguf g = Gguf.open(file(tensor(0, 0, 3, 2)))) {
            assertEquals(Shape.of(2, 3), g.get("w").shape());
        }
    }
}
