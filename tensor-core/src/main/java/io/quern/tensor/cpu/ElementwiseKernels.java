package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/** Elementwise operations on F32: broadcasting, and cutting into tasks. */
final class ElementwiseKernels {
    /** Elements of a task: 5 to 20 microseconds. Fewer run on the calling thread. A multiple of {@link Philox#GROUP}. */
    static final int CHUNK = 1 << 15;

    /** Runs shorter than this cost more than a copy that joins them. */
    private static final int SHORT_RUN = 16;

    private ElementwiseKernels() {}

    static void run(Elementwise op, Tensor[] in, Tensor[] results) {
        if (op instanceof Elementwise.BiasUnaryGrad u) {
            BiasKernels.backward(u.kind(), in[0], in[1], in[2], results[0], results[1]);
            return;
        }
        Tensor out = results[0];
        if (out.size() == 0) {
            return;
        }
        switch (op) {
            case Elementwise.Unary u -> {
                long x = in[0].address();
                long y = out.address();
                Workers.ranges(
                        out.size(),
                        CHUNK,
                        (from, to) -> UnaryKernels.run(u.kind(), x + 4 * from, y + 4 * from, (int) (to - from)));
            }
            case Elementwise.UnaryGrad u -> {
                long x = in[0].address();
                long dy = in[1].address();
                long dx = out.address();
                Workers.ranges(
                        out.size(),
                        CHUNK,
                        (from, to) -> UnaryGradKernels.run(
                                u.kind(), x + 4 * from, dy + 4 * from, dx + 4 * from, (int) (to - from)));
            }
            case Elementwise.BiasUnary u -> BiasKernels.forward(u.kind(), in[0], in[1], out);
            case Elementwise.BiasUnaryGrad u -> throw new IllegalStateException(u.name());
            case Elementwise.Binary b -> binary(b.kind(), in[0], in[1], out);
            case Elementwise.Compare c -> compare(c, in, out);
            case Elementwise.Affine a -> {
                long x = in[0].address();
                long y = out.address();
                float scale = (float) a.scale();
                float shift = (float) a.shift();
                Workers.ranges(
                        out.size(),
                        CHUNK,
                        (from, to) -> affine(x + 4 * from, scale, shift, y + 4 * from, (int) (to - from)));
            }
            case Elementwise.Where w -> where(in, out);
            case Elementwise.Cast c -> CastKernels.cast(in[0], out);
            case Elementwise.Dropout d -> dropout(d, in[0], out);
        }
    }

    private static void binary(Elementwise.BinaryKind kind, Tensor a, Tensor b, Tensor out) {
        if (a.isPacked()
                && a.shape().equals(out.shape())
                && b.isPacked()
                && b.shape().equals(out.shape())) {
            long x = a.address();
            long y = b.address();
            long z = out.address();
            Workers.ranges(
                    out.size(),
                    CHUNK,
                    (from, to) -> BinaryKernels.run(kind, x + 4 * from, y + 4 * from, z + 4 * from, (int) (to - from)));
            return;
        }
        Runs runs = Runs.of(out.shape(), out.strides(), Runs.broadcast(a, out.shape()), Runs.broadcast(b, out.shape()));
        if (runs.inner() < SHORT_RUN && runs.outer() > SHORT_RUN) {
            withExpanded(a, out.shape(), x -> withExpanded(b, out.shape(), y -> binary(kind, x, y, out)));
            return;
        }
        if (runs.rank() == 2
                && runs.innerStride(1) == 1
                && runs.stride(1, 0) == runs.inner()
                && runs.innerStride(2) == 1) {
            rows(kind, runs, a.address(), b.address(), out.address());
            return;
        }
        boolean oneA = runs.innerStride(1) == 0;
        boolean oneB = runs.innerStride(2) == 0;
        runs.parallel(CHUNK, (o, n) -> {
            long x = a.address() + 4 * o[1];
            long y = b.address() + 4 * o[2];
            long z = out.address() + 4 * o[0];
            if (oneA) {
                BinaryKernels.run(kind, OffHeap.getFloat(x), y, z, n);
            } else if (oneB) {
                BinaryKernels.run(kind, x, OffHeap.getFloat(y), z, n);
            } else {
                BinaryKernels.run(kind, x, y, z, n);
            }
        });
    }

    /** Rows of a, one after the other, with rows of b; often one and the same. */
    private static void rows(Elementwise.BinaryKind kind, Runs runs, long a, long b, long out) {
        int n = runs.inner();
        long step = runs.stride(2, 0);
        if (n > CHUNK) {
            runs.parallel(
                    CHUNK, (o, some) -> BinaryKernels.run(kind, a + 4 * o[1], b + 4 * o[2], out + 4 * o[0], some));
            return;
        }
        Workers.ranges(
                runs.outer(),
                CHUNK / n,
                (from, to) -> BinaryKernels.rows(
                        kind, a + 4 * from * n, b + 4 * from * step, step, out + 4 * from * n, to - from, n));
    }

    private static void compare(Elementwise.Compare op, Tensor[] in, Tensor out) {
        withExpanded(
                in[0],
                out.shape(),
                a -> withExpanded(in[1], out.shape(), b -> {
                    long x = a.address();
                    long y = b.address();
                    long z = out.address();
                    Workers.ranges(
                            out.size(),
                            CHUNK,
                            (from, to) -> CompareKernels.run(
                                    op.kind(), x + 4 * from, y + 4 * from, z + 4 * from, (int) (to - from)));
                }));
    }

    private static void where(Tensor[] in, Tensor out) {
        Shape s = out.shape();
        withExpanded(
                in[0],
                s,
                c -> withExpanded(
                        in[1],
                        s,
                        a -> withExpanded(in[2], s, b -> {
                            long p = c.address();
                            long x = a.address();
                            long y = b.address();
                            long z = out.address();
                            Workers.ranges(
                                    out.size(),
                                    CHUNK,
                                    (from, to) -> where(
                                            p + 4 * from, x + 4 * from, y + 4 * from, z + 4 * from, (int) (to - from)));
                        })));
    }

    /** Gives {@code body} a packed tensor with the elements of {@code t} broadcast to the shape. */
    private static void withExpanded(Tensor t, Shape shape, java.util.function.Consumer<Tensor> body) {
        if (t.size() == shape.size()) {
            body.accept(t);
            return;
        }
        try (Tensor whole = Tensor.empty(Device.CPU, t.dtype(), shape)) {
            CopyKernels.expand(t, shape, whole.address());
            body.accept(whole);
        }
    }

    private static void affine(long x, float scale, float shift, long y, int n) {
        FloatVector s = FloatVector.broadcast(F, scale);
        FloatVector t = FloatVector.broadcast(F, shift);
        int i = 0;
        for (; i <= n - L; i += L) {
            load(x + 4L * i).fma(s, t).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> rest = Lanes.first(n - i);
            load(x + 4L * i, rest).fma(s, t).intoMemorySegment(ALL, y + 4L * i, ORDER, rest);
        }
    }

    private static void where(long condition, long a, long b, long y, int n) {
        int i = 0;
        for (; i <= n - L; i += L) {
            VectorMask<Float> first = Lanes.loadInts(condition + 4L * i)
                    .compare(VectorOperators.NE, 0)
                    .cast(F);
            load(b + 4L * i).blend(load(a + 4L * i), first).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> rest = Lanes.first(n - i);
            IntVector c = Lanes.loadInts(condition + 4L * i, Lanes.firstInts(n - i));
            VectorMask<Float> first = c.compare(VectorOperators.NE, 0).cast(F);
            FloatVector v = load(b + 4L * i, rest).blend(load(a + 4L * i, rest), first);
            v.intoMemorySegment(ALL, y + 4L * i, ORDER, rest);
        }
    }

    private static void dropout(Elementwise.Dropout op, Tensor in, Tensor out) {
        long x = in.address();
        long y = out.address();
        int threshold = Philox.threshold(op.p());
        float scale = (float) (1 / (1 - op.p()));
        Workers.ranges(out.size(), CHUNK, (from, to) -> {
            int[] bits = new int[16 * Philox.GROUP];
            for (long i = from; i < to; i += bits.length) {
                int n = (int) Math.min(bits.length, to - i);
                Philox.fill(op.seed(), op.stream(), i, n, bits, 0);
                dropout(x + 4 * i, bits, threshold, scale, y + 4 * i, n);
            }
        });
    }

    /** y = x * scale where the bits keep an element, else 0, even for infinities and NaN. */
    private static void dropout(long x, int[] bits, int threshold, float scale, long y, int n) {
        int i = 0;
        for (; i <= n - L; i += L) {
            IntVector u = IntVector.fromArray(Lanes.I, bits, i).lanewise(VectorOperators.LSHR, 8);
            VectorMask<Float> drop = u.compare(VectorOperators.LT, threshold).cast(F);
            load(x + 4L * i).mul(scale).blend(0f, drop).intoMemorySegment(ALL, y + 4L * i, ORDER);
        }
        if (i < n) {
            VectorMask<Float> some = Lanes.first(n - i);
            IntVector u = IntVector.fromArray(Lanes.I, bits, i).lanewise(VectorOperators.LSHR, 8);
            VectorMask<Float> drop = u.compare(VectorOperators.LT, threshold).cast(F);
            load(x + 4L * i, some).mul(scale).blend(0f, drop).intoMemorySegment(ALL, y + 4L * i, ORDER, some);
        }
    }
}
