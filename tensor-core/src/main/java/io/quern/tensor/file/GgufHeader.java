package io.quern.tensor.file;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.tensor.TensorException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * What stands before the data of a GGUF file, versions 2 and 3, checked against the file's length before anything is
 * allocated for it. Source: the specification in ggml's {@code docs/gguf.md}.
 */
final class GgufHeader {
    static final int MAGIC = 0x46554747; // "GGUF"
    static final String ALIGNMENT = "general.alignment";
    static final int DEFAULT_ALIGNMENT = 32;

    /** The most dimensions that ggml's tensors have. */
    private static final int DIMS = 4;

    /** The longest name of a tensor, beyond ggml's own limit of 63 bytes. */
    private static final int NAME = 1 << 16;

    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    /** A tensor, and where its bytes are in the file; the shape is row-major. */
    record Part(String name, StoredType type, Shape shape, long begin, long bytes) {}

    private final String file;
    private final MemorySegment all;
    private final Map<String, Object> values = new LinkedHashMap<>();
    private final Map<String, Part> tensors = new LinkedHashMap<>();
    private long at;

    private GgufHeader(String file, MemorySegment all) {
        this.file = file;
        this.all = all;
    }

    static GgufHeader read(String file, MemorySegment all) {
        GgufHeader header = new GgufHeader(file, all);
        header.read();
        return header;
    }

    Map<String, Object> values() {
        return values;
    }

    Map<String, Part> tensors() {
        return tensors;
    }

    private TensorException error(String problem) {
        return new TensorException(file + ": " + problem);
    }

    private void read() {
        if (all.byteSize() < 24 || all.get(INT, 0) != MAGIC) {
            throw error("not a GGUF file: it does not begin with 'GGUF' and the 20 bytes that follow");
        }
        int version = all.get(INT, 4);
        if (version != 2 && version != 3) {
            boolean swapped = Integer.reverseBytes(version) == 2 || Integer.reverseBytes(version) == 3;
            throw error("GGUF version " + Integer.toUnsignedString(version) + " is not supported, only 2 and 3"
                    + (swapped ? ": the file is big-endian" : ""));
        }
        at = 8;
        long tensorCount = count("number of tensors", 8 + 4 + 4 + 8);
        long pairs = count("number of metadata entries", 8 + 4 + 1);
        for (long i = 0; i < pairs; i++) {
            String key = string("key " + i, NAME);
            int type = i32(key);
            if (values.put(key, value(key, type)) != null) {
                throw error("the metadata has '" + key + "' twice");
            }
        }
        int alignment = alignment();
        for (long i = 0; i < tensorCount; i++) {
            info(i, alignment);
        }
        place(alignment);
    }

    private int alignment() {
        Object value = values.getOrDefault(ALIGNMENT, (long) DEFAULT_ALIGNMENT);
        if (value instanceof Long n && n >= 1 && n <= 1 << 20 && Long.bitCount(n) == 1) {
            return n.intValue();
        }
        throw error(ALIGNMENT + " must be a power of two up to " + (1 << 20));
    }

    private void info(long index, int alignment) {
        String name = string("name of tensor " + index, NAME);
        String where = "tensor '" + name + "'";
        int rank = i32(where);
        if (rank < 0 || rank > DIMS) {
            throw error(where + " has " + Integer.toUnsignedString(rank) + " dimensions; at most " + DIMS + " exist");
        }
        int[] dims = new int[rank];
        for (int d = 0; d < rank; d++) {
            long n = i64(where);
            if (n < 0 || n > Integer.MAX_VALUE) {
                throw error(where + " has a dimension of " + Long.toUnsignedString(n));
            }
            dims[rank - 1 - d] = (int) n; // the file begins with the contiguous dimension
        }
        int code = i32(where);
        StoredType type = GgufType.of(code)
                .orElseThrow(() -> error(where + " is " + GgufType.name(code)
                        + ", which is not supported; supported are "
                        + Arrays.stream(GgufType.values()).map(Enum::name).collect(Collectors.joining(", "))))
                .stored();
        long offset = i64(where);
        if (offset < 0 || offset % alignment != 0) {
            throw error(where + " begins at byte " + Long.toUnsignedString(offset)
                    + " of the data, which is not a multiple" + " of the alignment " + alignment);
        }
        Part part;
        try {
            Shape shape = Shape.of(dims);
            part = new Part(name, type, shape, offset, bytes(type, shape));
        } catch (TensorException | ArithmeticException e) {
            throw new TensorException(
                    file + ": " + where + " has the impossible shape " + Arrays.toString(dims) + ": " + e.getMessage(),
                    e);
        }
        if (tensors.put(name, part) != null) {
            throw error("there are two tensors '" + name + "'");
        }
    }

    private static long bytes(StoredType type, Shape shape) {
        DType dtype = type.dtype();
        return dtype != null ? dtype.bytes(shape) : Math.multiplyExact(shape.size(), type.bits() / 8L);
    }

    /** Turns offsets in the data into those in the file; tensors may not overlap or end outside it. */
    private void place(int alignment) {
        long data = (at + alignment - 1) / alignment * alignment;
        long size = Math.max(0, all.byteSize() - data);
        List<Part> sorted = new ArrayList<>(tensors.values());
        sorted.sort(Comparator.comparingLong(Part::begin).thenComparingLong(Part::bytes));
        long end = 0;
        for (Part p : sorted) {
            if (p.bytes > size || p.begin > size - p.bytes) {
                throw error("tensor '" + p.name + "' takes " + p.bytes + " bytes from byte " + p.begin
                        + " of the data, which has only " + size + ": the file is cut off or its header is wrong");
            }
            if (p.begin < end && p.bytes > 0) {
                throw error("tensor '" + p.name + "' overlaps the one before it");
            }
            end = Math.max(end, p.begin + p.bytes);
            tensors.put(p.name, new Part(p.name, p.type, p.shape, data + p.begin, p.bytes));
        }
    }

    private Object value(String key, int type) {
        return switch (type) {
            case 0 -> (long) (all.get(ValueLayout.JAVA_BYTE, take(key, 1)) & 0xFF);
            case 1 -> (long) all.get(ValueLayout.JAVA_BYTE, take(key, 1));
            case 2 -> (long) (all.get(SHORT, take(key, 2)) & 0xFFFF);
            case 3 -> (long) all.get(SHORT, take(key, 2));
            case 4 -> i32(key) & 0xFFFF_FFFFL;
            case 5 -> (long) i32(key);
            case 6 -> (double) Float.intBitsToFloat(i32(key));
            case 7 -> bool(key);
            case 8 -> string(key, Integer.MAX_VALUE);
            case 9 -> array(key);
            case 10, 11 -> i64(key); // what needs the 64th bit becomes negative, and fails where it is asked for
            case 12 -> Double.longBitsToDouble(i64(key));
            default -> throw error("'" + key + "' has the unknown value type " + Integer.toUnsignedString(type));
        };
    }

    private Object array(String key) {
        int type = i32(key);
        int least = switch (type) {
            case 0, 1, 7 -> 1;
            case 2, 3 -> 2;
            case 4, 5, 6 -> 4;
            case 8, 10, 11, 12 -> 8;
            case 9 -> throw error("'" + key + "' is an array of arrays, which is not supported");
            default -> throw error("'" + key + "' is an array of the unknown type " + type);
        };
        long n = count("'" + key + "'", least);
        if (n > Integer.MAX_VALUE - 8) {
            throw error("'" + key + "' has " + n + " elements, too many for an array");
        }
        int size = (int) n;
        if (type == 8) {
            List<String> strings = new ArrayList<>(size);
            for (int i = 0; i < size; i++) {
                strings.add(string(key, Integer.MAX_VALUE));
            }
            return strings;
        }
        if (type == 7) {
            boolean[] flags = new boolean[size];
            for (int i = 0; i < size; i++) {
                flags[i] = bool(key);
            }
            return flags;
        }
        if (type == 6 || type == 12) {
            double[] numbers = new double[size];
            for (int i = 0; i < size; i++) {
                numbers[i] = (Double) value(key, type);
            }
            return numbers;
        }
        long[] numbers = new long[size];
        for (int i = 0; i < size; i++) {
            numbers[i] = (Long) value(key, type);
        }
        return numbers;
    }

    private boolean bool(String key) {
        byte b = all.get(ValueLayout.JAVA_BYTE, take(key, 1));
        if (b != 0 && b != 1) {
            throw error("'" + key + "' is neither true nor false but " + b);
        }
        return b == 1;
    }

    /** A number of things of at least {@code least} bytes each, all of which the file must have room for. */
    private long count(String what, long least) {
        long n = i64(what);
        if (n < 0 || n > (all.byteSize() - at) / least) {
            throw error("the " + what + " is " + Long.toUnsignedString(n) + ", more than the " + (all.byteSize() - at)
                    + " bytes that follow can hold: the file is cut off or its header is wrong");
        }
        return n;
    }

    private String string(String what, int most) {
        long n = i64(what);
        if (n < 0 || n > all.byteSize() - at || n > most) {
            throw error("the string of " + what + " should have " + Long.toUnsignedString(n) + " bytes, but "
                    + (all.byteSize() - at) + " follow and " + most
                    + " are allowed: the file is cut off or its header is wrong");
        }
        byte[] bytes = all.asSlice(take(what, n), n).toArray(ValueLayout.JAVA_BYTE);
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new TensorException(file + ": the string of " + what + " is not valid UTF-8", e);
        }
    }

    private int i32(String what) {
        return all.get(INT, take(what, 4));
    }

    private long i64(String what) {
        return all.get(LONG, take(what, 8));
    }

    private long take(String what, long bytes) {
        if (bytes > all.byteSize() - at) {
            throw error("the file ends in " + what + ": it is cut off");
        }
        long begin = at;
        at += bytes;
        return begin;
    }
}
