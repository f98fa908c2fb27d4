package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reads event files by code of its own: another CRC-32C, and protobuf from the other side. */
class TensorBoardLogTest {
    @TempDir
    Path folder;

    private static int crc(byte[] bytes) {
        int crc = -1;
        for (byte b : bytes) {
            crc ^= b & 0xFF;
            for (int i = 0; i < 8; i++) {
                crc = (crc >>> 1) ^ (0x82F63B78 & -(crc & 1));
            }
        }
        return ~crc;
    }

    private static int masked(byte[] bytes) {
        int c = crc(bytes);
        return ((c >>> 15) | (c << 17)) + 0xa282ead8;
    }

    private static List<byte[]> records(Path file) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        List<byte[]> all = new ArrayList<>();
        while (in.hasRemaining()) {
            byte[] length = new byte[8];
            in.get(length);
            assertEquals(masked(length), in.getInt());
            byte[] data = new byte
                    [(int) ByteBuffer.wrap(length)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .getLong()];
            in.get(data);
            assertEquals(masked(data), in.getInt());
            all.add(data);
        }
        return all;
    }

    /** Fields of a message by number; those that repeat in order. */
    private static Map<Integer, List<Object>> message(byte[] bytes) {
        ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        Map<Integer, List<Object>> fields = new LinkedHashMap<>();
        while (in.hasRemaining()) {
            long tag = varint(in);
            Object value = switch ((int) (tag & 7)) {
                case 0 -> varint(in);
                case 1 -> in.getDouble();
                case 2 -> {
                    byte[] part = new byte[(int) varint(in)];
                    in.get(part);
                    yield part;
                }
                case 5 -> in.getFloat();
                default -> throw new AssertionError("wire type " + (tag & 7));
            };
            fields.computeIfAbsent((int) (tag >>> 3), _ -> new ArrayList<>()).add(value);
        }
        return fields;
    }

    private static long varint(ByteBuffer in) {
        long x = 0;
        for (int shift = 0; ; shift += 7) {
            byte b = in.get();
            x |= (b & 0x7FL) << shift;
            if (b >= 0) {
                return x;
            }
        }
    }

    private static String text(Object bytes) {
        return new String((byte[]) bytes, StandardCharsets.UTF_8);
    }

    @Test
    void theChecksumIsTheOneOfTheStandard() {
        // RFC 3720, B.4: 32 bytes of zeros.
        assertEquals(0x8a9136aa, crc(new byte[32]));
    }

    @Test
    void aRunIsWrittenAsScalars() throws IOException {
        TensorBoardLog log = new TensorBoardLog(folder);
        log.on(new TrainEvent.Started(299, 400, 10, "tok"));
        log.on(new TrainEvent.Step(300, 2.5, 1e-3, 0.75, 1000, Double.NaN, 1, 2));
        log.on(new TrainEvent.Step(301, 2.25, 5e-4, 0.5, 2000, 2.125, 1, 2));
        Path file;
        try (Stream<Path> files = Files.list(folder)) {
            file = files.findFirst().orElseThrow();
        }
        assertTrue(file.getFileName().toString().startsWith("events.out.tfevents."), file.toString());
        List<byte[]> records = records(file);
        assertEquals(3, records.size());
        Map<Integer, List<Object>> first = message(records.get(0));
        assertEquals("brain.Event:2", text(first.get(3).getFirst()));
        assertEquals(System.currentTimeMillis() / 1000.0, (double) first.get(1).getFirst(), 3600);
        List<Map<String, Float>> scalars = new ArrayList<>();
        for (int i = 1; i < 3; i++) {
            Map<Integer, List<Object>> event = message(records.get(i));
            assertEquals(299L + i, event.get(2).getFirst());
            Map<String, Float> values = new LinkedHashMap<>();
            for (Object value : message((byte[]) event.get(5).getFirst()).get(1)) {
                Map<Integer, List<Object>> v = message((byte[]) value);
                values.put(text(v.get(1).getFirst()), (Float) v.get(2).getFirst());
            }
            scalars.add(values);
        }
        assertEquals(
                Map.of("loss/train", 2.5f, "learning_rate", 1e-3f, "gradient_norm", 0.75f, "tok_per_second", 1000f),
                scalars.get(0));
        assertEquals(2.125f, scalars.get(1).get("loss/validation"));
        assertEquals(5, scalars.get(1).size());
    }
}
