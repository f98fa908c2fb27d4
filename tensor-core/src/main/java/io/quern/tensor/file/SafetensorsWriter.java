package io.quern.tensor.file;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/**
 * Writes a safetensors file, one tensor in memory at a time beyond those that are given. Tensors are ordered as the
 * reference implementation orders them (by type, wider ones first, then by name), the data begins at a multiple of 64
 * bytes.
 */
public final class SafetensorsWriter {
    private static final String METADATA = "__metadata__";
    private static final int ALIGNMENT = 64;
    private static final int CHUNK = 1 << 26;

    private SafetensorsWriter() {}

    /** A tensor of the file, with the type in which it is stored. */
    private record Part(String name, Tensor tensor, DType type, long bytes) {}

    /** Writes tensors in their own dtypes; see {@link #write(Path, Map, Map, DType)}. */
    public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) {
        write(file, tensors, metadata, null);
    }

    /**
     * Writes tensors, casting floating-point ones to {@code type} unless it is null.
     *
     * @throws TensorException if the file cannot be written; what was there before then stays
     */
    public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata, DType type) {
        if (tensors.containsKey(METADATA)) {
            throw new TensorException(
                    file + ": no tensor can be named '" + METADATA + "': the format reserves the name");
        }
        tensors.keySet().forEach(name -> SafetensorsHeader.checkText(file.toString(), name));
        metadata.forEach((key, value) -> {
            SafetensorsHeader.checkText(file.toString(), key);
            SafetensorsHeader.checkText(file.toString(), value);
        });
        List<Part> parts = new ArrayList<>();
        tensors.forEach((name, t) -> {
            boolean real = t.dtype().isFloating() || t.dtype().isQuantized();
            DType stored = type == null || !real ? t.dtype() : type;
            if (stored.isQuantized()) {
                throw new TensorException(file + ": tensor '" + name + "' is " + stored
                        + ", which safetensors files do not have; write GGUF, or cast it");
            }
            parts.add(new Part(name, t, stored, stored.bytes(t.shape())));
        });
        parts.sort(Comparator.comparingInt((Part p) -> -rank(p.type)).thenComparing(Part::name));
        byte[] header = header(parts, metadata);
        try {
            AtomicFile.write(file, channel -> {
                AtomicFile.writeFully(
                        channel,
                        ByteBuffer.allocate(8)
                                .order(ByteOrder.LITTLE_ENDIAN)
                                .putLong(header.length)
                                .flip());
                AtomicFile.writeFully(channel, ByteBuffer.wrap(header));
                for (Part p : parts) {
                    data(channel, p);
                }
            });
        } catch (IOException e) {
            throw new TensorException(file + ": cannot be written: " + FileErrors.reason(e), e);
        }
    }

    /** The order of the reference implementation's list of types, in which it sorts. */
    private static int rank(DType type) {
        return switch (type) {
            case F16 -> 0;
            case BF16 -> 1;
            case I32 -> 2;
            case F32 -> 3;
            case F64 -> 4;
            case Q8_0, Q4_0, Q4_K, Q6_K -> throw new IllegalArgumentException(type.name());
        };
    }

    private static byte[] header(List<Part> parts, Map<String, String> metadata) {
        ObjectMapper json = new ObjectMapper();
        ObjectNode root = json.createObjectNode();
        if (!metadata.isEmpty()) {
            root.set(METADATA, json.valueToTree(metadata));
        }
        long at = 0;
        for (Part p : parts) {
            ObjectNode t = root.putObject(p.name);
            t.put("dtype", StoredType.of(p.type).name());
            t.set("shape", json.valueToTree(shape(p.tensor.shape())));
            t.putArray("data_offsets").add(at).add(at + p.bytes);
            at += p.bytes;
        }
        byte[] text;
        try {
            text = json.writeValueAsBytes(root);
        } catch (com.fasterxml.jackson.core.JsonProcessingException e) {
            throw new AssertionError(e);
        }
        int padded = (text.length + 8 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - 8;
        byte[] header = java.util.Arrays.copyOf(text, padded);
        java.util.Arrays.fill(header, text.length, padded, (byte) ' ');
        return header;
    }

    private static int[] shape(Shape shape) {
        return shape.dims();
    }

    private static void data(FileChannel channel, Part p) throws IOException {
        if (p.bytes == 0) {
            return;
        }
        Tensor typed = p.tensor.dtype() == p.type ? p.tensor : p.tensor.detach().cast(p.type);
        Tensor stored = null;
        try {
            stored = Tape.noGrad(() -> typed.to(Device.CPU).pack());
            MemorySegment bytes = stored.data();
            for (long at = 0; at < p.bytes; at += CHUNK) {
                AtomicFile.writeFully(
                        channel,
                        bytes.asSlice(at, Math.min(CHUNK, p.bytes - at)).asByteBuffer());
            }
        } finally {
            if (stored != null && stored.buffer() != typed.buffer()) {
                stored.close();
            }
            if (typed.buffer() != p.tensor.buffer()) {
                typed.close();
            }
        }
    }
}
