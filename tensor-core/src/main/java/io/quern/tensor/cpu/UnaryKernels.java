package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;

import io.quern.tensor.op.Elementwise.UnaryKind;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * y = f(x) over packed F32, in blocks that are copied to a heap array and back. The copies stay in the first-level cache
 * and cost a tenth of the simplest function; in return there is one code path for all lengths, since the array is padded
 * to whole vectors, and loops on arrays are compiled reliably. Loops straight on off-heap memory were tried: after a long
 * function C2 has no budget left to inline the store, boxes every vector, and is ten times slower.
 *
 * <p>One loop a function, each in a method of its own: a switch inside a loop would box vectors too.
 */
final class UnaryKernels {
    /** Elements of a block: 8 KiB. */
    static final int BLOCK = 2048;

    // 2 sqrt(2 / pi) and that times 0.044715
    static final float GELU_LINEAR = 1.5957691216f;
    static final float GELU_CUBIC = 0.0713548162726f;

    private UnaryKernels() {}

    static void run(UnaryKind kind, long x, long y, int n) {
        float[] v = new float[padded(Math.min(n, BLOCK))];
        for (int i = 0; i < n; i += BLOCK) {
            int some = Math.min(BLOCK, n - i);
            OffHeap.read(x + 4L * i, v, 0, some);
            apply(kind, v, padded(some));
            OffHeap.write(v, 0, y + 4L * i, some);
        }
    }

    /** The next multiple of a vector. */
    static int padded(int n) {
        return (n + L - 1) / L * L;
    }

    private static void apply(UnaryKind kind, float[] x, int n) {
        switch (kind) {
            case NEG -> neg(x, n);
            case EXP -> exp(x, n);
            case LOG -> log(x, n);
            case SQRT -> sqrt(x, n);
            case RSQRT -> rsqrt(x, n);
            case RECIPROCAL -> reciprocal(x, n);
            case SQUARE -> square(x, n);
            case ABS -> abs(x, n);
            case RELU -> relu(x, n);
            case SIGMOID -> sigmoid(x, n);
            case TANH -> tanh(x, n);
            case GELU -> gelu(x, n);
            case GELU_TANH -> geluTanh(x, n);
            case SILU -> silu(x, n);
        }
    }

    private static void neg(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            v.neg().intoArray(x, i);
        }
    }

    private static void exp(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            VectorMath.exp(v).intoArray(x, i);
        }
    }

    private static void log(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            VectorMath.log(v).intoArray(x, i);
        }
    }

    private static void sqrt(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            v.sqrt().intoArray(x, i);
        }
    }

    private static void rsqrt(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector.broadcast(F, 1f).div(v.sqrt()).intoArray(x, i);
        }
    }

    private static void reciprocal(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector.broadcast(F, 1f).div(v).intoArray(x, i);
        }
    }

    private static void square(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            v.mul(v).intoArray(x, i);
        }
    }

    private static void abs(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            v.abs().intoArray(x, i);
        }
    }

    private static void relu(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            v.blend(0f, v.compare(VectorOperators.LT, 0f)).intoArray(x, i);
        }
    }

    private static void sigmoid(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            VectorMath.sigmoid(v).intoArray(x, i);
        }
    }

    private static void tanh(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            VectorMath.tanh(v).intoArray(x, i);
        }
    }

    private static void gelu(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            VectorMath.normalCdf(v).mul(v).intoArray(x, i);
        }
    }

    /** (1 + tanh u) / 2 is sigmoid(2 u), which does not cancel for negative u. */
    private static void geluTanh(float[] x, int n) {
        FloatVector linear = FloatVector.broadcast(F, GELU_LINEAR);
        FloatVector cubic = FloatVector.broadcast(F, GELU_CUBIC);
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            VectorMath.sigmoid(v.mul(v).fma(cubic, linear).mul(v)).mul(v).intoArray(x, i);
        }
    }

    private static void silu(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            VectorMath.sigmoid(v).mul(v).intoArray(x, i);
        }
    }
}
