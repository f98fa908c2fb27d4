package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.function.DoubleSupplier;

/** Draws the operands of a case: equal seeds give equal numbers on every device, rounded to the dtype. */
public final class Draw {
    private final Rng rng;
    private final DType dtype;
    private final Device device;

    public Draw(long seed, DType dtype, Device device) {
        this.rng = new Rng(seed);
        this.dtype = dtype;
        this.device = device;
    }

    /** What the case runs in. */
    public DType dtype() {
        return dtype;
    }

    /** F64 for F64, else F32: the dtype of what operations keep about rows. */
    public DType statistics() {
        return dtype == DType.F64 ? DType.F64 : DType.F32;
    }

    /** Standard normal numbers; whole numbers from -9 to 9 in I32. */
    public Tensor normal(int... dims) {
        return draw(dtype, dims, () -> dtype == DType.I32 ? rng.nextInt(19) - 9 : rng.nextGaussian());
    }

    /** Numbers of 1/2 and more, at most about 4; whole numbers from 1 to 9 in I32. */
    public Tensor positive(int... dims) {
        return draw(dtype, dims, () -> dtype == DType.I32 ? 1 + rng.nextInt(9) : 0.5 + Math.abs(rng.nextGaussian()));
    }

    /** Whole numbers from -2 to 2, so that many are equal. */
    public Tensor coarse(int... dims) {
        return draw(dtype, dims, () -> rng.nextInt(5) - 2);
    }

    /** Normal numbers of another dtype. */
    public Tensor normal(DType other, int... dims) {
        return draw(other, dims, () -> other == DType.I32 ? rng.nextInt(19) - 9 : rng.nextGaussian());
    }

    /** Normal numbers of size 1/4 in a quantised dtype: sums over its long blocks then stay near 1. */
    public Tensor quantized(DType type, int... dims) {
        float[] x = new float[Math.toIntExact(Shape.of(dims).size())];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) rng.nextGaussian() / 4;
        }
        try (Tensor wide = Tensor.of(x, dims)) {
            return wide.cast(type).to(device);
        }
    }

    /** I32 numbers in [0, bound). */
    public Tensor ints(int bound, int... dims) {
        return draw(DType.I32, dims, () -> rng.nextInt(bound));
    }

    /** The given numbers in the dtype of the case. */
    public Tensor values(int[] dims, double... values) {
        int[] at = new int[1];
        return draw(dtype, dims, () -> values[at[0]++]);
    }

    /** The given I32 numbers. */
    public Tensor ints(int[] dims, int... values) {
        int[] at = new int[1];
        return draw(DType.I32, dims, () -> values[at[0]++]);
    }

    private Tensor draw(DType as, int[] dims, DoubleSupplier next) {
        Shape shape = Shape.of(dims);
        double[] x = new double[Math.toIntExact(shape.size())];
        for (int i = 0; i < x.length; i++) {
            x[i] = next.getAsDouble();
        }
        return Tensor.from(device, as, shape, encode(as, x));
    }

    /** The numbers in a dtype's own bytes; 16-bit ones by way of float32, which is near enough for random numbers. */
    private static MemorySegment encode(DType dtype, double[] x) {
        float[] floats = new float[x.length];
        int[] ints = new int[x.length];
        short[] halves = new short[x.length];
        for (int i = 0; i < x.length; i++) {
            floats[i] = (float) x[i];
            ints[i] = (int) x[i];
            int bits = Float.floatToRawIntBits(floats[i]);
            halves[i] = dtype == DType.F16
                    ? Float.floatToFloat16(floats[i])
                    : (short) ((bits + 0x7FFF + (bits >>> 16 & 1)) >>> 16);
        }
        return switch (dtype) {
            case F32 -> MemorySegment.ofArray(floats);
            case F64 -> MemorySegment.ofArray(x);
            case BF16, F16 -> MemorySegment.ofArray(halves);
            case I32 -> MemorySegment.ofArray(ints);
            case Q8_0, Q4_0, Q4_K, Q6_K -> throw new IllegalArgumentException("drawn by quantized()");
        };
    }
}
