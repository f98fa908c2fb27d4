package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Conversions between F32 and 16 bits, in machine code where there is some and in Java where {@code quern.cpu.code=java}. */
class CastKernelsTest {
    private static final int MARK = 0x5a;

    /** Every word of 16 bits. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void widensEveryNumber(DType half) {
        int n = 1 << 16;
        try (Tensor bits = Tensor.empty(Device.CPU, half, Shape.of(n));
                Tensor wide = Tensor.empty(Device.CPU, DType.F32, Shape.of(n))) {
            for (int i = 0; i < n; i++) {
                OffHeap.write(new short[] {(short) i}, 0, bits.address() + 2L * i, 1);
            }
            CastKernels.cast(bits, wide);
            float[] found = new float[n];
            OffHeap.read(wide.address(), found, 0, n);
            for (int i = 0; i < n; i++) {
                float expected =
                        half == DType.F16 ? Float.float16ToFloat((short) i) : Float.intBitsToFloat((short) i << 16);
                assertSame(expected, found[i], "of " + Integer.toHexString(i));
            }
            Tensor back = Tensor.empty(Device.CPU, half, Shape.of(n));
            try (back) {
                CastKernels.cast(wide, back);
                for (int i = 0; i < n; i++) {
                    short expected = Float.isNaN(found[i]) && half == DType.BF16 ? 0x7fc0 : (short) i;
                    short narrowed = word(back.address() + 2L * i);
                    if (Float.isNaN(found[i]) && half == DType.F16) {
                        assertTrue(Float.isNaN(Float.float16ToFloat(narrowed)), "of " + Integer.toHexString(i));
                    } else {
                        assertEquals(expected, narrowed, "of " + Integer.toHexString(i));
                    }
                }
            }
        }
    }

    private static void assertSame(float expected, float found, String what) {
        if (Float.isNaN(expected)) {
            assertTrue(Float.isNaN(found), what);
        } else {
            assertEquals(Float.floatToRawIntBits(expected), Float.floatToRawIntBits(found), what);
        }
    }

    private static short word(long at) {
        short[] word = new short[1];
        OffHeap.read(at, word, 0, 1);
        return word[0];
    }

    /** Random bits, and around each number of BF16: just below, at and just above the middle to the next. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void roundsToNearestEven(DType half) {
        SplittableRandom random = new SplittableRandom(1);
        int n = 4 * 65_536;
        float[] x = new float[n];
        int step = half == DType.BF16 ? 1 << 16 : 1 << 13;
        for (int i = 0; i < n; i++) {
            x[i] = Float.intBitsToFloat(
                    i % 4 == 3 ? random.nextInt() : random.nextInt() / step * step + step / 2 + i % 4 - 1);
        }
        try (Tensor wide = Tensor.empty(Device.CPU, DType.F32, Shape.of(n));
                Tensor bits = Tensor.empty(Device.CPU, half, Shape.of(n))) {
            OffHeap.write(x, 0, wide.address(), n);
            CastKernels.cast(wide, bits);
            for (int i = 0; i < n; i++) {
                double found = ScalarMemory.get(half, bits.address() + 2L * i);
                if (Float.isNaN(x[i])) {
                    assertTrue(Double.isNaN(found));
                    continue;
                }
                try (Tensor one = Tensor.empty(Device.CPU, half, Shape.of(1))) {
                    ScalarMemory.set(half, one.address(), x[i]);
                    assertEquals(ScalarMemory.get(half, one.address()), found, "of " + x[i]);
                }
            }
        }
    }

    /** Ends where a page begins that nobody may touch; what is written stays within the elements. */
    @ParameterizedTest
    @EnumSource(names = {"BF16", "F16"})
    void keepsWithinItsElements(DType half) {
        for (int n = 0; n <= 50; n++) {
            for (boolean widen : new boolean[] {true, false}) {
                DType from = widen ? half : DType.F32;
                DType to = widen ? DType.F32 : half;
                try (GuardPages in = new GuardPages(4096);
                        GuardPages out = new GuardPages(4096)) {
                    long a = in.last(from.bytes(n));
                    long b = out.last(to.bytes(n));
                    byte[] marks = new byte[64];
                    Arrays.fill(marks, (byte) MARK);
                    OffHeap.write(marks, 0, b - marks.length, marks.length);
                    for (int i = 0; i < n; i++) {
                        ScalarMemory.set(from, a + (long) i * from.bytes(), i - 7);
                    }
                    CastKernels.Buffers buffers = CastKernels.Buffers.take();
                    CastKernels.block(from, a, to, b, n, buffers);
                    CastKernels.Buffers.give(buffers);
                    for (int i = 0; i < n; i++) {
                        assertEquals(i - 7, ScalarMemory.get(to, b + (long) i * to.bytes()), "at " + i + " of " + n);
                    }
                    OffHeap.read(b - marks.length, marks, 0, marks.length);
                    for (byte mark : marks) {
                        assertEquals(MARK, mark);
                    }
                }
            }
        }
    }

    @Test
    void castsManyOnAllThreads() {
        int n = 300_001;
        try (Tensor wide = Tensor.empty(Device.CPU, DType.F32, Shape.of(n));
                Tensor bits = Tensor.empty(Device.CPU, DType.BF16, Shape.of(n))) {
            for (int i = 0; i < n; i++) {
                OffHeap.setFloat(wide.address() + 4L * i, i % 256);
            }
            CastKernels.cast(wide, bits);
            for (int i = 0; i < n; i++) {
                assertEquals(i % 256, ScalarMemory.get(DType.BF16, bits.address() + 2L * i));
            }
        }
    }
}
