package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Norm;

/** Normalisation over packed rows of F32; the loops are in {@link NormRows} and {@link NormMachine}. */
final class NormKernels {
    /** Stretches of rows, at most, whose sums make the gradient of a weight. */
    private static final int STRETCHES = 64;

    private static final int LEAST_ROWS = 16;

    private NormKernels() {}

    static void run(Norm op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Norm.LayerNorm n -> layerNorm(in[0], null, null, in[1], in[2], n.eps(), out[0], out[1], out[2]);
            case Norm.AddLayerNorm n -> layerNorm(in[0], in[1], out[1], in[2], in[3], n.eps(), out[0], out[2], out[3]);
            case Norm.LayerNormGrad n -> layerNormGrad(in, out);
            case Norm.RmsNorm n -> rmsNorm(in[0], null, null, in[1], n.eps(), out[0], out[1]);
            case Norm.AddRmsNorm n -> rmsNorm(in[0], in[1], out[1], in[2], n.eps(), out[0], out[2]);
            case Norm.RmsNormGrad n -> rmsNormGrad(in, out);
        }
    }

    /** Gives {@code body} the address of the vector [C], or of one filled with {@code value} where it is absent. */
    private static void withVector(Tensor t, int c, double value, java.util.function.LongConsumer body) {
        if (t != null) {
            body.accept(t.address());
            return;
        }
        try (Tensor filled = Tensor.empty(Device.CPU, DType.F32, Shape.of(c))) {
            UpdateKernels.fill(filled, value);
            body.accept(filled.address());
        }
    }

    /** As {@link #run}, to be repeated; null for what decoding does not use. */
    static Runnable prepare(Norm op, Tensor[] in, Tensor[] out) {
        return switch (op) {
            case Norm.LayerNorm n
            when in[1] != null && in[2] != null ->
                layerNorm(in[0], null, null, in[1].address(), in[2].address(), n.eps(), out[0], out[1], out[2]);
            case Norm.AddLayerNorm n
            when in[2] != null && in[3] != null ->
                layerNorm(in[0], in[1], out[1], in[2].address(), in[3].address(), n.eps(), out[0], out[2], out[3]);
            default -> null;
        };
    }

    /** Of packed tensors of one shape. */
    private static Runnable add(Tensor a, Tensor b, Tensor sum) {
        long x = a.address();
        long y = b.address();
        long z = sum.address();
        Workers.RangeTask task = (from, to) -> BinaryKernels.run(
                Elementwise.BinaryKind.ADD, x + 4 * from, y + 4 * from, z + 4 * from, (int) (to - from));
        return () -> Workers.ranges(sum.size(), ElementwiseKernels.CHUNK, task);
    }

    /**
     * Of x, or of x + added, which becomes {@code sum}; mean, then variance from the deviations, then the result. A row stays
     * in the first-level cache meanwhile.
     */
    private static void layerNorm(
            Tensor x,
            Tensor added,
            Tensor sum,
            Tensor weights,
            Tensor biases,
            double eps,
            Tensor out,
            Tensor allMeans,
            Tensor allRstds) {
        if (weights == null || biases == null) {
            int c = x.dim(-1);
            withVector(
                    weights,
                    c,
                    1,
                    weight -> withVector(
                            biases,
                            c,
                            0,
                            bias -> layerNorm(x, added, sum, weight, bias, eps, out, allMeans, allRstds)
                                    .run()));
        } else {
            layerNorm(x, added, sum, weights.address(), biases.address(), eps, out, allMeans, allRstds)
                    .run();
        }
    }

    private static Runnable layerNorm(
            Tensor first,
            Tensor added,
            Tensor sum,
            long weight,
            long bias,
            double eps,
            Tensor out,
            Tensor allMeans,
            Tensor allRstds) {
        if (MachineCode.isUsed()) {
            Workers.RangeTask task = NormMachine.forward(first, added, sum, weight, bias, eps, out, allMeans, allRstds);
            return () -> SoftmaxKernels.forRows(first, task);
        }
        Tensor in = added == null ? first : sum;
        int c = in.dim(-1);
        long x = in.address();
        long y = out.address();
        long means = allMeans.address();
        long rstds = allRstds.address();
        Workers.RangeTask task = (from, to) -> {
            for (long r = from; r < to; r++) {
                long row = 4 * r * c;
                float mean = (float) (RowKernels.sum(x + row, c) / c);
                float rstd = (float) (1 / Math.sqrt(RowKernels.squares(x + row, mean, c) / c + eps));
                NormRows.layer(x + row, mean, rstd, weight, bias, y + row, c);
                OffHeap.setFloat(means + 4 * r, mean);
                OffHeap.setFloat(rstds + 4 * r, rstd);
            }
        };
        Runnable norm = () -> SoftmaxKernels.forRows(in, task);
        if (added == null) {
            return norm;
        }
        Runnable add = add(first, added, sum);
        return () -> {
            add.run();
            norm.run();
        };
    }

    private static void rmsNorm(
            Tensor first, Tensor added, Tensor sum, Tensor weights, double eps, Tensor out, Tensor allRstds) {
        int c = first.dim(-1);
        if (MachineCode.isUsed()) {
            withVector(
                    weights,
                    c,
                    1,
                    weight -> SoftmaxKernels.forRows(
                            first, NormMachine.forward(first, added, sum, weight, 0, eps, out, null, allRstds)));
            return;
        }
        if (added != null) {
            add(first, added, sum).run();
        }
        Tensor in = added == null ? first : sum;
        long x = in.address();
        long y = out.address();
        long rstds = allRstds.address();
        withVector(
                weights,
                c,
                1,
                weight -> SoftmaxKernels.forRows(in, (from, to) -> {
                    for (long r = from; r < to; r++) {
                        long row = 4 * r * c;
                        float rstd = (float) (1 / Math.sqrt(RowKernels.squares(x + row, 0, c) / c + eps));
                        NormRows.rms(x + row, rstd, weight, y + row, c);
                        OffHeap.setFloat(rstds + 4 * r, rstd);
                    }
                }));
    }

    /**
     * Overwrites. Every stretch of rows sums its part of dweight and dbias into rows of its own, which are then added up in
     * order.
     */
    private static void layerNormGrad(Tensor[] in, Tensor[] out) {
        int c = in[0].dim(-1);
        long rows = in[0].size() / c;
        long x = in[0].address();
        long means = in[2].address();
        long rstds = in[3].address();
        long dy = in[4].address();
        long other = in[5] == null ? 0 : in[5].address();
        long dx = out[0].address();
        long size = stretch(rows);
        int stretches = Math.toIntExact((rows + size - 1) / size);
        withVector(
                in[1],
                c,
                1,
                weight -> withSums(2 * stretches, c, sums -> {
                    Workers.ranges(rows, size, (from, to) -> {
                        long dWeight = sums + 4L * c * (from / size);
                        long dBias = dWeight + 4L * c * stretches;
                        if (MachineCode.isUsed()) {
                            NormMachine.gradient(x, means, rstds, weight, dy, other, dx, dWeight, dBias, from, to, c);
                            return;
                        }
                        for (long r = from; r < to; r++) {
                            long row = 4 * r * c;
                            float mean = OffHeap.getFloat(means + 4 * r);
                            float rstd = OffHeap.getFloat(rstds + 4 * r);
                            NormRows.layerGradient(x + row, mean, rstd, weight, dy + row, dx + row, dWeight, dBias, c);
                            addOther(dx + row, other, row, c);
                        }
                    });
                    addUp(sums, stretches, c, out[1].address());
                    addUp(sums + 4L * c * stretches, stretches, c, out[2].address());
                }));
    }

    private static void rmsNormGrad(Tensor[] in, Tensor[] out) {
        int c = in[0].dim(-1);
        long rows = in[0].size() / c;
        long x = in[0].address();
        long rstds = in[2].address();
        long dy = in[3].address();
        long other = in[4] == null ? 0 : in[4].address();
        long dx = out[0].address();
        long size = stretch(rows);
        int stretches = Math.toIntExact((rows + size - 1) / size);
        withVector(
                in[1],
                c,
                1,
                weight -> withSums(stretches, c, sums -> {
                    Workers.ranges(rows, size, (from, to) -> {
                        long dWeight = sums + 4L * c * (from / size);
                        if (MachineCode.isUsed()) {
                            NormMachine.gradient(x, 0, rstds, weight, dy, other, dx, dWeight, 0, from, to, c);
                            return;
                        }
                        for (long r = from; r < to; r++) {
                            long row = 4 * r * c;
                            float rstd = OffHeap.getFloat(rstds + 4 * r);
                            NormRows.rmsGradient(x + row, rstd, weight, dy + row, dx + row, dWeight, c);
                            addOther(dx + row, other, row, c);
                        }
                    });
                    addUp(sums, stretches, c, out[1].address());
                }));
    }

    private static void addOther(long dx, long other, long row, int c) {
        if (other != 0) {
            RowKernels.add(dx, other + row, c);
        }
    }

    private static long stretch(long rows) {
        return Math.max(LEAST_ROWS, (rows + STRETCHES - 1) / STRETCHES);
    }

    /** Zeros [count, c]. */
    private static void withSums(int count, int c, java.util.function.LongConsumer body) {
        try (Tensor sums = Tensor.empty(Device.CPU, DType.F32, Shape.of(Math.max(1, count), c))) {
            UpdateKernels.fill(sums, 0);
            body.accept(sums.address());
        }
    }

    private static void addUp(long rows, int count, int c, long to) {
        if (MachineCode.isUsed() && count > 0) {
            NativeCall.call(GemvCode.sum(false), rows, 4L * c, count, c, 0, to);
            return;
        }
        OffHeap.zero(to, 4L * c);
        for (int i = 0; i < count; i++) {
            RowKernels.add(to, rows + 4L * c * i, c);
        }
    }
}
