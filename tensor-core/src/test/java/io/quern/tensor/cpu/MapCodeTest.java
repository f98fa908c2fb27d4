package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.cpu.x86.BinaryCode;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Elementwise.UnaryKind;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Elementwise functions in machine code against those in Java, whose errors {@link VectorMathTest} bounds. */
class MapCodeTest {
    private static final int[] LENGTHS = {1, 2, 15, 16, 17, 33, 63, 64, 65, 80, 127, 129, 255, 256, 1000};
    private static final int STEP = 20011;

    private final Guarded memory = new Guarded();

    @BeforeEach
    void needsMachineCode() {
        assumeTrue(MachineCode.isUsed(), MachineCode.description());
    }

    @AfterEach
    void close() {
        memory.close();
    }

    /** NaN of any kind is equal to NaN. */
    private static void assertSameBits(float[] want, float[] got, String what) {
        for (int i = 0; i < want.length; i++) {
            assertEquals(Float.floatToIntBits(want[i]), Float.floatToIntBits(got[i]), what + " at " + i);
        }
    }

    @ParameterizedTest
    @EnumSource
    void hasTheBitsOfTheFunctionInJava(UnaryKind kind) {
        int n = 1 << 12;
        float[] x = new float[n];
        long in = memory.room(n);
        long java = memory.room(n);
        long machine = memory.room(n);
        for (long bits = 0; bits < 1L << 32; ) {
            for (int i = 0; i < n; i++, bits += STEP) {
                x[i] = Float.intBitsToFloat((int) bits);
            }
            OffHeap.write(x, 0, in, n);
            UnaryKernels.inJava(kind, in, java, n);
            UnaryKernels.run(kind, in, machine, n);
            float[] want = Guarded.read(java, n);
            float[] got = Guarded.read(machine, n);
            for (int i = 0; i < n; i++) {
                assertEquals(Float.floatToIntBits(want[i]), Float.floatToIntBits(got[i]), kind + " of " + x[i]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void treatsSpecialNumbersAsInJava(UnaryKind kind) {
        float[] x = {
            Float.NaN,
            Float.intBitsToFloat(0xffc00001),
            Float.intBitsToFloat(0x7f800001),
            0,
            -0f,
            Float.MIN_VALUE,
            -Float.MIN_VALUE,
            Float.MAX_VALUE,
            -Float.MAX_VALUE,
            Float.POSITIVE_INFINITY,
            Float.NEGATIVE_INFINITY,
            Float.MIN_NORMAL,
            -104,
            -87.34f,
            88.8f,
            10,
            -10,
            9.1f,
            -9.1f,
            1
        };
        long in = memory.copy(x);
        long out = memory.room(x.length);
        UnaryKernels.inJava(kind, in, out, x.length);
        float[] want = Guarded.read(out, x.length);
        UnaryKernels.run(kind, in, in, x.length); // in place
        assertSameBits(want, Guarded.read(in, x.length), kind.label());
    }

    @ParameterizedTest
    @EnumSource
    void addsABiasToEveryRowAndStaysInside(UnaryKind kind) {
        for (int c : LENGTHS) {
            int rows = 3;
            float[] x = Guarded.some(rows * c, 1);
            float[] bias = Guarded.some(c, 2);
            float[] sum = new float[rows * c];
            for (int i = 0; i < sum.length; i++) {
                sum[i] = x[i] + bias[i % c];
            }
            long scratch = memory.copy(sum);
            UnaryKernels.inJava(kind, scratch, scratch, sum.length);
            float[] want = Guarded.read(scratch, sum.length);
            for (boolean atStart : new boolean[] {false, true}) {
                long in = atStart ? memory.copyAtStart(x) : memory.copy(x);
                long b = atStart ? memory.copyAtStart(bias) : memory.copy(bias);
                long out = memory.room(sum.length);
                NativeCall.call(RowCode.map(kind, true), in, out, c, rows, b, 0);
                assertSameBits(want, Guarded.read(out, sum.length), kind + " of " + c);
                assertArrayEquals(x, Guarded.read(in, x.length), "the operand stays");
                NativeCall.call(RowCode.map(kind, true), in, in, c, rows, b, 0);
                assertSameBits(want, Guarded.read(in, sum.length), kind + " of " + c + " in place");
            }
            memory.close();
        }
    }

    @ParameterizedTest
    @EnumSource
    void gradientsHaveTheBitsOfThoseInJava(UnaryKind kind) {
        int n = 1 << 12;
        float[] x = new float[n];
        long in = memory.room(n);
        long dy = memory.copy(Guarded.some(n, 5));
        long java = memory.room(n);
        long machine = memory.room(n);
        for (long bits = 0; bits < 1L << 32; ) {
            for (int i = 0; i < n; i++, bits += STEP) {
                x[i] = Float.intBitsToFloat((int) bits);
            }
            OffHeap.write(x, 0, in, n);
            UnaryGradKernels.inJava(kind, in, dy, java, n);
            UnaryGradKernels.run(kind, in, dy, machine, n);
            float[] want = Guarded.read(java, n);
            float[] got = Guarded.read(machine, n);
            for (int i = 0; i < n; i++) {
                assertEquals(Float.floatToIntBits(want[i]), Float.floatToIntBits(got[i]), kind + " at " + x[i]);
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void gradientsAddABiasAndStayInside(UnaryKind kind) {
        for (int c : LENGTHS) {
            int rows = 3;
            float[] x = Guarded.some(rows * c, 1);
            float[] bias = Guarded.some(c, 2);
            float[] dy = Guarded.some(rows * c, 3);
            float[] sum = new float[rows * c];
            for (int i = 0; i < sum.length; i++) {
                sum[i] = x[i] + bias[i % c];
            }
            long scratch = memory.copy(sum);
            long d = memory.copy(dy);
            UnaryGradKernels.inJava(kind, scratch, d, scratch, sum.length);
            float[] want = Guarded.read(scratch, sum.length);
            long in = memory.copy(x);
            long b = memory.copyAtStart(bias);
            NativeCall.call(RowCode.gradient(kind, true), in, in, c, rows, b, d);
            assertSameBits(want, Guarded.read(in, sum.length), kind + " of " + c + " to x");
            NativeCall.call(RowCode.gradient(kind, true), memory.copyAtStart(x), d, c, rows, memory.copy(bias), d);
            assertSameBits(want, Guarded.read(d, sum.length), kind + " of " + c + " to dy");
            memory.close();
        }
    }

    private static float apply(BinaryKind kind, float a, float b) {
        return switch (kind) {
            case ADD -> a + b;
            case SUB -> a - b;
            case MUL -> a * b;
            case DIV -> a / b;
            case MAX -> Math.max(a, b);
            case MIN -> Math.min(a, b);
        };
    }

    /** MAX and MIN stay on the Vector API, and pass the same test. */
    @ParameterizedTest
    @EnumSource
    void operatesOnRowsAndStaysInside(BinaryKind kind) {
        for (int c : LENGTHS) {
            int rows = 3;
            float[] a = Guarded.some(rows * c, 3);
            a[0] = Float.NaN;
            a[c] = Float.NEGATIVE_INFINITY;
            a[2 * c] = -0f;
            float[] b = Guarded.some(rows * c, 4);
            for (int step : new int[] {0, c}) {
                float[] want = new float[rows * c];
                for (int i = 0; i < want.length; i++) {
                    want[i] = apply(kind, a[i], b[i / c * step + i % c]);
                }
                float[] second = java.util.Arrays.copyOf(b, step == 0 ? c : rows * c);
                long x = memory.copy(a);
                long y = memory.copy(second);
                long out = memory.room(want.length);
                BinaryKernels.rows(kind, x, y, step, out, rows, c);
                assertSameBits(want, Guarded.read(out, want.length), kind + " of " + c + ", step " + step);
                assertArrayEquals(a, Guarded.read(x, a.length), "the first operand stays");
                assertArrayEquals(second, Guarded.read(y, second.length), "the second operand stays");
                if (step == c) {
                    BinaryKernels.rows(kind, x, y, step, y, rows, c);
                    assertSameBits(want, Guarded.read(y, want.length), kind + " of " + c + " to its second operand");
                }
            }
            for (float one : new float[] {-2.5f, Float.NaN, 0}) {
                float[] want = new float[rows * c];
                for (int i = 0; i < want.length; i++) {
                    want[i] = apply(kind, a[i], one);
                }
                long x = memory.copy(a);
                BinaryKernels.run(kind, x, one, x, a.length);
                assertSameBits(want, Guarded.read(x, want.length), kind + " of " + c + " and " + one);
            }
            memory.close();
        }
    }

    @Test
    void accumulatesAndStaysInside() {
        for (int n : LENGTHS) {
            float[] a = Guarded.some(n, 1);
            float[] b = Guarded.some(n, 2);
            float[] want = new float[n];
            for (int i = 0; i < n; i++) {
                want[i] = Math.fma(b[i], 0.3f, a[i]);
            }
            long to = memory.copy(a);
            long from = memory.copy(b);
            NativeCall.call(RowCode.accumulate(), to, from, to, n, 1, Float.floatToRawIntBits(0.3f));
            assertSameBits(want, Guarded.read(to, n), "sum of " + n);
            memory.close();
        }
    }

    @Test
    void leavesExtremesToJava() {
        for (BinaryKind kind : BinaryKind.values()) {
            assertEquals(kind != BinaryKind.MAX && kind != BinaryKind.MIN, BinaryCode.has(kind));
        }
    }

    @Test
    void doesNothingForNoElements() {
        UnaryKernels.run(UnaryKind.EXP, 0, 0, 0);
        BinaryKernels.run(BinaryKind.ADD, 0, 0, 0, 0);
    }
}
