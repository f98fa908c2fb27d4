package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;

import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Elementwise.UnaryKind;
import java.util.Arrays;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * y = f(x) over packed F32, in machine code ({@link io.quern.tensor.cpu.x86.MapCode}), or in blocks that are copied to a heap array and back. The copies stay in the first-level cache
 * and cost a tenth of the simplest function; in return there is one code path for all lengths, since the array is padded
 * to whole vectors, and loops on arrays are compiled reliably; see {@link VectorMath} for what goes wrong otherwise.
 */
final class UnaryKernels {
    /** Elements of a block: 8 KiB. */
    static final int BLOCK = 2048;

    // 2 sqrt(2 / pi) and that times 0.044715
    static final float GELU_LINEAR = 1.5957691216f;
    static final float GELU_CUBIC = 0.0713548162726f;

    private UnaryKernels() {}

    static void run(UnaryKind kind, long x, long y, int n) {
        if (MachineCode.isUsed()) {
            NativeCall.call(RowCode.map(kind, false), x, y, n, 1, 0, 0);
        } else {
            inJava(kind, x, y, n);
        }
    }

    static void inJava(UnaryKind kind, long x, long y, int n) {
        int size = padded(Math.min(n, BLOCK));
        float[] v = GemmScratch.take(size);
        float[] scratch = GemmScratch.take(size);
        for (int i = 0; i < n; i += BLOCK) {
            int some = Math.min(BLOCK, n - i);
            OffHeap.read(x + 4L * i, v, 0, some);
            Arrays.fill(v, some, padded(some), 0); // what was left there could be slow to compute with
            apply(kind, v, scratch, padded(some));
            OffHeap.write(v, 0, y + 4L * i, some);
        }
        GemmScratch.give(v);
        GemmScratch.give(scratch);
    }

    /** The next multiple of a vector. */
    static int padded(int n) {
        return (n + L - 1) / L * L;
    }

    private static void apply(UnaryKind kind, float[] x, float[] scratch, int n) {
        switch (kind) {
            case NEG -> neg(x, n);
            case EXP -> VectorMath.exp(x, n);
            case LOG -> VectorMath.log(x, n);
            case SQRT -> sqrt(x, n);
            case RSQRT -> rsqrt(x, n);
            case RECIPROCAL -> reciprocal(x, n);
            case SQUARE -> square(x, n);
            case ABS -> abs(x, n);
            case RELU -> relu(x, n);
            case SIGMOID -> VectorMath.sigmoid(x, scratch, n);
            case TANH -> VectorMath.tanh(x, n);
            case GELU -> gelu(x, scratch, n);
            case GELU_TANH -> geluTanh(x, scratch, n);
            case SILU -> silu(x, scratch, n);
        }
    }

    private static void neg(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            v.neg().intoArray(x, i);
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

    private static void gelu(float[] x, float[] cdf, int n) {
        VectorMath.normalCdf(x, cdf, n);
        multiply(x, cdf, n);
    }

    /** x times (1 + tanh u) / 2, which is sigmoid(2 u) and as such does not cancel for negative u. */
    private static void geluTanh(float[] x, float[] scratch, int n) {
        geluArgument(x, scratch, n);
        VectorMath.expOfMinusAbs(scratch, 1, scratch, n);
        // u has the sign of x
        timesSigmoid(x, scratch, n);
    }

    /** y = 2 sqrt(2 / pi) (x + 0.044715 x^3). */
    static void geluArgument(float[] x, float[] y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector f = v.mul(v).fma(FloatVector.broadcast(F, GELU_CUBIC), FloatVector.broadcast(F, GELU_LINEAR));
            f.mul(v).intoArray(y, i);
        }
    }

    private static void silu(float[] x, float[] scratch, int n) {
        VectorMath.expOfMinusAbs(x, 1, scratch, n);
        timesSigmoid(x, scratch, n);
    }

    /** x = x * sigmoid(u), where u has the sign of x and e = exp(-|u|). */
    private static void timesSigmoid(float[] x, float[] e, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector w = FloatVector.fromArray(F, e, i);
            FloatVector top = v.blend(v.mul(w), v.compare(VectorOperators.LT, 0f));
            top.div(w.add(1f)).intoArray(x, i);
        }
    }

    private static void multiply(float[] x, float[] y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector.fromArray(F, x, i).mul(FloatVector.fromArray(F, y, i)).intoArray(x, i);
        }
    }
}
