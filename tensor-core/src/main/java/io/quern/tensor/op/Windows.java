package io.quern.tensor.op;

import io.quern.tensor.TensorException;

/** The parts of one axis over which pooling goes; window i is [{@link #start}, {@link #end}), clipped to the axis. */
public sealed interface Windows {
    /** Length of the axis. */
    int size();

    /** Number of windows. */
    int count();

    /** First index of window i. */
    int start(int i);

    /** Past the last index of window i. */
    int end(int i);

    /** By how much a mean over window i divides. */
    int divisor(int i);

    /** The longest window. */
    int longest();

    /**
     * Windows of equal length at equal distances; those that stick out beyond the padding are left out.
     *
     * @param countPadding whether a mean counts the zeros of the padding
     */
    record Sliding(int size, int kernel, int stride, int padding, boolean countPadding) implements Windows {
        public Sliding {
            if (kernel < 1 || stride < 1 || padding < 0 || padding > kernel / 2) {
                throw new TensorException("pooling: kernel and stride must be 1 or more, the padding at most half the"
                        + " kernel; got kernel " + kernel + ", stride " + stride + ", padding " + padding);
            }
            if (size + 2L * padding < kernel) {
                throw new TensorException("pooling: the window " + kernel + " is larger than the axis of " + size
                        + " with padding " + padding);
            }
        }

        @Override
        public int count() {
            return Math.toIntExact((size + 2L * padding - kernel) / stride + 1);
        }

        @Override
        public int start(int i) {
            return Math.max(0, i * stride - padding);
        }

        @Override
        public int end(int i) {
            return Math.min(size, i * stride - padding + kernel);
        }

        @Override
        public int divisor(int i) {
            return countPadding ? kernel : end(i) - start(i);
        }

        @Override
        public int longest() {
            return kernel;
        }
    }

    /** A given number of windows that together cover the axis: [floor(i * size / count), ceil((i + 1) * size / count)). */
    record Adaptive(int size, int count) implements Windows {
        public Adaptive {
            if (size < 1 || count < 1) {
                throw new TensorException(
                        "pooling: axis and number of windows must be 1 or more; got " + size + " and " + count);
            }
        }

        @Override
        public int start(int i) {
            return (int) ((long) i * size / count);
        }

        @Override
        public int end(int i) {
            return (int) (((long) (i + 1) * size + count - 1) / count);
        }

        @Override
        public int divisor(int i) {
            return end(i) - start(i);
        }

        @Override
        public int longest() {
            return size / count + 2;
        }
    }
}
