package io.quern.tensor.file;

import io.quern.tensor.TensorException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A GGUF file, version 2 or 3, little-endian: metadata and tensors in one file. Mapped, so that opening costs nothing but
 * the header. Shapes are row-major as everywhere here: the file's own order of dimensions, reversed.
 */
public final class Gguf implements WeightSource {
    private final String file;
    private final Arena arena;
    private final MemorySegment all;
    private final GgufHeader header;

    private Gguf(String file, Arena arena, MemorySegment all, GgufHeader header) {
        this.file = file;
        this.arena = arena;
        this.all = all;
        this.header = header;
    }

    /**
     * Maps a file and checks its header.
     *
     * @throws TensorException if it cannot be read, is not a valid GGUF file, or has tensors of unsupported types
     */
    public static Gguf open(Path path) {
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
            return new Gguf(path.toString(), arena, all, GgufHeader.read(path.toString(), all));
        } catch (NoSuchFileException e) {
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

    @Override
    public Set<String> names() {
        return Collections.unmodifiableSet(header.tensors().keySet());
    }

    @Override
    public WeightEntry get(String name) {
        GgufHeader.Part p = header.tensors().get(name);
        if (p == null) {
            throw new TensorException(file + " has no tensor '" + name + "'");
        }
        return new WeightEntry(name, p.type(), p.shape(), all.asSlice(p.begin(), p.bytes()), file);
    }

    /** The metadata with its types. */
    public GgufMetadata values() {
        return new GgufMetadata(file, header.values());
    }

    /** The metadata but arrays, as text. */
    @Override
    public Map<String, String> metadata() {
        Map<String, String> text = new LinkedHashMap<>();
        header.values().forEach((key, value) -> {
            if (!(value instanceof List) && !value.getClass().isArray()) {
                text.put(key, value.toString());
            }
        });
        return text;
    }

    @Override
    public void close() {
        arena.close();
    }
}
