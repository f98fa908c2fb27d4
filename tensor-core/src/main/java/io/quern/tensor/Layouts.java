package io.quern.tensor;

/** Arithmetic of strides. */
final class Layouts {
    private Layouts() {}

    static boolean isPacked(Shape shape, long[] strides) {
        long expected = 1;
        for (int i = shape.rank() - 1; i >= 0; i--) {
            int d = shape.dim(i);
            if (d == 0) {
                return true;
            }
            if (d != 1) {
                if (strides[i] != expected) {
                    return false;
                }
                expected *= d;
            }
        }
        return true;
    }

    /** Whether the innermost dimension has stride 1. */
    static boolean hasRows(Shape shape, long[] strides) {
        int last = shape.rank() - 1;
        return last < 0 || shape.dim(last) <= 1 || strides[last] == 1 || shape.size() == 0;
    }

    /** Whether one of the two innermost dimensions has stride 1 and the other covers it without overlap. */
    static boolean isMatrix(Shape shape, long[] strides) {
        int r = shape.rank();
        if (r < 2 || shape.size() == 0) {
            return isPacked(shape, strides);
        }
        int rows = shape.dim(r - 2);
        int cols = shape.dim(r - 1);
        boolean rowMajor = (cols == 1 || strides[r - 1] == 1) && (rows == 1 || strides[r - 2] >= cols);
        boolean colMajor = (rows == 1 || strides[r - 2] == 1) && (cols == 1 || strides[r - 1] >= rows);
        return rowMajor || colMajor;
    }

    /**
     * Strides under which the elements of (shape, strides) in order have the shape {@code to}, or null if only a copy has.
     * Neighbouring dimensions are joined where memory allows, then cut up again.
     */
    static long[] reshape(Shape shape, long[] strides, Shape to) {
        if (isPacked(shape, strides)) {
            return to.strides();
        }
        long[] result = new long[to.rank()];
        int at = to.rank() - 1;
        long runStride = 1;
        long runSize = 1;
        long cut = 1;
        for (int i = shape.rank() - 1; i >= -1; i--) {
            boolean joins = false;
            if (i >= 0) {
                int d = shape.dim(i);
                if (d == 1) {
                    continue;
                }
                if (runSize == 1) {
                    runStride = strides[i];
                    runSize = d;
                    joins = true;
                } else if (strides[i] == runStride * runSize) {
                    runSize *= d;
                    joins = true;
                }
            }
            if (joins) {
                continue;
            }
            while (at >= 0 && (cut < runSize || to.dim(at) == 1)) {
                result[at] = runStride * cut;
                cut *= to.dim(at);
                at--;
            }
            if (cut != runSize) {
                return null;
            }
            if (i >= 0) {
                runStride = strides[i];
                runSize = shape.dim(i);
                cut = 1;
            }
        }
        return at < 0 ? result : null;
    }
}
