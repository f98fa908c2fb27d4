package io.quern.tensor.file;

import io.quern.tensor.TensorException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.Map;
import java.util.Set;

/**
 * A safetensors file: 8 bytes with the length of the header, the header in JSON, the data. Mapped, so that opening costs
 * nothing but the header, whatever the size.
 */
public final class Safetensors implements WeightSource {
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final String file;
    private final Arena arena;
    private final MemorySegment data;
    private final SafetensorsHeader header;

    private Safetensors(String file, Arena arena, MemorySegment data, SafetensorsHeader header) {
        this.file = file;
        this.arena = arena;
        this.data = data;
        this.header = header;
    }

    /**
     * Maps a file and checks its header.
     *
     * @throws TensorException if it cannot be read or is not a valid safetensors file
     */
    public static Safetensors open(Path path) {
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            long size = channel.size();
            return read(path.toString(), arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena));
        } catch (java.nio.file.NoSuchFileException e) {
            arena.close();
            throw new TensorException(path + ": no such file", e);
        } catch (IOException e) {
            arena.close();
            throw new TensorException(path + ": cannot be read: " + FileErrors.reason(e), e);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    /**
     * Reads a file that is in memory, such as a resource; the bytes are copied.
     *
     * @param name for messages
     */
    public static Safetensors of(String name, byte[] bytes) {
        Arena arena = Arena.ofShared();
        try {
            MemorySegment copy = arena.allocate(Math.max(1, bytes.length), 64).asSlice(0, bytes.length);
            MemorySegment.copy(bytes, 0, copy, ValueLayout.JAVA_BYTE, 0, bytes.length);
            return read(name, arena, copy);
        } catch (RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    private static Safetensors read(String file, Arena arena, MemorySegment all) {
        if (all.byteSize() < 8) {
            throw new TensorException(file + ": not a safetensors file: it has " + all.byteSize()
                    + " bytes, and even the header's length takes 8");
        }
        long length = all.get(LONG, 0);
        if (length < 0 || length > SafetensorsHeader.LARGEST) {
            throw new TensorException(file + ": not a safetensors file: its first 8 bytes give a header of "
                    + Long.toUnsignedString(length) + " bytes; at most " + SafetensorsHeader.LARGEST + " are allowed");
        }
        if (length > all.byteSize() - 8) {
            throw new TensorException(file + ": the header should have " + length + " bytes, but only "
                    + (all.byteSize() - 8) + " follow: the file is cut off");
        }
        byte[] json = all.asSlice(8, length).toArray(ValueLayout.JAVA_BYTE);
        MemorySegment data = all.asSlice(8 + length).asReadOnly();
        return new Safetensors(file, arena, data, SafetensorsHeader.parse(file, json, data.byteSize()));
    }

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(header.tensors().keySet());
    }

    @Override
    public WeightEntry get(String name) {
        SafetensorsHeader.Part p = header.tensors().get(name);
        if (p == null) {
            throw new TensorException(file + " has no tensor '" + name + "'");
        }
        return new WeightEntry(name, p.type(), p.shape(), data.asSlice(p.begin(), p.end() - p.begin()), file);
    }

    @Override
    public Map<String, String> metadata() {
        return header.metadata();
    }

    @Override
    public void close() {
        arena.close();
    }
}
