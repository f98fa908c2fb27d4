package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LE;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;

import io.quern.tensor.op.Elementwise.UnaryKind;
import jdk.incubator.vector.FloatVector;

/** The functions of {@link UnaryKind} and their derivatives times dy, on vectors. */
final class UnaryMath {
    // 2 sqrt(2 / pi) and that times 0.044715
    private static final float GELU_LINEAR = 1.5957691216f;
    private static final float GELU_CUBIC = 0.0713548162726f;

    private static final float INV_SQRT_2PI = 0.398942280f;

    private UnaryMath() {}

    /** Any of the functions, for the last vector of a row. */
    static FloatVector apply(UnaryKind kind, FloatVector x) {
        return switch (kind) {
            case NEG -> x.neg();
            case EXP -> VectorMath.exp(x);
            case LOG -> VectorMath.log(x);
            case SQRT -> x.sqrt();
            case RSQRT -> broadcast(F, 1f).div(x.sqrt());
            case RECIPROCAL -> broadcast(F, 1f).div(x);
            case SQUARE -> x.mul(x);
            case ABS -> x.abs();
            case RELU -> relu(x);
            case SIGMOID -> VectorMath.sigmoid(x);
            case TANH -> VectorMath.tanh(x);
            case GELU -> gelu(x);
            case GELU_TANH -> geluTanh(x);
            case SILU -> silu(x);
        };
    }

    static FloatVector relu(FloatVector x) {
        return x.blend(0f, x.compare(LT, 0f));
    }

    static FloatVector gelu(FloatVector x) {
        return VectorMath.normalCdf(x).mul(x);
    }

    /** (1 + tanh u) / 2 is sigmoid(2 u), which does not cancel for negative u. */
    static FloatVector geluTanh(FloatVector x) {
        FloatVector u = x.mul(x).fma(broadcast(F, GELU_CUBIC), broadcast(F, GELU_LINEAR)).mul(x);
        return VectorMath.sigmoid(u).mul(x);
    }

    static FloatVector silu(FloatVector x) {
        return VectorMath.sigmoid(x).mul(x);
    }

    /** Any of the derivatives times dy, for the last vector of a row. */
    static FloatVector gradient(UnaryKind kind, FloatVector x, FloatVector dy) {
        return switch (kind) {
            case NEG -> dy.neg();
            case EXP -> VectorMath.exp(x).mul(dy);
            case LOG -> dy.div(x);
            case SQRT -> dy.mul(0.5f).div(x.sqrt());
            case RSQRT -> dy.mul(-0.5f).div(x.sqrt().mul(x));
            case RECIPROCAL -> dy.neg().div(x.mul(x));
            case SQUARE -> x.add(x).mul(dy);
            case ABS -> absGradient(x, dy);
            case RELU -> reluGradient(x, dy);
            case SIGMOID -> sigmoidGradient(x, dy);
            case TANH -> tanhGradient(x, dy);
            case GELU -> geluGradient(x, dy);
            case GELU_TANH -> geluTanhGradient(x, dy);
            case SILU -> siluGradient(x, dy);
        };
    }

    static FloatVector absGradient(FloatVector x, FloatVector dy) {
        FloatVector sign = broadcast(F, 0f).blend(1f, x.compare(GT, 0f)).blend(-1f, x.compare(LT, 0f));
        return sign.blend(x, x.compare(NE, x)).mul(dy);
    }

    static FloatVector reluGradient(FloatVector x, FloatVector dy) {
        return broadcast(F, 0f).blend(dy, x.compare(GT, 0f));
    }

    /** sigmoid(x) sigmoid(-x) = e / (1 + e)^2 with e = exp(-|x|), which does not cancel. */
    static FloatVector sigmoidGradient(FloatVector x, FloatVector dy) {
        FloatVector e = VectorMath.exp(x.abs().neg());
        FloatVector d = e.add(1f);
        return e.div(d.mul(d)).mul(dy);
    }

    /** 1 - tanh(x)^2 = 4 e / (1 + e)^2 with e = exp(-2 |x|). */
    static FloatVector tanhGradient(FloatVector x, FloatVector dy) {
        FloatVector e = VectorMath.exp(x.abs().mul(-2f));
        FloatVector d = e.add(1f);
        return e.mul(4f).div(d.mul(d)).mul(dy);
    }

    static FloatVector geluGradient(FloatVector x, FloatVector dy) {
        FloatVector density = VectorMath.expBounded(x.mul(x).mul(-0.5f));
        FloatVector cdf = VectorMath.normalCdf(x);
        return density.mul(INV_SQRT_2PI).fma(x, cdf).mul(dy);
    }

    /** With s = sigmoid(u): s + x s (1 - s) u', where s and s (1 - s) = e / (1 + e)^2 share e = exp(-|u|). */
    static FloatVector geluTanhGradient(FloatVector x, FloatVector dy) {
        FloatVector square = x.mul(x);
        FloatVector u = square.fma(broadcast(F, GELU_CUBIC), broadcast(F, GELU_LINEAR)).mul(x);
        FloatVector e = VectorMath.exp(u.abs().neg());
        FloatVector inverse = broadcast(F, 1f).div(e.add(1f));
        FloatVector s = inverse.blend(e.mul(inverse), u.compare(LE, 0f));
        FloatVector du = square.fma(broadcast(F, 3 * GELU_CUBIC), broadcast(F, GELU_LINEAR)).mul(x);
        return e.mul(inverse).mul(inverse).fma(du, s).mul(dy);
    }

    static FloatVector siluGradient(FloatVector x, FloatVector dy) {
        FloatVector e = VectorMath.exp(x.abs().neg());
        FloatVector inverse = broadcast(F, 1f).div(e.add(1f));
        FloatVector s = inverse.blend(e.mul(inverse), x.compare(LE, 0f));
        return e.mul(inverse).mul(inverse).fma(x, s).mul(dy);
    }
}
