package io.quern.tensor;

import java.util.Arrays;

/**
 * The dimensions of a tensor, outermost first. Immutable. A scalar has rank 0 and one element; a dimension of 0 makes
 * an empty tensor. The number of elements is at most {@link Integer#MAX_VALUE} per dimension and {@link Long#MAX_VALUE}
 * in all.
 */
public final class Shape {
    private static final Shape SCALAR = new Shape();

    private final int[] dims;
    private final long size;

    private Shape(int... dims) {
        long n = 1;
        for (int d : dims) {
            if (d < 0) {
                throw new TensorException("shape " + Arrays.toString(dims) + ": a dimension cannot be negative");
            }
            n = Math.multiplyExact(n, (long) d);
        }
        this.dims = dims;
        this.size = n;
    }

    public static Shape of(int... dims) {
        return dims.length == 0 ? SCALAR : new Shape(dims.clone());
    }

    /** Number of dimensions. */
    public int rank() {
        return dims.length;
    }

    /** Number of elements. */
    public long size() {
        return size;
    }

    /** Dimension {@code i}; negative counts from the end, so {@code dim(-1)} is the innermost. */
    public int dim(int i) {
        return dims[axis(i)];
    }

    /** The non-negative form of an axis. */
    public int axis(int i) {
        int axis = i < 0 ? i + dims.length : i;
        if (axis < 0 || axis >= dims.length) {
            throw new TensorException("axis " + i + " is out of range for shape " + this);
        }
        return axis;
    }

    /** A copy of the dimensions. */
    public int[] dims() {
        return dims.clone();
    }

    /** This shape with dimension {@code i} (negative counts from the end) replaced. */
    public Shape with(int i, int dim) {
        int[] d = dims.clone();
        d[axis(i)] = dim;
        return new Shape(d);
    }

    /** Strides, in elements, of a packed row-major tensor of this shape. */
    public long[] strides() {
        long[] s = new long[dims.length];
        long n = 1;
        for (int i = dims.length - 1; i >= 0; i--) {
            s[i] = n;
            n *= Math.max(1, dims[i]);
        }
        return s;
    }

    @Override
    public boolean equals(Object o) {
        return o instanceof Shape s && Arrays.equals(dims, s.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    /** As in {@code [2, 3]}. */
    @Override
    public String toString() {
        return Arrays.toString(dims);
    }
}
