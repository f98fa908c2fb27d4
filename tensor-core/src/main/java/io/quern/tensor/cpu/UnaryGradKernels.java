package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LE;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;

import io.quern.tensor.op.Elementwise.UnaryKind;
import jdk.incubator.vector.FloatVector;

/** dx = f'(x) dy over packed F32; blocks and loops as in {@link UnaryKernels}. */
final class UnaryGradKernels {
    private static final int BLOCK = UnaryKernels.BLOCK;
    private static final float INV_SQRT_2PI = 0.398942280f;

    private UnaryGradKernels() {}

    static void run(UnaryKind kind, long x, long dy, long dx, int n) {
        int size = UnaryKernels.padded(Math.min(n, BLOCK));
        float[] v = new float[size];
        float[] d = new float[size];
        for (int i = 0; i < n; i += BLOCK) {
            int some = Math.min(BLOCK, n - i);
            OffHeap.read(x + 4L * i, v, 0, some);
            OffHeap.read(dy + 4L * i, d, 0, some);
            apply(kind, v, d, UnaryKernels.padded(some));
            OffHeap.write(d, 0, dx + 4L * i, some);
        }
    }

    /** dy becomes dx. */
    private static void apply(UnaryKind kind, float[] x, float[] dy, int n) {
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
            case SIGMOID -> sigmoid(x, dy, n);
            case TANH -> tanh(x, dy, n);
            case GELU -> gelu(x, dy, n);
            case GELU_TANH -> geluTanh(x, dy, n);
            case SILU -> silu(x, dy, n);
        }
    }

    private static void neg(float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector d = FloatVector.fromArray(F, dy, i);
            d.neg().intoArray(dy, i);
        }
    }

    private static void exp(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            VectorMath.exp(v).mul(d).intoArray(dy, i);
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

    /** sigmoid(x) sigmoid(-x) = e / (1 + e)^2 with e = exp(-|x|), which does not cancel. */
    private static void sigmoid(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            FloatVector e = VectorMath.exp(v.abs().neg());
            FloatVector t = e.add(1f);
            e.div(t.mul(t)).mul(d).intoArray(dy, i);
        }
    }

    /** 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|). */
    private static void tanh(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            FloatVector e = VectorMath.exp(v.abs().mul(-2f));
            FloatVector t = e.add(1f);
            e.mul(4f).div(t.mul(t)).mul(d).intoArray(dy, i);
        }
    }

    /** The distribution function plus x times the density. */
    private static void gelu(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            FloatVector density = VectorMath.expBounded(v.mul(v).mul(-0.5f)).mul(INV_SQRT_2PI);
            FloatVector cdf = VectorMath.normalCdf(v);
            density.fma(v, cdf).mul(d).intoArray(dy, i);
        }
    }

    /** With s = sigmoid(u): s + x s (1 - s) u', where s and s (1 - s) = e / (1 + e)^2 share e = exp(-|u|). */
    private static void geluTanh(float[] x, float[] dy, int n) {
        FloatVector linear = FloatVector.broadcast(F, UnaryKernels.GELU_LINEAR);
        FloatVector cubic = FloatVector.broadcast(F, UnaryKernels.GELU_CUBIC);
        FloatVector cubic3 = FloatVector.broadcast(F, 3 * UnaryKernels.GELU_CUBIC);
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            FloatVector square = v.mul(v);
            FloatVector u = square.fma(cubic, linear).mul(v);
            FloatVector e = VectorMath.exp(u.abs().neg());
            FloatVector inverse = FloatVector.broadcast(F, 1f).div(e.add(1f));
            FloatVector s = inverse.blend(e.mul(inverse), u.compare(LE, 0f));
            FloatVector du = square.fma(cubic3, linear).mul(v);
            e.mul(inverse).mul(inverse).fma(du, s).mul(d).intoArray(dy, i);
        }
    }

    /** s + x s (1 - s), as above. */
    private static void silu(float[] x, float[] dy, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector d = FloatVector.fromArray(F, dy, i);
            FloatVector e = VectorMath.exp(v.abs().neg());
            FloatVector inverse = FloatVector.broadcast(F, 1f).div(e.add(1f));
            FloatVector s = inverse.blend(e.mul(inverse), v.compare(LE, 0f));
            e.mul(inverse).mul(inverse).fma(v, s).mul(d).intoArray(dy, i);
        }
    }
}
