package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Vec.zmm;
import static io.quern.tensor.cpu.x86.VectorOp.*;

import io.quern.tensor.op.Elementwise.UnaryKind;

/**
 * Functions of 16 floats in a register. The polynomials and the order of operations are those of {@code VectorMath} and
 * {@code UnaryKernels}, and so are the bits of the results, and the errors stated there: exp and log 0.9 units in the last
 * place, tanh 3.5, sigmoid 2.5, the normal distribution 1.1 above -1. (A power of two is multiplied by in one instruction
 * here; rounded once, as there.) NaN stays NaN.
 *
 * <p>Takes zmm24 to zmm31 and k2 for itself; x is any other register.
 */
final class MathCode {
    // predicates of VCMPPS; NaN is not less and unordered, and nothing else
    private static final int LESS = 1;
    private static final int GREATER = 14;
    private static final int EQUAL = 0;
    private static final int NOT_LESS = 5;
    private static final int UNORDERED = 3;

    private static final int SIGN = 0x80000000;
    private static final int UNIT = 0x3f800000;
    private static final int EXPONENT = 0xff800000;

    private static final float ROUND = 0x1.8p23f;
    private static final float LOG2_E = 1.44269504f;
    private static final float LN2_HIGH = 0.693147182f;
    private static final float LN2_LOW = -1.90465430e-9f;

    private static final float[] EXP = {
        0.00138145488f, 0.00836874526f, 0.04166839063f, 0.16666520397f, 0.49999993433f, 1
    };

    private static final float[] ERF = {
        -0.000595374259923f, 0.00498594084282f, -0.0267617200953f, 0.112816825496f, -0.376124811012f, 0.128379147691f
    };

    private static final float[] LN_ERFC = {
        1.06142414299e-06f,
        -3.40723574557e-05f,
        0.000491502536079f,
        -0.00425195325594f,
        0.0249589057988f,
        -0.107512635752f,
        -0.6345036111f,
        -1.12871732067f,
        -3.73221386404e-05f
    };

    private static final float[] LN = {
        0.06747732524f,
        -0.11677516458f,
        0.11888696252f,
        -0.12405339963f,
        0.14219453112f,
        -0.16668005193f,
        0.20002123456f,
        -0.25000009512f,
        0.33333312541f
    };

    private static final float GELU_LINEAR = 1.5957691216f;
    private static final float GELU_CUBIC = 0.0713548162726f;
    private static final float SQRT_HALF = 0.707106781f;
    private static final float INV_SQRT_2PI = 0.398942280f;

    private static final Mask K = Mask.k(2);
    private static final Vec T0 = zmm(31);
    private static final Vec T1 = zmm(30);
    private static final Vec T2 = zmm(29);
    private static final Vec T3 = zmm(28);
    private static final Vec T4 = zmm(27);

    private final Assembler a;
    private final Constants constants;

    MathCode(Assembler a, Constants constants) {
        this.a = a;
        this.constants = constants;
    }

    /** x = f(x). */
    void apply(UnaryKind kind, Vec x) {
        switch (kind) {
            case NEG -> a.op(VPXORD, x, x, constants.allBits(SIGN));
            case ABS -> a.op(VPANDD, x, x, constants.allBits(~SIGN));
            case SQUARE -> a.op(VMULPS, x, x, x);
            case SQRT -> a.op(VSQRTPS, x, x);
            case RSQRT -> {
                a.op(VSQRTPS, x, x);
                reciprocal(x);
            }
            case RECIPROCAL -> reciprocal(x);
            case RELU -> {
                // of NaN, and of two zeros, the second operand is the result
                a.op(VXORPS, T0.x(), T0.x(), T0.x());
                a.op(VMAXPS, x, T0, x);
            }
            case EXP -> exp(x);
            case LOG -> log(x);
            case SIGMOID -> sigmoid(x);
            case TANH -> tanh(x);
            case GELU -> {
                normalCdf(T4, x);
                a.op(VMULPS, x, x, T4);
            }
            case GELU_TANH -> {
                geluArgument(T2, x);
                timesSigmoid(x, T2);
            }
            case SILU -> {
                a.op(VMOVUPS, T2, x);
                timesSigmoid(x, T2);
            }
        }
    }

    private void load(Vec to, float value) {
        a.op(VBROADCASTSS, to, constants.at(value));
    }

    private void reciprocal(Vec x) {
        load(T0, 1);
        a.op(VDIVPS, x, T0, x);
    }

    /** p = a polynomial of x; the coefficient of the highest power comes first. */
    private void polynomial(Vec p, Vec x, float... coefficients) {
        load(p, coefficients[0]);
        for (int i = 1; i < coefficients.length; i++) {
            a.op(VFMADD213PS, p, x, constants.all(coefficients[i]));
        }
    }

    /** Splits x into k ln 2 + r: k comes to T0 (and with {@link #ROUND} added to it, to {@code rounded}), r to x. */
    private void reduce(Vec x, Vec rounded) {
        load(rounded, ROUND);
        a.op(VFMADD231PS, rounded, x, constants.all(LOG2_E));
        a.op(VSUBPS, T0, rounded, constants.all(ROUND));
        a.op(VFNMADD231PS, x, T0, constants.all(LN2_HIGH));
        a.op(VFNMADD231PS, x, T0, constants.all(LN2_LOW));
    }

    /** p = (e^r - 1) / r for the r of {@link #reduce}. */
    private void expPolynomial(Vec p, Vec r) {
        polynomial(p, r, EXP);
    }

    private void power(Vec to, Vec x) {
        reduce(x, T1);
        expPolynomial(T1, x);
        a.op(VFMADD213PS, T1, x, constants.all(1));
        a.op(VSCALEFPS, to, T1, T0);
    }

    /** x = e^x, right to the last subnormal number. */
    void exp(Vec x) {
        load(T0, 90);
        a.op(VMINPS, x, T0, x);
        expOfNegative(x);
    }

    /** x = e^x for x up to 90. */
    private void expOfNegative(Vec x) {
        load(T0, -105);
        a.op(VMAXPS, x, T0, x);
        power(x, x);
    }

    /** x = e^x for x up to 88; 0 where the result would be subnormal. */
    void expToNormal(Vec x) {
        a.op(VCMPPS, K, x, constants.all(-87.33f), NOT_LESS);
        power(x.zeroing(K), x);
    }

    /** e = e^-|x|; may be the same register. */
    private void expOfMinusAbs(Vec e, Vec x) {
        a.op(VPORD, e, x, constants.allBits(SIGN));
        expOfNegative(e);
    }

    private void whereNegative(Vec x) {
        a.op(VCMPPS, K, x, constants.all(0), LESS);
    }

    /** x = 0 where it is -inf. */
    void zeroWhereMinusInfinity(Vec x) {
        a.op(VCMPPS, K, x, constants.all(Float.NEGATIVE_INFINITY), EQUAL);
        a.op(VPXORD, x.merging(K), x, x);
    }

    private void sigmoid(Vec x) {
        expOfMinusAbs(T2, x);
        whereNegative(x);
        load(x, 1);
        a.op(VMOVUPS, x.merging(K), T2);
        a.op(VADDPS, T2, T2, constants.all(1));
        a.op(VDIVPS, x, x, T2);
    }

    /** y = 2 sqrt(2 / pi) (x + 0.044715 x^3). */
    private void geluArgument(Vec y, Vec x) {
        a.op(VMULPS, T3, x, x);
        load(y, GELU_LINEAR);
        a.op(VFMADD231PS, y, T3, constants.all(GELU_CUBIC));
        a.op(VMULPS, y, y, x);
    }

    /** x = x sigmoid(u), where u, which is lost, has the sign of x. */
    private void timesSigmoid(Vec x, Vec u) {
        expOfMinusAbs(u, u);
        whereNegative(x);
        a.op(VMULPS, x.merging(K), x, u);
        a.op(VADDPS, u, u, constants.all(1));
        a.op(VDIVPS, x, x, u);
    }

    private void tanh(Vec x) {
        a.op(VPANDD, T2, x, constants.allBits(~SIGN));
        load(T0, 10);
        a.op(VMINPS, T2, T0, T2);
        a.op(VADDPS, T2, T2, T2);
        reduce(T2, T3);
        expPolynomial(T1, T2);
        a.op(VMULPS, T1, T1, T2); // e^r - 1
        a.op(VPSLLD, T3, T3, 23);
        a.op(VPADDD, T3, T3, constants.allBits(UNIT));
        a.op(VSUBPS, T2, T3, constants.all(1));
        a.op(VFMADD231PS, T2, T3, T1); // e^2|x| - 1
        a.op(VADDPS, T3, T2, constants.all(2));
        a.op(VDIVPS, T2, T2, T3);
        a.op(VPANDD, x, x, constants.allBits(SIGN));
        a.op(VPORD, x, x, T2);
    }

    /** y = (1 + erf(x / sqrt 2)) / 2. */
    private void normalCdf(Vec y, Vec x) {
        a.op(VMULPS, T2, x, constants.all(SQRT_HALF));
        a.op(VPANDD, T3, T2, constants.allBits(~SIGN));
        polynomial(y, T3, LN_ERFC);
        load(T0, 9);
        a.op(VCMPPS, K, T3, T0, GREATER);
        a.op(VBROADCASTSS, y.merging(K), constants.at(-100));
        expToNormal(y);
        a.op(VMULPS, y, y, constants.all(0.5f)); // the smaller tail
        a.op(VCMPPS, K, T2, constants.all(0), GREATER);
        load(T0, 1);
        a.op(VSUBPS, y.merging(K), T0, y);
        a.op(VMULPS, T0, T2, T2);
        polynomial(T1, T0, ERF);
        a.op(VFMADD213PS, T1, T2, T2);
        load(T0, 0.5f);
        a.op(VFMADD213PS, T1, T0, T0);
        a.op(VCMPPS, K, T3, constants.all(0.925f), GREATER);
        a.op(VMOVUPS, T1.merging(K), y);
        a.op(VMOVUPS, y, T1);
    }

    /** dy = f'(x) dy; x is lost. The order of operations is that of {@code UnaryGradKernels}. */
    void applyGradient(UnaryKind kind, Vec x, Vec dy) {
        switch (kind) {
            case NEG -> a.op(VPXORD, dy, dy, constants.allBits(SIGN));
            case EXP -> {
                exp(x);
                a.op(VMULPS, dy, x, dy);
            }
            case LOG -> a.op(VDIVPS, dy, dy, x);
            case SQRT -> {
                a.op(VSQRTPS, x, x);
                a.op(VMULPS, dy, dy, constants.all(0.5f));
                a.op(VDIVPS, dy, dy, x);
            }
            case RSQRT -> {
                a.op(VSQRTPS, T0, x);
                a.op(VMULPS, x, T0, x);
                a.op(VMULPS, dy, dy, constants.all(-0.5f));
                a.op(VDIVPS, dy, dy, x);
            }
            case RECIPROCAL -> {
                a.op(VMULPS, x, x, x);
                a.op(VPXORD, dy, dy, constants.allBits(SIGN));
                a.op(VDIVPS, dy, dy, x);
            }
            case SQUARE -> {
                a.op(VADDPS, x, x, x);
                a.op(VMULPS, dy, x, dy);
            }
            case ABS -> {
                a.op(VXORPS, T0.x(), T0.x(), T0.x());
                a.op(VMOVUPS, T1, T0);
                a.op(VCMPPS, K, x, T0, GREATER);
                a.op(VBROADCASTSS, T1.merging(K), constants.at(1));
                a.op(VCMPPS, K, x, T0, LESS);
                a.op(VBROADCASTSS, T1.merging(K), constants.at(-1));
                a.op(VCMPPS, K, x, x, UNORDERED);
                a.op(VMOVUPS, T1.merging(K), x); // the sign of NaN is NaN
                a.op(VMULPS, dy, T1, dy);
            }
            case RELU -> {
                a.op(VCMPPS, K, x, constants.all(0), GREATER);
                a.op(VMOVUPS, dy.zeroing(K), dy);
            }
            case SIGMOID -> bell(x, 1, dy);
            case TANH -> {
                a.op(VADDPS, x, x, x);
                bell(x, 4, dy);
            }
            case GELU -> geluGradient(x, dy);
            case GELU_TANH -> {
                geluArgument(T2, x);
                sigmoids(T2, x);
                a.op(VMULPS, T0, x, x);
                load(T1, GELU_LINEAR);
                a.op(VFMADD231PS, T1, T0, constants.all(3 * GELU_CUBIC));
                a.op(VMULPS, x, T1, x);
                timesSlope(x, dy);
            }
            case SILU -> {
                sigmoids(x, x);
                timesSlope(x, dy);
            }
        }
    }

    /** dy = dy factor e / (1 + e)^2 with e = e^-|x|. */
    private void bell(Vec x, float factor, Vec dy) {
        expOfMinusAbs(T2, x);
        a.op(VADDPS, T3, T2, constants.all(1));
        a.op(VMULPS, T2, T2, constants.all(factor));
        a.op(VMULPS, T3, T3, T3);
        a.op(VDIVPS, T2, T2, T3);
        a.op(VMULPS, dy, T2, dy);
    }

    /** s = sigmoid(u) to T4 and s (1 - s) to T2, by e^-|u|; u, which may be T2, has the sign of x. */
    private void sigmoids(Vec u, Vec x) {
        expOfMinusAbs(T2, u);
        a.op(VADDPS, T3, T2, constants.all(1));
        load(T4, 1);
        a.op(VDIVPS, T4, T4, T3);
        a.op(VMULPS, T3, T2, T4);
        a.op(VMULPS, T2, T3, T4);
        whereNegative(x);
        a.op(VMOVUPS, T4.merging(K), T3);
    }

    /** dy = dy (s + v s (1 - s)), after {@link #sigmoids}. */
    private void timesSlope(Vec v, Vec dy) {
        a.op(VFMADD213PS, T2, v, T4);
        a.op(VMULPS, dy, T2, dy);
    }

    /** The distribution function plus x times the density. */
    private void geluGradient(Vec x, Vec dy) {
        normalCdf(T4, x);
        a.op(VMULPS, T4, T4, dy);
        a.op(VMULPS, T3, x, dy);
        a.op(VMULPS, T3, T3, constants.all(INV_SQRT_2PI));
        a.op(VMULPS, x, x, x);
        a.op(VMULPS, x, x, constants.all(-0.5f));
        expToNormal(x);
        a.op(VMOVUPS, dy, T4);
        a.op(VFMADD231PS, dy, x, T3);
    }

    private void log(Vec x) {
        a.op(VMOVUPS, T0, x);
        a.op(VCMPPS, K, x, constants.all(Float.MIN_NORMAL), LESS);
        a.op(VMULPS, T0.merging(K), x, constants.all(0x1p23f));
        a.op(VPSUBD, T1, T0, constants.allBits(0x3f3504f3)); // sqrt(1/2)
        a.op(VPSRAD, T2, T1, 23);
        a.op(VCVTDQ2PS, T2, T2);
        a.op(VSUBPS, T2.merging(K), T2, constants.all(23)); // k
        a.op(VPANDD, T1, T1, constants.allBits(EXPONENT));
        a.op(VPSUBD, T0, T0, T1);
        a.op(VSUBPS, T0, T0, constants.all(1)); // f
        polynomial(T1, T0, LN);
        a.op(VMULPS, T1, T1, T0);
        a.op(VMULPS, T3, T0, T0);
        a.op(VMULPS, T4, T2, constants.all(LN2_LOW));
        a.op(VFMADD231PS, T4, T1, T3);
        a.op(VFMADD231PS, T4, T3, constants.all(-0.5f));
        a.op(VADDPS, T0, T0, T4);
        a.op(VFMADD231PS, T0, T2, constants.all(LN2_HIGH)); // ln x, where x is positive and finite
        a.op(VCMPPS, K, x, constants.all(0), EQUAL);
        a.op(VBROADCASTSS, T0.merging(K), constants.at(Float.NEGATIVE_INFINITY));
        whereNegative(x);
        a.op(VBROADCASTSS, T0.merging(K), constants.at(Float.NaN));
        a.op(VCMPPS, K, x, constants.all(Float.POSITIVE_INFINITY), LESS);
        a.op(VMOVUPS, x.merging(K), T0); // +inf and NaN are their own logarithms
    }
}
