package io.quern.tensor.file;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What is written comes back: all dtypes and odd shapes, narrower storage, large files, npy. */
class RoundTripTest {
    @TempDir
    Path folder;

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "F64", "BF16", "F16", "I32"})
    void everyDTypeComesBackBitForBit(DType dtype) {
        Path file = folder.resolve("w.safetensors");
        Scope.run(() -> {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            tensors.put("matrix", Tensor.randn(new Rng(1), 100, 3, 5).cast(dtype));
            tensors.put("scalar", Tensor.scalar(7).cast(dtype));
            tensors.put("empty", Tensor.zeros(0, 4).cast(dtype));
            SafetensorsWriter.write(file, tensors, Map.of("format", "pt"));
            try (WeightSource source = WeightSource.open(file)) {
                assertEquals(tensors.keySet(), source.names().stream().collect(java.util.stream.Collectors.toSet()));
                assertEquals("pt", source.metadata().get("format"));
                tensors.forEach((name, t) -> {
                    WeightEntry e = source.get(name);
                    assertEquals(t.shape(), e.shape());
                    assertEquals(dtype, e.type().dtype());
                    assertArrayEquals(t.toDoubles(), Weights.copy(e, dtype).toDoubles());
                });
            }
            return null;
        });
    }

    /** The order of the Python package: wider types first, of equal width as its list of types has them, then names. */
    @Test
    void tensorsAreInTheOrderOfTheReferenceImplementation() {
        Path file = folder.resolve("w.safetensors");
        Scope.run(() -> {
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (DType t : List.of(DType.F16, DType.I32, DType.F32, DType.BF16, DType.F64)) {
                tensors.put("b" + t, Tensor.zeros(2).cast(t));
                tensors.put("a" + t, Tensor.zeros(3).cast(t));
            }
            SafetensorsWriter.write(file, tensors, Map.of());
            try (WeightSource source = WeightSource.open(file)) {
                assertEquals(
                        List.of("aF64", "bF64", "aF32", "bF32", "aI32", "bI32", "aBF16", "bBF16", "aF16", "bF16"),
                        List.copyOf(source.names()));
            }
            return null;
        });
    }

    @Test
    void quantisedTensorsAreWidenedOrRefused() {
        Path file = folder.resolve("w.safetensors");
        Scope.run(() -> {
            Tensor w = Tensor.randn(new Rng(1), 1, 3, 64).cast(DType.Q8_0);
            Map<String, Tensor> turned = Map.of("w", w.transpose(0, 1));
            assertThrows(TensorException.class, () -> SafetensorsWriter.write(file, turned, Map.of()));
            SafetensorsWriter.write(file, turned, Map.of(), DType.F32);
            try (WeightSource source = WeightSource.open(file)) {
                assertArrayEquals(
                        w.transpose(0, 1).toFloats(),
                        Weights.copy(source.get("w"), DType.F32).toFloats());
            }
            return null;
        });
    }

    @Test
    void storingInBf16RoundsToTheNearestEven() {
        Path file = folder.resolve("w.safetensors");
        // Halfway between two bf16 numbers, just above, and just below.
        float[] x = {
            Float.intBitsToFloat(0x3F808000),
            Float.intBitsToFloat(0x3F818000),
            Float.intBitsToFloat(0x3F808001),
            Float.intBitsToFloat(0x3F807FFF)
        };
        int[] bits = {0x3F80, 0x3F82, 0x3F81, 0x3F80};
        Scope.run(() -> {
            SafetensorsWriter.write(file, Map.of("x", Tensor.of(x, 4)), Map.of(), DType.BF16);
            try (WeightSource source = WeightSource.open(file)) {
                short[] stored = source.get("x").data().toArray(ValueLayout.JAVA_SHORT_UNALIGNED);
                for (int i = 0; i < bits.length; i++) {
                    assertEquals(bits[i], stored[i] & 0xFFFF);
                }
            }
            return null;
        });
    }

    @Test
    void dataBeginsAlignedSoThatItCanBeUsedWhereItLies() throws IOException {
        Path file = folder.resolve("w.safetensors");
        Scope.run(() -> {
            SafetensorsWriter.write(file, Map.of("x", Tensor.ones(3)), Map.of());
            return null;
        });
        long header = ByteBuffer.wrap(Files.readAllBytes(file))
                .order(ByteOrder.LITTLE_ENDIAN)
                .getLong();
        assertEquals(0, (8 + header) % 64);
        try (WeightSource source = WeightSource.open(file)) {
            WeightEntry e = source.get("x");
            assertTrue(Weights.isMappable(e, DType.F32));
            boolean[] freed = new boolean[1];
            Scope.run(() -> {
                Tensor mapped = Weights.map(e, () -> freed[0] = true);
                assertArrayEquals(new float[] {1, 1, 1}, mapped.toFloats());
                assertThrows(TensorException.class, () -> mapped.fill(2));
                return null;
            });
            assertTrue(freed[0]);
        }
    }

    @Test
    void tensorsBeyondTwoGigabytesAreRead() throws IOException {
        Path file = folder.resolve("large.safetensors");
        long first = 3L << 30;
        String json = "{\"a\":{\"dtype\":\"U8\",\"shape\":[3,1073741824],\"data_offsets\":[0," + first + "]},"
                + "\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[" + first + "," + (first + 8) + "]}}";
        try (RandomAccessFile f = new RandomAccessFile(file.toFile(), "rw")) {
            f.setLength(8 + json.length() + first + 8); // sparse: takes no room on disk
            ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            f.write(length.putLong(json.length()).array());
            f.write(json.getBytes(StandardCharsets.US_ASCII));
            f.seek(8 + json.length() + first);
            ByteBuffer values = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            f.write(values.putFloat(1.5f).putFloat(-2).array());
        }
        try (WeightSource source = WeightSource.open(file)) {
            assertEquals(first, source.get("a").data().byteSize());
            float[] b = Scope.run(() -> Weights.copy(source.get("b"), DType.F32).toFloats());
            assertArrayEquals(new float[] {1.5f, -2}, b);
        }
    }

    @Test
    void npyHasTheHeaderThatNumpyReads() throws IOException {
        Path file = folder.resolve("x.npy");
        Npy.write(file, Shape.of(2, 3), new float[] {0, 1, 2, 3, 4, 5});
        byte[] all = Files.readAllBytes(file);
        assertEquals(128 + 24, all.length);
        String header = new String(all, 10, 118, StandardCharsets.US_ASCII);
        assertEquals("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3,), }", header.strip());
        assertTrue(header.endsWith("\n"));
        assertEquals(5f, ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN).getFloat(128 + 20));
    }

    @Test
    void aFolderThatCannotBeWrittenToIsAnErrorThatNamesTheFile() {
        Path file = folder.resolve("none").resolve("w.safetensors");
        TensorException e = Scope.run(() -> assertThrows(
                TensorException.class, () -> SafetensorsWriter.write(file, Map.of("x", Tensor.ones(1)), Map.of())));
        assertTrue(e.getMessage().contains(file.toString()), e.getMessage());
        assertEquals(0, Device.CPU.backend().memory().buffers());
    }
}
