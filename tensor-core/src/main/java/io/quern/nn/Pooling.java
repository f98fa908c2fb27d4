package io.quern.nn;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Windows;

/** Pooling of planes [N, C, H, W] over square windows; other windows by {@link Pool} itself. */
public final class Pooling {
    private Pooling() {}

    /** The largest element of each window. */
    public static Tensor max(Tensor x, int kernel, int stride, int padding) {
        return Tensor.runAll(new Pool.Max(
                        x,
                        new Windows.Sliding(x.dim(2), kernel, stride, padding, false),
                        new Windows.Sliding(x.dim(3), kernel, stride, padding, false)))
                .getFirst();
    }

    /** The mean of each window, zeros of the padding included. */
    public static Tensor average(Tensor x, int kernel, int stride, int padding) {
        return Tensor.run(new Pool.Average(
                x,
                new Windows.Sliding(x.dim(2), kernel, stride, padding, true),
                new Windows.Sliding(x.dim(3), kernel, stride, padding, true)));
    }

    /** The means of {@code rows} x {@code columns} windows that together cover the planes, whatever their size. */
    public static Tensor adaptiveAverage(Tensor x, int rows, int columns) {
        return Tensor.run(
                new Pool.Average(x, new Windows.Adaptive(x.dim(2), rows), new Windows.Adaptive(x.dim(3), columns)));
    }
}
