package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Reduce;
import java.util.Arrays;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Reductions of F32 over any axes. Long sums are cut into stretches of a fixed length, whose sums are added in order: the
 * result is the same for any number of threads, and its error grows slowly.
 */
final class ReduceKernels {
    private static final int CHUNK = ElementwiseKernels.CHUNK;

    /** Rows that are added up one after the other. */
    private static final int ROWS = 64;

    /** Columns of a task where rows are added up: as much as stays in the first-level cache. */
    private static final int COLUMNS = 2048;

    private ReduceKernels() {}

    static void run(Reduce op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Reduce.Axes a -> axes(a.kind(), in[0], out[0]);
            case Reduce.ArgMax a -> argMax(in[0], out[0]);
            case Reduce.TopK t -> topK(in[0], t.k(), out[0], out[1]);
            case Reduce.Softmax s -> SoftmaxKernels.softmax(in[0], s.log(), out[0]);
            case Reduce.SoftmaxGrad s -> SoftmaxKernels.gradient(in[0], in[1], s.log(), out[0]);
            case Reduce.SquaredNorm s -> squaredNorm(in, out[0]);
        }
    }

    private static void axes(Reduce.Kind kind, Tensor x, Tensor out) {
        if (out.size() == 0) {
            return;
        }
        if (x.size() == 0) {
            UpdateKernels.fill(out, 0); // only sums may be empty
            return;
        }
        Runs runs = Runs.of(x.shape(), x.strides(), Runs.broadcast(out, x.shape()));
        if (runs.innerStride(1) == 0) {
            inner(kind, runs, x.address(), out.address());
        } else {
            outer(kind, runs, x.address(), out.address());
        }
        if (kind == Reduce.Kind.MEAN) {
            long y = out.address();
            float count = (float) (x.size() / out.size());
            Workers.ranges(
                    out.size(),
                    CHUNK,
                    (from, to) ->
                            BinaryKernels.run(BinaryKind.DIV, y + 4 * from, count, y + 4 * from, (int) (to - from)));
        }
    }

    /**
     * The outer dimensions that stay, or those that go. The results of those that stay lie one after the other, since the
     * result is packed.
     */
    private record Part(int[] dims, long[] strides, long count) {
        static Part of(Runs runs, boolean stays) {
            int[] dims = new int[runs.rank()];
            long[] strides = new long[runs.rank()];
            int rank = 0;
            long count = 1;
            for (int i = 0; i < runs.rank() - 1; i++) {
                if (runs.stride(1, i) != 0 == stays) {
                    dims[rank] = runs.dim(i);
                    strides[rank++] = runs.stride(0, i);
                    count *= runs.dim(i);
                }
            }
            return new Part(Arrays.copyOf(dims, rank), strides, count);
        }

        /** Bytes from the first element of x to index {@code i}. */
        long bytes(long i) {
            long offset = 0;
            for (int d = dims.length - 1; d >= 0; d--) {
                offset += i % dims[d] * strides[d];
                i /= dims[d];
            }
            return offset * Float.BYTES;
        }
    }

    /** Every run reduces to one number, and several runs may reduce to the same. */
    private static void inner(Reduce.Kind kind, Runs runs, long x, long out) {
        Part stays = Part.of(runs, true);
        Part goes = Part.of(runs, false);
        int n = runs.inner();
        if (n >= 2 * CHUNK) {
            for (long i = 0; i < stays.count; i++) {
                double value = identity(kind);
                for (long j = 0; j < goes.count; j++) {
                    value = combine(kind, value, longRun(kind, x + stays.bytes(i) + goes.bytes(j), n));
                }
                OffHeap.setFloat(out + 4 * i, (float) value);
            }
            return;
        }
        Workers.ranges(stays.count, Math.max(1, CHUNK / (goes.count * n)), (from, to) -> {
            for (long i = from; i < to; i++) {
                long at = x + stays.bytes(i);
                double value = identity(kind);
                for (long j = 0; j < goes.count; j++) {
                    value = combine(kind, value, run(kind, at + goes.bytes(j), n));
                }
                OffHeap.setFloat(out + 4 * i, (float) value);
            }
        });
    }

    private static double identity(Reduce.Kind kind) {
        return switch (kind) {
            case SUM, MEAN -> 0;
            case MAX -> Double.NEGATIVE_INFINITY;
            case MIN -> Double.POSITIVE_INFINITY;
        };
    }

    private static double combine(Reduce.Kind kind, double a, double b) {
        return switch (kind) {
            case SUM, MEAN -> a + b;
            case MAX -> Math.max(a, b);
            case MIN -> Math.min(a, b);
        };
    }

    private static double run(Reduce.Kind kind, long x, int n) {
        if (n < L) {
            double value = identity(kind);
            for (int i = 0; i < n; i++) {
                value = combine(kind, value, OffHeap.getFloat(x + 4L * i));
            }
            return value;
        }
        return switch (kind) {
            case SUM, MEAN -> RowKernels.sum(x, n);
            case MAX -> RowKernels.max(x, n);
            case MIN -> RowKernels.min(x, n);
        };
    }

    private static double longRun(Reduce.Kind kind, long x, int n) {
        double[] parts = new double[(n + CHUNK - 1) / CHUNK];
        Workers.parallelFor(
                parts.length, t -> parts[t] = run(kind, x + 4L * t * CHUNK, Math.min(CHUNK, n - t * CHUNK)));
        double value = identity(kind);
        for (double p : parts) {
            value = combine(kind, value, p);
        }
        return value;
    }

    /** Runs are rows that stay; many of them are combined, element by element. */
    private static void outer(Reduce.Kind kind, Runs runs, long x, long out) {
        Part goes = Part.of(runs, false);
        int stretches = Math.toIntExact((goes.count + ROWS - 1) / ROWS);
        if (stretches == 1) {
            stretches(kind, runs, x, goes, 1, out);
            return;
        }
        int n = runs.inner();
        int stays = Math.toIntExact(Part.of(runs, true).count);
        Shape shape = Shape.of(stays, stretches, n);
        try (Tensor sums = Tensor.empty(Device.CPU, DType.F32, shape)) {
            stretches(kind, runs, x, goes, stretches, sums.address());
            outer(kind, Runs.of(shape, shape.strides(), new long[] {n, 0, 1}), sums.address(), out);
        }
    }

    /** Combines the rows that go in stretches: packed rows [stays, stretches, n] at {@code to}. */
    private static void stretches(Reduce.Kind kind, Runs runs, long x, Part goes, int stretches, long to) {
        Part stays = Part.of(runs, true);
        int n = runs.inner();
        int blocks = (n + COLUMNS - 1) / COLUMNS;
        long work = Math.min(ROWS, goes.count) * Math.min(n, COLUMNS);
        Workers.ranges(stays.count * stretches * blocks, Math.max(1, CHUNK / work), (from, end) -> {
            for (long t = from; t < end; t++) {
                int first = (int) (t % blocks) * COLUMNS;
                long row = t / blocks;
                long s = row % stretches;
                long last = Math.min(goes.count, (s + 1) * ROWS);
                long at = x + stays.bytes(row / stretches) + 4L * first;
                rows(kind, at, goes, s * ROWS, last, to + 4 * (row * n + first), Math.min(COLUMNS, n - first));
            }
        });
    }

    /** y = rows {@code from} to {@code to - 1} combined in order. */
    private static void rows(Reduce.Kind kind, long x, Part goes, long from, long to, long y, int n) {
        OffHeap.copy(x + goes.bytes(from), y, 4L * n);
        long r = from + 1;
        switch (kind) {
            case SUM, MEAN -> {
                for (; r + 4 <= to; r += 4) {
                    RowKernels.addFour(
                            y,
                            x + goes.bytes(r),
                            x + goes.bytes(r + 1),
                            x + goes.bytes(r + 2),
                            x + goes.bytes(r + 3),
                            n);
                }
                for (; r < to; r++) {
                    RowKernels.add(y, x + goes.bytes(r), n);
                }
            }
            case MAX -> {
                for (; r < to; r++) {
                    BinaryKernels.run(BinaryKind.MAX, y, x + goes.bytes(r), y, n);
                }
            }
            case MIN -> {
                for (; r < to; r++) {
                    BinaryKernels.run(BinaryKind.MIN, y, x + goes.bytes(r), y, n);
                }
            }
        }
    }

    private static void argMax(Tensor x, Tensor out) {
        int n = x.dim(-1);
        SoftmaxKernels.forRows(x, (from, to) -> {
            for (long r = from; r < to; r++) {
                long row = x.address() + 4 * r * n;
                int first =
                        Float.isNaN(OffHeap.getFloat(row)) ? 0 : RowKernels.indexOf(row, RowKernels.peak(row, n), n);
                OffHeap.setInt(out.address() + 4 * r, first);
            }
        });
    }

    private static void topK(Tensor x, int k, Tensor values, Tensor indices) {
        int n = x.dim(-1);
        SoftmaxKernels.forRows(x, (from, to) -> {
            long[] keys = new long[k];
            for (long r = from; r < to; r++) {
                TopKRows.run(
                        x.address() + 4 * r * n, n, keys, values.address() + 4 * r * k, indices.address() + 4 * r * k);
            }
        });
    }

    private static void squaredNorm(Tensor[] xs, Tensor out) {
        int[] firstTask = new int[xs.length + 1];
        for (int i = 0; i < xs.length; i++) {
            firstTask[i + 1] = firstTask[i] + Math.toIntExact((xs[i].size() + CHUNK - 1) / CHUNK);
        }
        double[] parts = new double[firstTask[xs.length]];
        for (int i = 0; i < xs.length; i++) {
            Tensor x = xs[i];
            int first = firstTask[i];
            boolean half = CastKernels.isHalf(x.dtype());
            Tensor wide = half ? CastKernels.widened(x) : x;
            Workers.ranges(
                    x.size(),
                    CHUNK,
                    (from, to) -> parts[first + (int) (from / CHUNK)] =
                            squares(wide.address() + 4 * from, (int) (to - from)));
            if (half) {
                wide.close();
            }
        }
        double sum = 0;
        for (double p : parts) {
            sum += p;
        }
        OffHeap.setDouble(out.address(), sum);
    }

    private static final VectorSpecies<Double> D = VectorSpecies.of(double.class, F.vectorShape());

    private static double squares(long x, int n) {
        if (MachineCode.isUsed()) {
            long sum = NativeScratch.take(Double.BYTES);
            NativeCall.call(RowCode.squares(), x, n, sum, 0, 0, 0);
            double squares = OffHeap.getDouble(sum);
            NativeScratch.give(sum, Double.BYTES);
            return squares;
        }
        DoubleVector a = DoubleVector.zero(D);
        DoubleVector b = DoubleVector.zero(D);
        int i = 0;
        for (; i <= n - L; i += L) {
            FloatVector v = load(x + 4L * i);
            DoubleVector low = (DoubleVector) v.convertShape(VectorOperators.F2D, D, 0);
            DoubleVector high = (DoubleVector) v.convertShape(VectorOperators.F2D, D, 1);
            a = low.fma(low, a);
            b = high.fma(high, b);
        }
        double[] lanes = new double[2 * D.length()];
        a.intoArray(lanes, 0);
        b.intoArray(lanes, D.length());
        double sum = 0;
        for (double d : lanes) {
            sum += d;
        }
        for (; i < n; i++) {
            double d = OffHeap.getFloat(x + 4L * i);
            sum += d * d;
        }
        return sum;
    }
}
