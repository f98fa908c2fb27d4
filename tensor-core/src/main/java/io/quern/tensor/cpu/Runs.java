package io.quern.tensor.cpu;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;

/**
 * Walks several operands of one shape and different strides in step, as runs along the innermost dimension. Dimensions
 * that all operands can join are joined first, so that packed operands make a single run, and a row broadcast over a
 * matrix makes one run a row.
 */
final class Runs {
    /** Handles one run, or a piece of it. */
    interface Task {
        /** Offsets of its first elements, in elements, an entry an operand; the array is used again afterwards. */
        void run(long[] offsets, int n);
    }

    private final int rank;
    private final int[] dims;
    private final long[][] strides;
    private final long outer;

    private Runs(int rank, int[] dims, long[][] strides) {
        this.rank = rank;
        this.dims = dims;
        this.strides = strides;
        long n = 1;
        for (int i = 0; i < rank - 1; i++) {
            n *= dims[i];
        }
        this.outer = n;
    }

    /** Operands of the given strides, which are left unchanged. */
    static Runs of(Shape shape, long[]... strides) {
        int[] dims = shape.dims();
        int operands = strides.length;
        int[] joined = new int[Math.max(1, dims.length)];
        long[][] s = new long[operands][joined.length];
        int rank = 0;
        for (int i = 0; i < dims.length; i++) {
            if (dims[i] == 1) {
                continue;
            }
            boolean joins = rank > 0 && (long) joined[rank - 1] * dims[i] <= Integer.MAX_VALUE;
            for (int t = 0; joins && t < operands; t++) {
                joins = s[t][rank - 1] == strides[t][i] * dims[i];
            }
            if (!joins) {
                joined[rank++] = 1;
            }
            joined[rank - 1] *= dims[i];
            for (int t = 0; t < operands; t++) {
                s[t][rank - 1] = strides[t][i];
            }
        }
        if (rank == 0) {
            joined[rank++] = 1;
            for (int t = 0; t < operands; t++) {
                s[t][0] = 1;
            }
        }
        return new Runs(rank, joined, s);
    }

    /** Strides with which a tensor is read as if it had the shape {@code to}, to which it broadcasts. */
    static long[] broadcast(Tensor t, Shape to) {
        long[] own = t.strides();
        long[] s = new long[to.rank()];
        int extra = s.length - own.length;
        for (int i = extra; i < s.length; i++) {
            s[i] = t.shape().dim(i - extra) == 1 ? 0 : own[i - extra];
        }
        return s;
    }

    /** Dimensions after joining. */
    int rank() {
        return rank;
    }

    int dim(int i) {
        return dims[i];
    }

    long stride(int operand, int i) {
        return strides[operand][i];
    }

    /** Elements of a run. */
    int inner() {
        return dims[rank - 1];
    }

    /** Distance of the elements of a run of an operand. */
    long innerStride(int operand) {
        return strides[operand][rank - 1];
    }

    /** Number of runs. */
    long outer() {
        return outer;
    }

    /** Handles all runs, several at once, in tasks of some {@code chunk} elements; longer runs come in pieces of it. */
    void parallel(int chunk, Task task) {
        int n = inner();
        if (outer == 0 || n == 0) {
            return;
        }
        if (n <= chunk) {
            Workers.ranges(outer, Math.max(1, chunk / n), (from, to) -> walk(from, to, task));
            return;
        }
        int pieces = (n + chunk - 1) / chunk;
        Workers.parallelFor(Math.toIntExact(outer * pieces), t -> {
            long[] offsets = offsets(t / pieces);
            long first = (long) (t % pieces) * chunk;
            for (int i = 0; i < offsets.length; i++) {
                offsets[i] += first * innerStride(i);
            }
            task.run(offsets, (int) Math.min(chunk, n - first));
        });
    }

    /** Offsets of run {@code index}. */
    long[] offsets(long index) {
        long[] offsets = new long[strides.length];
        long rest = index;
        for (int i = rank - 2; i >= 0; i--) {
            long at = rest % dims[i];
            rest /= dims[i];
            for (int t = 0; t < offsets.length; t++) {
                offsets[t] += at * strides[t][i];
            }
        }
        return offsets;
    }

    private void walk(long from, long to, Task task) {
        long[] offsets = offsets(from);
        int n = inner();
        if (to - from == 1) {
            task.run(offsets, n);
            return;
        }
        int[] at = new int[rank];
        long rest = from;
        for (int i = rank - 2; i >= 0; i--) {
            at[i] = (int) (rest % dims[i]);
            rest /= dims[i];
        }
        for (long r = from; r < to; r++) {
            task.run(offsets, n);
            for (int i = rank - 2; i >= 0; i--) {
                boolean carry = ++at[i] == dims[i];
                for (int t = 0; t < offsets.length; t++) {
                    offsets[t] += strides[t][i] - (carry ? dims[i] * strides[t][i] : 0);
                }
                if (!carry) {
                    break;
                }
                at[i] = 0;
            }
        }
    }
}
