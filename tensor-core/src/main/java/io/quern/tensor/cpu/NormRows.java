package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/** The loops of {@link NormKernels} over one row of C elements. */
final class NormRows {
    private NormRows() {}

    /** y = (x - mean) * rstd * weight + bias. */
    static void layer(long x, float mean, float rstd, long weight, long bias, long y, int c) {
        FloatVector m = FloatVector.broadcast(F, mean);
        FloatVector s = FloatVector.broadcast(F, rstd);
        int i = 0;
        // Four vectors in a round also make the method too long to be inlined: inside long callers, vectors were boxed.
        for (; i <= c - 4 * L; i += 4 * L) {
            FloatVector h0 = load(x + 4L * i).sub(m).mul(s);
            FloatVector y0 = h0.fma(load(weight + 4L * i), load(bias + 4L * i));
            y0.intoMemorySegment(ALL, y + 4L * i, ORDER);
            FloatVector h1 = load(x + 4L * (i + L)).sub(m).mul(s);
            FloatVector y1 = h1.fma(load(weight + 4L * (i + L)), load(bias + 4L * (i + L)));
            y1.intoMemorySegment(ALL, y + 4L * (i + L), ORDER);
            FloatVector h2 = load(x + 4L * (i + 2 * L)).sub(m).mul(s);
            FloatVector y2 = h2.fma(load(weight + 4L * (i + 2 * L)), load(bias + 4L * (i + 2 * L)));
            y2.intoMemorySegment(ALL, y + 4L * (i + 2 * L), ORDER);
            FloatVector h3 = load(x + 4L * (i + 3 * L)).sub(m).mul(s);
            FloatVector y3 = h3.fma(load(weight + 4L * (i + 3 * L)), load(bias + 4L * (i + 3 * L)));
            y3.intoMemorySegment(ALL, y + 4L * (i + 3 * L), ORDER);
        }
        for (; i <= c - L; i += L) {
            FloatVector h = load(x + 4L * i).sub(m).mul(s);
            h.fma(load(weight + 4L * i), load(bias + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < c) {
            VectorMask<Float> some = Lanes.first(c - i);
            FloatVector h = load(x + 4L * i, some).sub(m).mul(s);
            FloatVector v = h.fma(load(weight + 4L * i, some), load(bias + 4L * i, some));
            v.intoMemorySegment(ALL, y + 4L * i, ORDER, some);
        }
    }

    /** y = x * rstd * weight. */
    static void rms(long x, float rstd, long weight, long y, int c) {
        int i = 0;
        for (; i <= c - L; i += L) {
            load(x + 4L * i).mul(rstd).mul(load(weight + 4L * i)).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < c) {
            VectorMask<Float> some = Lanes.first(c - i);
            FloatVector v = load(x + 4L * i, some).mul(rstd).mul(load(weight + 4L * i, some));
            v.intoMemorySegment(ALL, y + 4L * i, ORDER, some);
        }
    }

    /**
     * With h = (x - mean) * rstd and g = weight * dy: dx = rstd * (g - mean(g) - h * mean(g * h)), dWeight += dy * h,
     * dBias += dy.
     */
    static void layerGradient(
            long x, float mean, float rstd, long weight, long dy, long dx, long dWeight, long dBias, int c) {
        FloatVector m = FloatVector.broadcast(F, mean);
        FloatVector s = FloatVector.broadcast(F, rstd);
        FloatVector sumG = FloatVector.zero(F);
        FloatVector sumGH = FloatVector.zero(F);
        int i = 0;
        for (; i <= c - L; i += L) {
            FloatVector d = load(dy + 4L * i);
            FloatVector h = load(x + 4L * i).sub(m).mul(s);
            FloatVector g = d.mul(load(weight + 4L * i));
            sumG = sumG.add(g);
            sumGH = g.fma(h, sumGH);
            d.fma(h, load(dWeight + 4L * i)).intoMemorySegment(ALL, dWeight + 4L * i, ORDER);
            d.add(load(dBias + 4L * i)).intoMemorySegment(ALL, dBias + 4L * i, ORDER);
        }
        if (i < c) {
            VectorMask<Float> some = Lanes.first(c - i);
            FloatVector d = load(dy + 4L * i, some); // zeros beyond the row
            FloatVector h = load(x + 4L * i, some).sub(m).mul(s);
            FloatVector g = d.mul(load(weight + 4L * i, some));
            sumG = sumG.add(g);
            sumGH = sumGH.lanewise(jdk.incubator.vector.VectorOperators.ADD, g.mul(h), some);
            d.fma(h, load(dWeight + 4L * i, some)).intoMemorySegment(ALL, dWeight + 4L * i, ORDER, some);
            d.add(load(dBias + 4L * i, some)).intoMemorySegment(ALL, dBias + 4L * i, ORDER, some);
        }
        layerInput(x, mean, rstd, weight, dy, Lanes.sum(sumG) / c, Lanes.sum(sumGH) / c, dx, c);
    }

    private static void layerInput(
            long x, float mean, float rstd, long weight, long dy, float meanG, float meanGH, long dx, int c) {
        FloatVector m = FloatVector.broadcast(F, mean);
        FloatVector s = FloatVector.broadcast(F, rstd);
        FloatVector minus = FloatVector.broadcast(F, -meanGH);
        int i = 0;
        // As in layer(): too long to be inlined.
        for (; i <= c - 4 * L; i += 4 * L) {
            FloatVector h0 = load(x + 4L * i).sub(m).mul(s);
            FloatVector g0 = load(dy + 4L * i).mul(load(weight + 4L * i)).sub(meanG);
            h0.fma(minus, g0).mul(s).intoMemorySegment(ALL, dx + 4L * i, ORDER);
            FloatVector h1 = load(x + 4L * (i + L)).sub(m).mul(s);
            FloatVector g1 =
                    load(dy + 4L * (i + L)).mul(load(weight + 4L * (i + L))).sub(meanG);
            h1.fma(minus, g1).mul(s).intoMemorySegment(ALL, dx + 4L * (i + L), ORDER);
            FloatVector h2 = load(x + 4L * (i + 2 * L)).sub(m).mul(s);
            FloatVector g2 = load(dy + 4L * (i + 2 * L))
                    .mul(load(weight + 4L * (i + 2 * L)))
                    .sub(meanG);
            h2.fma(minus, g2).mul(s).intoMemorySegment(ALL, dx + 4L * (i + 2 * L), ORDER);
            FloatVector h3 = load(x + 4L * (i + 3 * L)).sub(m).mul(s);
            FloatVector g3 = load(dy + 4L * (i + 3 * L))
                    .mul(load(weight + 4L * (i + 3 * L)))
                    .sub(meanG);
            h3.fma(minus, g3).mul(s).intoMemorySegment(ALL, dx + 4L * (i + 3 * L), ORDER);
        }
        for (; i <= c - L; i += L) {
            FloatVector h = load(x + 4L * i).sub(m).mul(s);
            FloatVector g = load(dy + 4L * i).mul(load(weight + 4L * i)).sub(meanG);
            h.fma(minus, g).mul(s).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
        if (i < c) {
            VectorMask<Float> some = Lanes.first(c - i);
            FloatVector h = load(x + 4L * i, some).sub(m).mul(s);
            FloatVector g =
                    load(dy + 4L * i, some).mul(load(weight + 4L * i, some)).sub(meanG);
            h.fma(minus, g).mul(s).intoMemorySegment(ALL, dx + 4L * i, ORDER, some);
        }
    }

    /** With h = x * rstd and g = weight * dy: dx = rstd * (g - h * mean(g * h)), dWeight += dy * h. */
    static void rmsGradient(long x, float rstd, long weight, long dy, long dx, long dWeight, int c) {
        FloatVector s = FloatVector.broadcast(F, rstd);
        FloatVector sumGH = FloatVector.zero(F);
        int i = 0;
        for (; i <= c - L; i += L) {
            FloatVector d = load(dy + 4L * i);
            FloatVector h = load(x + 4L * i).mul(s);
            sumGH = d.mul(load(weight + 4L * i)).fma(h, sumGH);
            d.fma(h, load(dWeight + 4L * i)).intoMemorySegment(ALL, dWeight + 4L * i, ORDER);
        }
        if (i < c) {
            VectorMask<Float> some = Lanes.first(c - i);
            FloatVector d = load(dy + 4L * i, some); // zeros beyond the row
            FloatVector h = load(x + 4L * i, some).mul(s);
            sumGH = d.mul(load(weight + 4L * i, some)).fma(h, sumGH);
            d.fma(h, load(dWeight + 4L * i, some)).intoMemorySegment(ALL, dWeight + 4L * i, ORDER, some);
        }
        rmsInput(x, rstd, weight, dy, Lanes.sum(sumGH) / c, dx, c);
    }

    private static void rmsInput(long x, float rstd, long weight, long dy, float meanGH, long dx, int c) {
        FloatVector s = FloatVector.broadcast(F, rstd);
        FloatVector minus = FloatVector.broadcast(F, -meanGH);
        int i = 0;
        for (; i <= c - L; i += L) {
            FloatVector h = load(x + 4L * i).mul(s);
            FloatVector g = load(dy + 4L * i).mul(load(weight + 4L * i));
            h.fma(minus, g).mul(s).intoMemorySegment(ALL, dx + 4L * i, ORDER);
        }
        if (i < c) {
            VectorMask<Float> some = Lanes.first(c - i);
            FloatVector h = load(x + 4L * i, some).mul(s);
            FloatVector g = load(dy + 4L * i, some).mul(load(weight + 4L * i, some));
            h.fma(minus, g).mul(s).intoMemorySegment(ALL, dx + 4L * i, ORDER, some);
        }
    }
}
