package io.quern.tensor.file;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that lie give a TensorException that names them; failed writes leave what was there. */
class BrokenFilesTest {
    @TempDir
    Path folder;

    private static byte[] file(long length, byte[] header, int data) {
        return ByteBuffer.allocate(8 + header.length + data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(length)
                .put(header)
                .array();
    }

    private static byte[] file(String header, int data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return file(json.length, json, data);
    }

    private static void refused(byte[] bytes) {
        TensorException e = assertThrows(
                TensorException.class,
                () -> Safetensors.of("x.safetensors", bytes).close());
        assertTrue(e.getMessage().startsWith("x.safetensors"), e.getMessage());
    }

    /** A tensor of eight bytes in a file with eight bytes of data: the valid form of what follows. */
    @Test
    void theValidFormIsAccepted() {
        try (Safetensors s =
                Safetensors.of("x", file("{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}  ", 8))) {
            assertEquals(8, s.get("w").data().byteSize());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'dtype':'F31','shape':[2],'data_offsets':[0,8]}",
                "{'dtype':'F32','shape':[3],'data_offsets':[0,8]}",
                "{'dtype':'F32','shape':[-2],'data_offsets':[0,8]}",
                "{'dtype':'F32','shape':[2147483648,2147483648,4],'data_offsets':[0,8]}",
                "{'dtype':'F32','shape':[2147483647,2147483647,2147483647],'data_offsets':[0,8]}",
                "{'dtype':'F32','shape':[2],'data_offsets':[8,0]}",
                "{'dtype':'F32','shape':[2],'data_offsets':[4,12]}",
                "{'dtype':'F32','shape':[1],'data_offsets':[4,8]}",
                "{'dtype':'F32','shape':[1],'data_offsets':[0,4]}",
                "{'dtype':'F32','shape':[2],'data_offsets':[0]}",
                "{'dtype':'F32','shape':[2.0],'data_offsets':[0,8]}",
                "{'dtype':'F32','shape':[2]}",
                "{'dtype':'F32','shape':2,'data_offsets':[0,8]}",
                "{'dtype':null,'shape':[2],'data_offsets':[0,8]}",
                "{'dtype':'F32','shape':[2],'data_offsets':[0,99999999999999999999]}",
                "7",
                "{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'w':{'dtype':'F32','shape':[0],'data_offsets':[8,8]}",
                "{'dtype':'F32','shape':[2],'data_offsets':[0,8]},'v':{'dtype':'F32','shape':[1],'data_offsets':[4,8]}"
            })
    void lyingTensorsAreRefused(String tensor) {
        refused(file(("{'w':" + tensor + "}").replace('\'', '"'), 8));
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "[]", "{", "{}{}", "{} x", "nonsense", "{\"__metadata__\":{\"a\":1}}"})
    void brokenHeadersAreRefused(String header) {
        refused(file(header, 0));
    }

    @Test
    void lyingLengthsAndBrokenTextAreRefused() {
        byte[] json = "{}".getBytes(StandardCharsets.UTF_8);
        refused(new byte[7]);
        for (long length : new long[] {3, -1, Long.MIN_VALUE, Long.MAX_VALUE, 100_000_001}) {
            refused(file(length, json, 0));
        }
        refused(file("{}", 1));
        refused(file(6, new byte[] {'{', '"', (byte) 0xff, (byte) 0xfe, '"', '}'}, 0));
        refused(file("{\"w\":" + "[".repeat(100_000), 0));
    }

    @Test
    void damagedFilesLoadOrAreRefused() throws IOException {
        Path file = folder.resolve("valid.safetensors");
        Scope.run(() -> {
            Map<String, Tensor> tensors = Map.of("a", Tensor.of(new float[] {1, 2, 3}, 3), "b", Tensor.arange(4));
            SafetensorsWriter.write(file, tensors, Map.of("format", "pt"));
            return null;
        });
        byte[] valid = Files.readAllBytes(file);
        Random random = new Random(7);
        int refused = 0;
        for (int i = 0; i < 3000; i++) {
            byte[] b = i % 3 == 0 ? Arrays.copyOf(valid, random.nextInt(valid.length)) : valid.clone();
            for (int n = random.nextInt(3); n >= 0 && b.length > 0; n--) {
                b[random.nextInt(b.length)] ^= (byte) (1 << random.nextInt(8));
            }
            try (Safetensors s = Safetensors.of("x", b)) {
                s.names().forEach(name -> s.get(name).data().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE));
            } catch (TensorException e) {
                refused++;
            }
        }
        assertTrue(refused > 1000, refused + " of 3000 refused");
    }

    @Test
    void writtenTensorsAreReadBack() {
        Path file = folder.resolve("w.safetensors");
        Scope.run(() -> {
            Tensor turned = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3).transpose(0, 1);
            SafetensorsWriter.write(file, Map.of("t", turned, "s", Tensor.scalar(7)), Map.of("k", "v"));
            try (WeightSource s = WeightSource.open(file)) {
                assertEquals(Map.of("k", "v"), s.metadata());
                assertArrayEquals(new int[] {3, 2}, s.get("t").shape().dims());
                assertArrayEquals(
                        new float[] {1, 4, 2, 5, 3, 6},
                        Weights.copy(s.get("t"), DType.F32).toFloats());
                assertEquals(7, Weights.copy(s.get("s"), DType.F32).item());
            }
            Map<String, Tensor> reserved = Map.of("__metadata__", Tensor.scalar(1));
            assertThrows(TensorException.class, () -> SafetensorsWriter.write(file, reserved, Map.of()));
            return null;
        });
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'weight_map':{'w':'missing.safetensors'}}",
                "{'weight_map':{'w':'../a.safetensors'}}",
                "{'weight_map':{'w':'/a.safetensors'}}",
                "{'weight_map':{'w':'a\\u0000b'}}",
                "{'weight_map':{'other':'a.safetensors'}}",
                "{'weight_map':{'w':1}}",
                "{'weight_map':{}}",
                "{'weight_map':",
                "[]",
                ""
            })
    void brokenIndexesAreRefused(String index) throws IOException {
        Files.write(
                folder.resolve("a.safetensors"),
                file("{\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8));
        Path path = folder.resolve("model.safetensors.index.json");
        Files.writeString(path, "{\"weight_map\":{\"w\":\"a.safetensors\"}}");
        try (WeightSource s = WeightSource.open(folder)) {
            assertEquals(8, s.get("w").data().byteSize());
        }
        Files.writeString(path, index.replace('\'', '"'));
        TensorException e = assertThrows(
                TensorException.class, () -> WeightSource.open(folder).close());
        assertTrue(e.getMessage().startsWith(path.toString()), e.getMessage());
    }

    @Test
    void aFailedWriteLeavesTheOldFileAndNothingElse() throws IOException {
        Path file = folder.resolve("f");
        AtomicFile.write(file, new byte[] {1});
        assertThrows(
                IOException.class,
                () -> AtomicFile.write(file, channel -> {
                    AtomicFile.writeFully(channel, ByteBuffer.wrap(new byte[] {2, 3}));
                    throw new IOException("disk full");
                }));
        assertArrayEquals(new byte[] {1}, Files.readAllBytes(file));
        try (Stream<Path> files = Files.list(folder)) {
            assertEquals(1, files.count());
        }
    }
}
