package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;

import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Elementwise.UnaryKind;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;

/** dx = f'(x) dy over packed F32; machine code, or blocks and loops as in {@link UnaryKernels}. */
final class UnaryGradKernels {
    private static final int BLOCK = UnaryKernels.BLOCK;
    private static final float INV_SQRT_2PI = 0.398942280f;

    private UnaryGradKernels() {}

    static void run(UnaryKind kind, long x, long dy, long dx, int n) {
        if (MachineCode.isUsed()) {
            NativeCall.call(RowCode.gradient(kind, false), x, dx, n, 1, 0, dy);
        } else {
            inJava(kind, x, dy, dx, n);
        }
    }

    static void inJava(UnaryKind kind, long x, long dy, long dx, int n) {
        int size = UnaryKernels.padded(Math.min(n, BLOCK));
        float[] v = GemmScratch.take(size);
        float[] d = GemmScratch.take(size);
        float[] e = GemmScratch.take(size);
        for (int i = 0; i < n; i += BLOCK) {
            int some = Math.min(BLOCK, n - i);
            OffHeap.read(x + 4L * i, v, 0, some);
            OffHeap.read(dy + 4L * i, d, 0, some);
            Arrays.fill(v, some, UnaryKernels.padded(some), 0);
            Arrays.fill(d, some, UnaryKernels.padded(some), 0);
            apply(kind, v, d, e, UnaryKernels.padded(some));
            OffHeap.write(d, 0, dx + 4L * i, some);
        }
        GemmScratch.give(v);
        GemmScratch.give(d);
        GemmScratch.give(e);
    }

    /** dy becomes dx. */
    private static void apply(UnaryKind kind, float[] x, float[] dy, float[] e, int n) {
        switch (kind) {
            case NEG -> neg(dy, n);
            case EXP -> exp(x, dy, n);
            case LOG -> log(x, dy, n);
            case SQRT -> sqrt(x, dy, n);
            case RSQRT -> rsqrt(x, dy, n);
            case RECIPROCAL -> reciprocal(x, dy, n);
            case SQUARE -> square(x, dy, n);
            case ABS -> abs(x, dy, n);
            case RELU -> relu(x, dy, n);
            case SIGMOID -> sigmoid(x, dy, e, n);
            case TANH -> tanh(x, dy, e, n);
            case GELU -> gelu(x, dy, e, n);
            case GELU_TANH -> geluTanh(x, dy, e, n);
            case SILU -> silu(x, dy, e, n);
        }
    }

    private static void neg(float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector d = FloatVector.fromArray(F, dy, i);
            d.neg().intoArray(dy, i);
        }
    }

    private static void log(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            d.div(v).intoArray(dy, i);
        }
    }

    private static void sqrt(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            d.mul(0.5f).div(v.sqrt()).intoArray(dy, i);
        }
    }

    private static void rsqrt(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            d.mul(-0.5f).div(v.sqrt().mul(v)).intoArray(dy, i);
        }
    }

    private static void reciprocal(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            d.neg().div(v.mul(v)).intoArray(dy, i);
        }
    }

    private static void square(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            v.add(v).mul(d).intoArray(dy, i);
        }
    }

    /** The sign of NaN is NaN. */
    private static void abs(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            FloatVector sign = FloatVector.zero(F).blend(1f, v.compare(GT, 0f)).blend(-1f, v.compare(LT, 0f));
            sign.blend(v, v.compare(NE, v)).mul(d).intoArray(dy, i);
        }
    }

    private static void relu(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            FloatVector.zero(F).blend(d, v.compare(GT, 0f)).intoArray(dy, i);
        }
    }

    private static void exp(float[] x, float[] dy, int n) {
        VectorMath.exp(x, n);
        for (int i = 0; i < n; i += L) {
            FloatVector.fromArray(F, x, i).mul(FloatVector.fromArray(F, dy, i)).intoArray(dy, i);
        }
    }

    /** sigmoid(x) sigmoid(-x) = e / (1 + e)^2 with e = exp(-|x|), which does not cancel. */
    private static void sigmoid(float[] x, float[] dy, float[] e, int n) {
        VectorMath.expOfMinusAbs(x, 1, e, n);
        bell(e, 1, dy, n);
    }

    /** 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|). */
    private static void tanh(float[] x, float[] dy, float[] e, int n) {
        VectorMath.expOfMinusAbs(x, 2, e, n);
        bell(e, 4, dy, n);
    }

    /** dy = dy * factor * e / (1 + e)^2. */
    private static void bell(float[] e, float factor, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, e, i);
            FloatVector d = v.add(1f);
            v.mul(factor).div(d.mul(d)).mul(FloatVector.fromArray(F, dy, i)).intoArray(dy, i);
        }
    }

    /** The distribution function plus x times the density. */
    private static void gelu(float[] x, float[] dy, float[] e, int n) {
        VectorMath.normalCdf(x, e, n);
        for (int i = 0; i < n; i += L) {
            FloatVector d = FloatVector.fromArray(F, dy, i);
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector.fromArray(F, e, i).mul(d).intoArray(e, i);
            v.mul(d).mul(INV_SQRT_2PI).intoArray(dy, i);
            v.mul(v).mul(-0.5f).intoArray(x, i);
        }
        VectorMath.expSum(x, 0, n, 0);
        for (int i = 0; i < n; i += L) {
            FloatVector density = FloatVector.fromArray(F, x, i);
            FloatVector v = density.fma(FloatVector.fromArray(F, dy, i), FloatVector.fromArray(F, e, i));
            v.intoArray(dy, i);
        }
    }

    /** With s = sigmoid(u): s + x s (1 - s) u', where s and s (1 - s) = e / (1 + e)^2 share e = exp(-|u|). */
    private static void geluTanh(float[] x, float[] dy, float[] e, int n) {
        UnaryKernels.geluArgument(x, e, n);
        VectorMath.expOfMinusAbs(e, 1, e, n);
        FloatVector linear = FloatVector.broadcast(F, UnaryKernels.GELU_LINEAR);
        FloatVector cubic = FloatVector.broadcast(F, 3 * UnaryKernels.GELU_CUBIC);
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector w = FloatVector.fromArray(F, e, i);
            FloatVector inverse = FloatVector.broadcast(F, 1f).div(w.add(1f));
            FloatVector other = w.mul(inverse);
            FloatVector s = inverse.blend(other, v.compare(LT, 0f)); // u has the sign of x
            FloatVector du = v.mul(v).fma(cubic, linear).mul(v);
            FloatVector slope = other.mul(inverse).fma(du, s);
            slope.mul(FloatVector.fromArray(F, dy, i)).intoArray(dy, i);
        }
    }

    /** s + x s (1 - s), as above. */
    private static void silu(float[] x, float[] dy, float[] e, int n) {
        VectorMath.expOfMinusAbs(x, 1, e, n);
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector w = FloatVector.fromArray(F, e, i);
            FloatVector inverse = FloatVector.broadcast(F, 1f).div(w.add(1f));
            FloatVector other = w.mul(inverse);
            FloatVector s = inverse.blend(other, v.compare(LT, 0f));
            FloatVector slope = other.mul(inverse).fma(v, s);
            slope.mul(FloatVector.fromArray(F, dy, i)).intoArray(dy, i);
        }
    }
}
