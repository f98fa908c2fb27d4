package io.quern.tensor.check;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.Arrays;

/** Compares numbers under a tolerance and finds the worst. NaN equals NaN, and an infinity only itself. */
public final class Compare {
    private Compare() {}

    /**
     * What came out.
     *
     * @param ok whether every element is within the tolerance
     * @param ratio the largest error divided by what was allowed for it; 0 if all are equal
     * @param message names the worst element
     */
    public record Result(boolean ok, double ratio, String message) {}

    /** Compares two tensors of equal shape, element by element. */
    public static Result tensors(String what, Tensor want, Tensor got, Tolerance tolerance) {
        if (!want.shape().equals(got.shape())) {
            return new Result(
                    false, Double.POSITIVE_INFINITY, what + ": shape " + got.shape() + " instead of " + want.shape());
        }
        return arrays(what, want.toDoubles(), got.toDoubles(), want.shape(), tolerance);
    }

    /** Compares row-major elements of a tensor of the given shape. */
    public static Result arrays(String what, double[] want, double[] got, Shape shape, Tolerance tolerance) {
        double worst = 0;
        int at = -1;
        int wrong = 0;
        for (int i = 0; i < want.length; i++) {
            double ratio = ratio(want[i], got[i], tolerance);
            wrong += ratio > 1 ? 1 : 0;
            if (ratio > worst) {
                worst = ratio;
                at = i;
            }
        }
        if (at < 0) {
            return new Result(true, 0, what + ": equal");
        }
        String message = what + " " + shape + ": " + wrong + " of " + want.length
                + " elements differ too much; worst at "
                + Arrays.toString(position(at, shape)) + ": " + got[at] + " instead of " + want[at] + ", "
                + String.format(java.util.Locale.ROOT, "%.3g", worst) + " times the tolerance (abs " + tolerance.abs()
                + ", rel " + tolerance.rel() + ")";
        return new Result(worst <= 1, worst, message);
    }

    private static double ratio(double want, double got, Tolerance tolerance) {
        if (want == got || Double.isNaN(want) && Double.isNaN(got)) {
            return 0;
        }
        double error = Math.abs(want - got);
        double allowed = tolerance.abs() + tolerance.rel() * Math.abs(want);
        return error < Double.POSITIVE_INFINITY ? error / allowed : Double.POSITIVE_INFINITY;
    }

    private static int[] position(int at, Shape shape) {
        int[] index = new int[shape.rank()];
        int rest = at;
        for (int i = index.length - 1; i >= 0; i--) {
            index[i] = rest % shape.dim(i);
            rest /= shape.dim(i);
        }
        return index;
    }
}
