package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static jdk.incubator.vector.FloatVector.broadcast;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.I2F;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;

/**
 * Functions of vectors of floats. The same bits come out on every machine, in the interpreter and after compilation
 * (the Vector API's own {@code lanewise(EXP)} does not promise that), and NaN stays NaN.
 *
 * <p>Errors are the largest measured over the whole range, in units in the last place of the exact result. Polynomials
 * are minimax fits (Remez) made for this class.
 *
 * <p>C2 stops inlining a caller's own methods once it has inlined some 8000 bytecodes, and each vector operation costs
 * about a hundred; a vector that is then passed to a method is boxed, ten times slower. So a loop calls one of these
 * functions before anything else that is not the JDK's. Constants are floats: vectors in static fields were tried, and
 * were loaded again for every use, which took twice as long.
 */
final class VectorMath {

    /** The bits of 1f. */
    private static final int UNIT_BITS = 0x3F800000;

    private static final int SIGN_BIT = 0x80000000;
    private static final int EXPONENT_BITS = 0xFF800000;

    /** Adding 1.5 * 2^23 leaves the nearest integer in the low bits of the sum. */
    private static final float ROUND = 0x1.8p23f;

    private static final float LOG2_E = 1.44269504f;

    // ln 2 in two parts
    private static final float LN2_HIGH = 0.693147182f;
    private static final float LN2_LOW = -1.90465430e-9f;

    private static final float EXP_LEAST = -105;
    private static final float EXP_MOST = 90;
    private static final float EXP_NORMAL = -87.33f;

    // e^r = 1 + r + r^2 (E2 + E3 r + ...) for |r| <= ln(2) / 2, relative error 3.1e-9
    private static final float E2 = 0.49999993433f;
    private static final float E3 = 0.16666520397f;
    private static final float E4 = 0.04166839063f;
    private static final float E5 = 0.00836874526f;
    private static final float E6 = 0.00138145488f;

    private VectorMath() {}

    /** e^x, error below 0.9 ulp; right to the last subnormal number, infinite from 88.73 on. */
    static FloatVector exp(FloatVector x) {
        FloatVector c = x.blend(EXP_LEAST, x.compare(LT, EXP_LEAST));
        c = c.blend(EXP_MOST, c.compare(GT, EXP_MOST));
        FloatVector t = c.fma(broadcast(F, LOG2_E), broadcast(F, ROUND));
        FloatVector n = t.sub(ROUND);
        FloatVector r = n.fma(broadcast(F, -LN2_LOW), n.fma(broadcast(F, -LN2_HIGH), c));
        FloatVector p = broadcast(F, E6).fma(r, broadcast(F, E5));
        p = p.fma(r, broadcast(F, E4));
        p = p.fma(r, broadcast(F, E3));
        p = p.fma(r, broadcast(F, E2));
        p = p.fma(r, broadcast(F, 1f));
        p = p.fma(r, broadcast(F, 1f));
        // 2^n may be out of range where the result is not: multiply by 2^(n / 2) and by 2^(n - n / 2).
        IntVector bits = t.reinterpretAsInts();
        IntVector half = bits.lanewise(LSHL, 22).and(EXPONENT_BITS);
        IntVector rest = bits.lanewise(LSHL, 23).sub(half).add(UNIT_BITS);
        return p.mul(half.add(UNIT_BITS).reinterpretAsFloats()).mul(rest.reinterpretAsFloats());
    }

    /**
     * e^x for x up to 88, error below 0.9 ulp, but 0 where the result would be subnormal (x below -87.33). For sums of
     * exponentials of differences from their largest.
     */
    static FloatVector expBounded(FloatVector x) {
        FloatVector t = x.fma(broadcast(F, LOG2_E), broadcast(F, ROUND));
        FloatVector n = t.sub(ROUND);
        FloatVector r = n.fma(broadcast(F, -LN2_LOW), n.fma(broadcast(F, -LN2_HIGH), x));
        FloatVector p = broadcast(F, E6).fma(r, broadcast(F, E5));
        p = p.fma(r, broadcast(F, E4));
        p = p.fma(r, broadcast(F, E3));
        p = p.fma(r, broadcast(F, E2));
        p = p.fma(r, broadcast(F, 1f));
        p = p.fma(r, broadcast(F, 1f));
        IntVector power = t.reinterpretAsInts().lanewise(LSHL, 23).add(UNIT_BITS);
        return p.mul(power.reinterpretAsFloats()).blend(0f, x.compare(LT, EXP_NORMAL));
    }

    /** 1 / (1 + e^-x), error below 2.5 ulp. */
    static FloatVector sigmoid(FloatVector x) {
        FloatVector e = exp(x.reinterpretAsInts().or(SIGN_BIT).reinterpretAsFloats());
        return broadcast(F, 1f).blend(e, x.compare(LT, 0f)).div(e.add(1f));
    }

    private static final float TANH_MOST = 10;

    /** tanh |x| = (e^2|x| - 1) / (e^2|x| + 1), without cancellation near 0; error below 3.5 ulp. */
    static FloatVector tanh(FloatVector x) {
        FloatVector a = x.abs();
        a = a.blend(TANH_MOST, a.compare(GT, TANH_MOST));
        FloatVector u = a.add(a);
        FloatVector t = u.fma(broadcast(F, LOG2_E), broadcast(F, ROUND));
        FloatVector n = t.sub(ROUND);
        FloatVector r = n.fma(broadcast(F, -LN2_LOW), n.fma(broadcast(F, -LN2_HIGH), u));
        FloatVector small = broadcast(F, E6).fma(r, broadcast(F, E5));
        small = small.fma(r, broadcast(F, E4));
        small = small.fma(r, broadcast(F, E3));
        small = small.fma(r, broadcast(F, E2));
        small = small.fma(r, broadcast(F, 1f));
        small = small.mul(r); // e^r - 1
        FloatVector power =
                t.reinterpretAsInts().lanewise(LSHL, 23).add(UNIT_BITS).reinterpretAsFloats();
        FloatVector less = power.fma(small, power.sub(1f)); // e^2|x| - 1
        return withSign(less.div(less.add(2f)), x);
    }

    // erf x = x + x (G0 + G1 x^2 + ...) for |x| <= 0.93, error 1.8e-8 of the result
    private static final float G0 = 0.128379147691f;
    private static final float G1 = -0.376124811012f;
    private static final float G2 = 0.112816825496f;
    private static final float G3 = -0.0267617200953f;
    private static final float G4 = 0.00498594084282f;
    private static final float G5 = -0.000595374259923f;

    // ln erfc x = H0 + H1 x + ... for 0.92 <= x <= 5.5; errs by 1.3e-8 of erf x, and by 1.3e-6 of erfc x where that is
    // small
    private static final float H0 = -3.73221386404e-05f;
    private static final float H1 = -1.12871732067f;
    private static final float H2 = -0.6345036111f;
    private static final float H3 = -0.107512635752f;
    private static final float H4 = 0.0249589057988f;
    private static final float H5 = -0.00425195325594f;
    private static final float H6 = 0.000491502536079f;
    private static final float H7 = -3.40723574557e-05f;
    private static final float H8 = 1.06142414299e-06f;

    private static final float ERF_SPLIT = 0.925f;
    private static final float ERFC_MOST = 9;
    private static final float VANISHING = -100;
    private static final float SQRT_HALF = 0.707106781f;

    /** The error function, error below 1.3 ulp. */
    static FloatVector erf(FloatVector x) {
        FloatVector a = x.abs();
        FloatVector large = withSign(broadcast(F, 1f).sub(erfcLarge(a)), x);
        FloatVector s = x.mul(x);
        FloatVector p = broadcast(F, G5).fma(s, broadcast(F, G4));
        p = p.fma(s, broadcast(F, G3));
        p = p.fma(s, broadcast(F, G2));
        p = p.fma(s, broadcast(F, G1));
        p = p.fma(s, broadcast(F, G0));
        return p.fma(x, x).blend(large, a.compare(GT, ERF_SPLIT));
    }

    /**
     * The distribution function of the standard normal, (1 + erf(x / sqrt 2)) / 2. Computed from the complement for
     * negative x, so that it keeps 5 digits down to x = -7.7, where 1 + erf has none.
     */
    static FloatVector normalCdf(FloatVector x) {
        FloatVector z = x.mul(SQRT_HALF);
        FloatVector a = z.abs();
        FloatVector tail = erfcLarge(a).mul(0.5f);
        FloatVector s = z.mul(z);
        FloatVector p = broadcast(F, G5).fma(s, broadcast(F, G4));
        p = p.fma(s, broadcast(F, G3));
        p = p.fma(s, broadcast(F, G2));
        p = p.fma(s, broadcast(F, G1));
        p = p.fma(s, broadcast(F, G0));
        p = p.fma(z, z);
        tail = tail.blend(broadcast(F, 1f).sub(tail), x.compare(GT, 0f));
        return p.fma(broadcast(F, 0.5f), broadcast(F, 0.5f)).blend(tail, a.compare(GT, ERF_SPLIT));
    }

    /** 1 - erf a for a of 0.92 or more. */
    private static FloatVector erfcLarge(FloatVector a) {
        FloatVector p = broadcast(F, H8).fma(a, broadcast(F, H7));
        p = p.fma(a, broadcast(F, H6));
        p = p.fma(a, broadcast(F, H5));
        p = p.fma(a, broadcast(F, H4));
        p = p.fma(a, broadcast(F, H3));
        p = p.fma(a, broadcast(F, H2));
        p = p.fma(a, broadcast(F, H1));
        p = p.fma(a, broadcast(F, H0));
        return expBounded(p.blend(VANISHING, a.compare(GT, ERFC_MOST)));
    }

    // ln(1 + f) = f - f^2 / 2 + f^3 (L0 + L1 f + ...) for sqrt(1/2) <= 1 + f <= sqrt 2, relative error 7.6e-10
    private static final float L0 = 0.33333312541f;
    private static final float L1 = -0.25000009512f;
    private static final float L2 = 0.20002123456f;
    private static final float L3 = -0.16668005193f;
    private static final float L4 = 0.14219453112f;
    private static final float L5 = -0.12405339963f;
    private static final float L6 = 0.11888696252f;
    private static final float L7 = -0.11677516458f;
    private static final float L8 = 0.06747732524f;

    private static final float TO_NORMAL = 0x1p23f;
    private static final float TO_NORMAL_LOG2 = 23;
    private static final int SQRT_HALF_BITS = 0x3F3504F3;

    /** The natural logarithm, error below 0.9 ulp: -inf at 0, NaN below, right for subnormal numbers. */
    static FloatVector log(FloatVector x) {
        VectorMask<Float> tiny = x.compare(LT, Float.MIN_NORMAL);
        IntVector bits = x.blend(x.mul(TO_NORMAL), tiny).reinterpretAsInts();
        // Split off the power of two that leaves a fraction from sqrt(1/2) to sqrt(2).
        IntVector above = bits.sub(SQRT_HALF_BITS);
        FloatVector n = (FloatVector) above.lanewise(ASHR, 23).convert(I2F, 0);
        n = n.blend(n.sub(TO_NORMAL_LOG2), tiny);
        FloatVector f = bits.sub(above.and(EXPONENT_BITS)).reinterpretAsFloats().sub(1f);
        FloatVector p = broadcast(F, L8).fma(f, broadcast(F, L7));
        p = p.fma(f, broadcast(F, L6));
        p = p.fma(f, broadcast(F, L5));
        p = p.fma(f, broadcast(F, L4));
        p = p.fma(f, broadcast(F, L3));
        p = p.fma(f, broadcast(F, L2));
        p = p.fma(f, broadcast(F, L1));
        p = p.fma(f, broadcast(F, L0));
        FloatVector square = f.mul(f);
        FloatVector tail = p.mul(f).fma(square, n.mul(LN2_LOW));
        tail = square.fma(broadcast(F, -0.5f), tail);
        FloatVector y = n.fma(broadcast(F, LN2_HIGH), f.add(tail));
        y = y.blend(Float.NEGATIVE_INFINITY, x.compare(EQ, 0f)).blend(Float.NaN, x.compare(LT, 0f));
        return y.blend(x, x.compare(LT, Float.POSITIVE_INFINITY).not()); // +inf and NaN are their own logarithms
    }

    private static FloatVector withSign(FloatVector positive, FloatVector sign) {
        return positive.reinterpretAsInts()
                .or(sign.reinterpretAsInts().and(SIGN_BIT))
                .reinterpretAsFloats();
    }
}
