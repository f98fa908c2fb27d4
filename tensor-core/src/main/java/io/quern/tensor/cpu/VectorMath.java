package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
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
 * Functions of whole blocks of floats, in place. A block is a stretch of a heap array that fits the first-level cache
 * and is a whole number of vectors long; callers pad. The same bits come out on every machine, in the interpreter and
 * after compilation (the Vector API's own {@code lanewise(EXP)} does not promise that), and NaN stays NaN.
 *
 * <p>Errors are the largest measured over the whole range, in units in the last place of the exact result. Polynomials
 * are minimax fits (Remez) made for this class.
 *
 * <p>Each function is one loop that calls nothing but the JDK's vectors, so the core of exp stands here three times.
 * Functions of single vectors, composed in the callers' loops, were tried: C2 does not inline a method above 325
 * bytecodes, nor one that it has already compiled by itself, nor any once it has inlined some 8000 bytecodes, and then
 * boxes every vector. Depending on the order of compilation that was up to thirty times slower. Constants are floats:
 * vectors in static fields were loaded again for every use, which took twice as long.
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

    /** x = e^x, error below 0.9 ulp; right to the last subnormal number, infinite from 88.73 on. */
    static void exp(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            v = v.blend(EXP_LEAST, v.compare(LT, EXP_LEAST));
            v = v.blend(EXP_MOST, v.compare(GT, EXP_MOST));
            FloatVector t = v.fma(broadcast(F, LOG2_E), broadcast(F, ROUND));
            FloatVector k = t.sub(ROUND);
            FloatVector r = k.fma(broadcast(F, -LN2_LOW), k.fma(broadcast(F, -LN2_HIGH), v));
            FloatVector p = broadcast(F, E6).fma(r, broadcast(F, E5));
            p = p.fma(r, broadcast(F, E4));
            p = p.fma(r, broadcast(F, E3));
            p = p.fma(r, broadcast(F, E2));
            p = p.fma(r, broadcast(F, 1f));
            p = p.fma(r, broadcast(F, 1f));
            // 2^k may be out of range where the result is not: multiply by 2^(k / 2) and by 2^(k - k / 2).
            IntVector bits = t.reinterpretAsInts();
            IntVector half = bits.lanewise(LSHL, 22).and(EXPONENT_BITS);
            IntVector rest = bits.lanewise(LSHL, 23).sub(half).add(UNIT_BITS);
            p.mul(half.add(UNIT_BITS).reinterpretAsFloats())
                    .mul(rest.reinterpretAsFloats())
                    .intoArray(x, i);
        }
    }

    /**
     * x = e^(x - shift), of which it returns the sum. The difference may be up to 88; error below 0.9 ulp of e to its
     * power, but 0 where the result would be subnormal (below -87.33). For softmax, with the largest as shift.
     */
    static float expSum(float[] x, int at, int n, float shift) {
        FloatVector sum = FloatVector.zero(F);
        for (int i = at; i < at + n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i).sub(shift);
            FloatVector t = v.fma(broadcast(F, LOG2_E), broadcast(F, ROUND));
            FloatVector k = t.sub(ROUND);
            FloatVector r = k.fma(broadcast(F, -LN2_LOW), k.fma(broadcast(F, -LN2_HIGH), v));
            FloatVector p = broadcast(F, E6).fma(r, broadcast(F, E5));
            p = p.fma(r, broadcast(F, E4));
            p = p.fma(r, broadcast(F, E3));
            p = p.fma(r, broadcast(F, E2));
            p = p.fma(r, broadcast(F, 1f));
            p = p.fma(r, broadcast(F, 1f));
            IntVector power = t.reinterpretAsInts().lanewise(LSHL, 23).add(UNIT_BITS);
            p = p.mul(power.reinterpretAsFloats()).blend(0f, v.compare(LT, EXP_NORMAL));
            p.intoArray(x, i);
            sum = sum.add(p);
        }
        return Lanes.sum(sum);
    }

    /** x = 1 / (1 + e^-x), error below 2.5 ulp. The scratch array is as long. */
    static void sigmoid(float[] x, float[] scratch, int n) {
        expOfMinusAbs(x, 1, scratch, n);
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector e = FloatVector.fromArray(F, scratch, i);
            broadcast(F, 1f).blend(e, v.compare(LT, 0f)).div(e.add(1f)).intoArray(x, i);
        }
    }

    /** y = e^-|factor * x|. */
    static void expOfMinusAbs(float[] x, float factor, float[] y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector.fromArray(F, x, i).mul(factor).abs().neg().intoArray(y, i);
        }
        exp(y, n);
    }

    private static final float TANH_MOST = 10;

    /** x = tanh x; tanh |x| = (e^2|x| - 1) / (e^2|x| + 1), without cancellation near 0; error below 3.5 ulp. */
    static void tanh(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            FloatVector a = v.abs();
            a = a.blend(TANH_MOST, a.compare(GT, TANH_MOST));
            FloatVector u = a.add(a);
            FloatVector t = u.fma(broadcast(F, LOG2_E), broadcast(F, ROUND));
            FloatVector k = t.sub(ROUND);
            FloatVector r = k.fma(broadcast(F, -LN2_LOW), k.fma(broadcast(F, -LN2_HIGH), u));
            FloatVector small = broadcast(F, E6).fma(r, broadcast(F, E5));
            small = small.fma(r, broadcast(F, E4));
            small = small.fma(r, broadcast(F, E3));
            small = small.fma(r, broadcast(F, E2));
            small = small.fma(r, broadcast(F, 1f));
            small = small.mul(r); // e^r - 1
            FloatVector power =
                    t.reinterpretAsInts().lanewise(LSHL, 23).add(UNIT_BITS).reinterpretAsFloats();
            FloatVector less = power.fma(small, power.sub(1f)); // e^2|x| - 1
            IntVector sign = v.reinterpretAsInts().and(SIGN_BIT);
            less.div(less.add(2f))
                    .reinterpretAsInts()
                    .or(sign)
                    .reinterpretAsFloats()
                    .intoArray(x, i);
        }
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

    /**
     * y = the distribution function of the standard normal, (1 + erf(x / sqrt 2)) / 2, error below 1.1 ulp for x > -1.
     * Computed from the complement for negative x, so that it keeps 5 digits down to x = -7.7, where 1 + erf has none.
     */
    static void normalCdf(float[] x, float[] y, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector a = FloatVector.fromArray(F, x, i).mul(SQRT_HALF).abs();
            FloatVector p = broadcast(F, H8).fma(a, broadcast(F, H7));
            p = p.fma(a, broadcast(F, H6));
            p = p.fma(a, broadcast(F, H5));
            p = p.fma(a, broadcast(F, H4));
            p = p.fma(a, broadcast(F, H3));
            p = p.fma(a, broadcast(F, H2));
            p = p.fma(a, broadcast(F, H1));
            p = p.fma(a, broadcast(F, H0));
            p.blend(VANISHING, a.compare(GT, ERFC_MOST)).intoArray(y, i);
        }
        expSum(y, 0, n, 0); // erfc, where it is not near 1
        for (int i = 0; i < n; i += L) {
            FloatVector z = FloatVector.fromArray(F, x, i).mul(SQRT_HALF);
            FloatVector tail = FloatVector.fromArray(F, y, i).mul(0.5f);
            tail = tail.blend(broadcast(F, 1f).sub(tail), z.compare(GT, 0f));
            FloatVector s = z.mul(z);
            FloatVector p = broadcast(F, G5).fma(s, broadcast(F, G4));
            p = p.fma(s, broadcast(F, G3));
            p = p.fma(s, broadcast(F, G2));
            p = p.fma(s, broadcast(F, G1));
            p = p.fma(s, broadcast(F, G0));
            p = p.fma(z, z).fma(broadcast(F, 0.5f), broadcast(F, 0.5f));
            p.blend(tail, z.abs().compare(GT, ERF_SPLIT)).intoArray(y, i);
        }
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

    /** x = ln x, error below 0.9 ulp: -inf at 0, NaN below, right for subnormal numbers. */
    static void log(float[] x, int n) {
        for (int i = 0; i < n; i += L) {
            FloatVector v = FloatVector.fromArray(F, x, i);
            VectorMask<Float> tiny = v.compare(LT, Float.MIN_NORMAL);
            IntVector bits = v.blend(v.mul(TO_NORMAL), tiny).reinterpretAsInts();
            // Split off the power of two that leaves a fraction from sqrt(1/2) to sqrt(2).
            IntVector above = bits.sub(SQRT_HALF_BITS);
            FloatVector k = (FloatVector) above.lanewise(ASHR, 23).convert(I2F, 0);
            k = k.blend(k.sub(TO_NORMAL_LOG2), tiny);
            FloatVector f =
                    bits.sub(above.and(EXPONENT_BITS)).reinterpretAsFloats().sub(1f);
            FloatVector p = broadcast(F, L8).fma(f, broadcast(F, L7));
            p = p.fma(f, broadcast(F, L6));
            p = p.fma(f, broadcast(F, L5));
            p = p.fma(f, broadcast(F, L4));
            p = p.fma(f, broadcast(F, L3));
            p = p.fma(f, broadcast(F, L2));
            p = p.fma(f, broadcast(F, L1));
            p = p.fma(f, broadcast(F, L0));
            FloatVector square = f.mul(f);
            FloatVector tail = p.mul(f).fma(square, k.mul(LN2_LOW));
            tail = square.fma(broadcast(F, -0.5f), tail);
            FloatVector y = k.fma(broadcast(F, LN2_HIGH), f.add(tail));
            y = y.blend(Float.NEGATIVE_INFINITY, v.compare(EQ, 0f)).blend(Float.NaN, v.compare(LT, 0f));
            // +inf and NaN are their own logarithms
            y.blend(v, v.compare(LT, Float.POSITIVE_INFINITY).not()).intoArray(x, i);
        }
    }
}
