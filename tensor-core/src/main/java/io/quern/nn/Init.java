package io.quern.nn;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.stream.IntStream;

/**
 * First values of parameters, by path and shape. Random ones have a stream of their own for each path, so they do not
 * depend on the order in which a model makes its parameters, nor on which others it has.
 */
@FunctionalInterface
public interface Init {
    /** The first value of the parameter at {@code path}, F32 on the CPU, born in the current scope. */
    Tensor make(String path, Shape shape);

    /** Normal numbers of mean 0. */
    static Init normal(long seed, double std) {
        return (path, shape) -> draw(shape, seed, Rng.stream(path), std);
    }

    /** Numbers that are equally likely between -bound and bound. */
    static Init uniform(long seed, double bound) {
        return (path, shape) -> {
            float[] x = new float[Math.toIntExact(shape.size())];
            long stream = Rng.stream(path);
            for (int i = 0; i < x.length; i++) {
                double u = ((Rng.bits(seed, stream, i) & 0xFFFFFFFFL) + 0.5) * 0x1p-32;
                x[i] = (float) (bound * (2 * u - 1));
            }
            return Tensor.of(x, shape.dims());
        };
    }

    /** Every element = value. */
    static Init constant(double value) {
        return (path, shape) -> Tensor.full(Device.CPU, DType.F32, shape, value);
    }

    /**
     * GPT-2's scheme: zeros for biases, ones for the weights of norms (the only weights of rank 1), else normal with
     * standard deviation 0.02, which the projections that end in the residual stream ({@code c_proj.weight}) divide by
     * sqrt(2 * layers). Source: Radford et al. (2019), section 2.3; the same as transformers' GPT2 initialisation.
     */
    static Init gpt2(long seed, int layers) {
        Init bias = constant(0);
        Init norm = constant(1);
        Init weight = normal(seed, 0.02);
        Init residual = normal(seed, 0.02 / Math.sqrt(2.0 * layers));
        return (path, shape) -> {
            Init kind;
            if (path.endsWith("bias")) {
                kind = bias;
            } else if (shape.rank() == 1) {
                kind = norm;
            } else {
                kind = path.endsWith("c_proj.weight") ? residual : weight;
            }
            return kind.make(path, shape);
        };
    }

    /** This scheme for the part of a model below {@code prefix}, such as {@code transformer.h.0.}. */
    default Init at(String prefix) {
        return (path, shape) -> make(prefix + path, shape);
    }

    /**
     * Element i is a function of seed, stream and i, so all cores draw at once, each a stretch at a time: a heap array of the
     * whole would stay with the JVM for good. Box-Muller, both of whose results are
     * used, with 32 random bits for each (so no number is beyond 6.7 standard deviations); StrictMath gives the same
     * bits on every machine.
     */
    private static Tensor draw(Shape shape, long seed, long stream, double std) {
        int chunk = 1 << 14;
        Tensor result = Tensor.empty(Device.CPU, DType.F32, shape);
        MemorySegment to = result.data();
        IntStream.range(0, Math.toIntExact((shape.size() + chunk - 1) / chunk))
                .parallel()
                .forEach(c -> {
                    long first = (long) c * chunk;
                    float[] x = new float[(int) Math.min(chunk, shape.size() - first)];
                    for (int i = 0; i < x.length; i += 2) {
                        double u = ((Rng.bits(seed, stream, first + i) & 0xFFFFFFFFL) + 0.5) * 0x1p-32;
                        double angle = 2 * StrictMath.PI * (Rng.bits(seed, stream, first + i + 1) * 0x1p-32);
                        double radius = std * Math.sqrt(-2 * StrictMath.log(u));
                        x[i] = (float) (radius * StrictMath.cos(angle));
                        if (i + 1 < x.length) {
                            x[i + 1] = (float) (radius * StrictMath.sin(angle));
                        }
                    }
                    MemorySegment.copy(x, 0, to, ValueLayout.JAVA_FLOAT, 4 * first, x.length);
                });
        return result;
    }
}
