package io.quern.tensor.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Raw off-heap memory by absolute address. Kernels reach every tensor through the one segment {@link #ALL}: vector
 * loops that see several classes of segments share a polluted profile, JVM-wide, and become several times slower.
 *
 * <p>Nothing here checks an address. Callers pass only ranges that lie inside a live buffer; the tensor layer
 * establishes that once per op. Addresses need no alignment, because weights are mapped from files as they are.
 */
public final class OffHeap {
    /** All of the address space: the offset is the address. */
    public static final MemorySegment ALL = MemorySegment.NULL.reinterpret(Long.MAX_VALUE);

    /** Byte order of all tensor memory, for vector loads and stores on {@link #ALL}. */
    public static final ByteOrder ORDER = ByteOrder.nativeOrder();

    // Scalar accesses are for tails and slow paths. They stay out of vector loops, where an unaligned scalar layout
    // exhausts C2's inlining budget.
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED;
    private static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED;
    private static final ValueLayout.OfDouble DOUBLE = ValueLayout.JAVA_DOUBLE_UNALIGNED;

    private OffHeap() {}

    /** Copies {@code count} floats at {@code address} into {@code to}, from index {@code at} on. */
    public static void read(long address, float[] to, int at, int count) {
        MemorySegment.copy(ALL, FLOAT, address, to, at, count);
    }

    /** Copies {@code count} floats of {@code from}, from index {@code at} on, to {@code address}. */
    public static void write(float[] from, int at, long address, int count) {
        MemorySegment.copy(from, at, ALL, FLOAT, address, count);
    }

    /** Copies {@code count} 16-bit words at {@code address} into {@code to}, from index {@code at} on. */
    public static void read(long address, short[] to, int at, int count) {
        MemorySegment.copy(ALL, SHORT, address, to, at, count);
    }

    /** Copies {@code count} 16-bit words of {@code from}, from index {@code at} on, to {@code address}. */
    public static void write(short[] from, int at, long address, int count) {
        MemorySegment.copy(from, at, ALL, SHORT, address, count);
    }

    /** Copies {@code count} ints at {@code address} into {@code to}, from index {@code at} on. */
    public static void read(long address, int[] to, int at, int count) {
        MemorySegment.copy(ALL, INT, address, to, at, count);
    }

    /** Copies {@code count} ints of {@code from}, from index {@code at} on, to {@code address}. */
    public static void write(int[] from, int at, long address, int count) {
        MemorySegment.copy(from, at, ALL, INT, address, count);
    }

    /** Copies {@code count} doubles at {@code address} into {@code to}, from index {@code at} on. */
    public static void read(long address, double[] to, int at, int count) {
        MemorySegment.copy(ALL, DOUBLE, address, to, at, count);
    }

    /** Copies {@code count} doubles of {@code from}, from index {@code at} on, to {@code address}. */
    public static void write(double[] from, int at, long address, int count) {
        MemorySegment.copy(from, at, ALL, DOUBLE, address, count);
    }

    /** Copies {@code count} bytes at {@code address} into {@code to}, from index {@code at} on. */
    public static void read(long address, byte[] to, int at, int count) {
        MemorySegment.copy(ALL, ValueLayout.JAVA_BYTE, address, to, at, count);
    }

    /** Copies {@code count} bytes of {@code from}, from index {@code at} on, to {@code address}. */
    public static void write(byte[] from, int at, long address, int count) {
        MemorySegment.copy(from, at, ALL, ValueLayout.JAVA_BYTE, address, count);
    }

    /** Copies {@code bytes} bytes; the ranges may overlap. */
    public static void copy(long from, long to, long bytes) {
        MemorySegment.copy(ALL, from, ALL, to, bytes);
    }

    /** Sets {@code bytes} bytes at {@code address} to zero. */
    public static void zero(long address, long bytes) {
        ALL.asSlice(address, bytes).fill((byte) 0);
    }

    /** The float at {@code address}. */
    public static float getFloat(long address) {
        return ALL.get(FLOAT, address);
    }

    /** Stores a float at {@code address}. */
    public static void setFloat(long address, float value) {
        ALL.set(FLOAT, address, value);
    }

    /** The int at {@code address}. */
    public static int getInt(long address) {
        return ALL.get(INT, address);
    }

    /** Stores an int at {@code address}. */
    public static void setInt(long address, int value) {
        ALL.set(INT, address, value);
    }

    /** The long at {@code address}. */
    public static long getLong(long address) {
        return ALL.get(LONG, address);
    }

    /** Stores a long at {@code address}. */
    public static void setLong(long address, long value) {
        ALL.set(LONG, address, value);
    }

    /** The 16-bit word at {@code address}. */
    public static short getShort(long address) {
        return ALL.get(SHORT, address);
    }

    /** Stores a 16-bit word at {@code address}. */
    public static void setShort(long address, short value) {
        ALL.set(SHORT, address, value);
    }

    /** The double at {@code address}. */
    public static double getDouble(long address) {
        return ALL.get(DOUBLE, address);
    }

    /** Stores a double at {@code address}. */
    public static void setDouble(long address, double value) {
        ALL.set(DOUBLE, address, value);
    }
}
