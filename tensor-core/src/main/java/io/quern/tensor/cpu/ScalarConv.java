package io.quern.tensor.cpu;

import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Conv;

/** Twins of {@link Conv}: the definition's loops over pairs of an element of x and one of the weight. */
final class ScalarConv {
    private ScalarConv() {}

    /** What is done with the elements at x, w and y that belong together. */
    private interface Visitor {
        void at(int x, int w, int y);
    }

    static void run(Conv op, Tensor[] in, Tensor out) {
        double[] a = ScalarMemory.read(in[0]);
        double[] b = ScalarMemory.read(in[1]);
        double[] result = new double[Math.toIntExact(out.size())];
        switch (op) {
            case Conv.Forward f -> {
                double[] bias = ScalarMemory.readOrNull(in[2]);
                int plane = op.y().dim(2) * op.y().dim(3);
                for (int i = 0; bias != null && i < result.length; i++) {
                    result[i] = bias[i / plane % bias.length];
                }
                visit(op, (x, w, y) -> result[y] += a[x] * b[w]);
            }
            case Conv.InputGrad g -> visit(op, (x, w, y) -> result[x] += a[y] * b[w]);
            case Conv.WeightGrad g -> visit(op, (x, w, y) -> result[w] += a[x] * b[y]);
        }
        ScalarMemory.write(result, out);
    }

    private static void visit(Conv op, Visitor visitor) {
        Conv.Geometry g = op.geometry();
        Shape x = op.x();
        Shape w = op.w();
        Shape y = op.y();
        int outputsPerGroup = w.dim(0) / g.groups();
        int at = 0;
        for (int n = 0; n < y.dim(0); n++) {
            for (int o = 0; o < y.dim(1); o++) {
                int firstChannel = o / outputsPerGroup * w.dim(1);
                for (int i = 0; i < y.dim(2); i++) {
                    for (int j = 0; j < y.dim(3); j++) {
                        for (int k = 0; k < w.dim(1) * w.dim(2) * w.dim(3); k++) {
                            int row = i * g.strideH() - g.paddingH() + k / w.dim(3) % w.dim(2) * g.dilationH();
                            int column = j * g.strideW() - g.paddingW() + k % w.dim(3) * g.dilationW();
                            if (row >= 0 && row < x.dim(2) && column >= 0 && column < x.dim(3)) {
                                int channel = firstChannel + k / (w.dim(2) * w.dim(3));
                                int plane = n * x.dim(1) + channel;
                                visitor.at(
                                        (plane * x.dim(2) + row) * x.dim(3) + column,
                                        o * w.dim(1) * w.dim(2) * w.dim(3) + k,
                                        at);
                            }
                        }
                        at++;
                    }
                }
            }
        }
    }
}
