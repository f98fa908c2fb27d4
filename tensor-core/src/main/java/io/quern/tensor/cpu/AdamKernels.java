package io.quern.tensor.cpu;

import static io.quern.tensor.cpu.Lanes.F;
import static io.quern.tensor.cpu.Lanes.L;
import static io.quern.tensor.cpu.Lanes.load;
import static io.quern.tensor.cpu.OffHeap.ALL;
import static io.quern.tensor.cpu.OffHeap.ORDER;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.AdamCode;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.NativeCall;
import io.quern.tensor.op.Update;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;

/**
 * AdamW as one sweep over all parameters, cut into tasks of equal size whatever the sizes of the parameters. Bound by
 * memory: 28 bytes of an element move, at 7 flops a word.
 */
final class AdamKernels {
    private static final int CHUNK = 1 << 14;

    /** Elements that are widened at a time for 16-bit parameters. */
    private static final int HALF_BLOCK = 2048;

    private final float beta1;
    private final float rest1;
    private final float beta2;
    private final float rest2;
    private final float eps;
    private final float gradScale;

    /** lr / (1 - beta1^step) and 1 / sqrt(1 - beta2^step), as in torch.optim.AdamW. */
    private final float stepSize;

    private final float correction2;
    private final double lr;

    private AdamKernels(Update.AdamW op) {
        beta1 = (float) op.beta1();
        rest1 = (float) (1 - op.beta1());
        beta2 = (float) op.beta2();
        rest2 = (float) (1 - op.beta2());
        eps = (float) op.eps();
        gradScale = (float) op.gradScale();
        stepSize = (float) (op.lr() / (1 - Math.pow(op.beta1(), op.step())));
        correction2 = (float) (1 / Math.sqrt(1 - Math.pow(op.beta2(), op.step())));
        lr = op.lr();
    }

    /** All parameters but those of F64. */
    static void run(Update.AdamW op) {
        AdamKernels kernel = new AdamKernels(op);
        TensorChunks chunks = TensorChunks.of(op.params(), CHUNK);
        Workers.parallelFor(chunks.count(), t -> kernel.chunk(op, chunks.tensor(t), chunks.first(t), chunks.length(t)));
    }

    private void chunk(Update.AdamW op, int i, long first, int n) {
        DType dtype = op.params().get(i).dtype();
        long skip = first * dtype.bytes();
        long p = op.params().get(i).address() + skip;
        long g = op.grads().get(i).address() + skip;
        long m = op.m().get(i).address() + skip;
        long v = op.v().get(i).address() + skip;
        float decay = (float) (-lr * op.weightDecay().get(i));
        if (dtype == DType.F32) {
            update(p, g, m, v, decay, n);
        } else {
            halves(dtype, p, g, m, v, decay, n);
        }
    }

    private void halves(DType dtype, long p, long g, long m, long v, float decay, int n) {
        try (Tensor wide = Tensor.empty(Device.CPU, DType.F32, Shape.of(4, HALF_BLOCK))) {
            long block = 4L * HALF_BLOCK;
            long w = wide.address();
            CastKernels.Buffers buffers = CastKernels.Buffers.take();
            for (int i = 0; i < n; i += HALF_BLOCK) {
                int some = Math.min(HALF_BLOCK, n - i);
                CastKernels.block(dtype, p + 2L * i, DType.F32, w, some, buffers);
                CastKernels.block(dtype, g + 2L * i, DType.F32, w + block, some, buffers);
                CastKernels.block(dtype, m + 2L * i, DType.F32, w + 2 * block, some, buffers);
                CastKernels.block(dtype, v + 2L * i, DType.F32, w + 3 * block, some, buffers);
                update(w, w + block, w + 2 * block, w + 3 * block, decay, some);
                CastKernels.block(DType.F32, w, dtype, p + 2L * i, some, buffers);
                CastKernels.block(DType.F32, w + 2 * block, dtype, m + 2L * i, some, buffers);
                CastKernels.block(DType.F32, w + 3 * block, dtype, v + 2L * i, some, buffers);
            }
            CastKernels.Buffers.give(buffers);
        }
    }

    private void update(long p, long g, long m, long v, float decay, int n) {
        if (MachineCode.isUsed()) {
            long numbers = NativeScratch.take(4 * AdamCode.NUMBERS);
            OffHeap.setFloat(numbers, gradScale);
            OffHeap.setFloat(numbers + 4, beta1);
            OffHeap.setFloat(numbers + 8, rest1);
            OffHeap.setFloat(numbers + 12, beta2);
            OffHeap.setFloat(numbers + 16, rest2);
            OffHeap.setFloat(numbers + 20, eps);
            OffHeap.setFloat(numbers + 24, stepSize);
            OffHeap.setFloat(numbers + 28, correction2);
            OffHeap.setFloat(numbers + 32, decay);
            NativeCall.call(RowCode.adam(), p, g, m, v, n, numbers);
            NativeScratch.give(numbers, 4 * AdamCode.NUMBERS);
        } else {
            inJava(p, g, m, v, decay, n);
        }
    }

    private void inJava(long p, long g, long m, long v, float decay, int n) {
        int whole = F.loopBound(n);
        loop(p, g, m, v, whole, beta1, rest1, beta2, rest2, eps, gradScale, stepSize, correction2, decay);
        if (whole < n) {
            tail(p + 4L * whole, g + 4L * whole, m + 4L * whole, v + 4L * whole, decay, n - whole);
        }
    }

    private static void loop(
            long p,
            long g,
            long m,
            long v,
            int n,
            float beta1,
            float rest1,
            float beta2,
            float rest2,
            float eps,
            float gradScale,
            float stepSize,
            float correction2,
            float decay) {
        FloatVector b1 = FloatVector.broadcast(F, beta1);
        FloatVector b2 = FloatVector.broadcast(F, beta2);
        FloatVector c2 = FloatVector.broadcast(F, correction2);
        FloatVector e = FloatVector.broadcast(F, eps);
        FloatVector d = FloatVector.broadcast(F, decay);
        for (int i = 0; i < n; i += L) {
            FloatVector grad = load(g + 4L * i).mul(gradScale);
            FloatVector m1 = load(m + 4L * i).fma(b1, grad.mul(rest1));
            FloatVector v1 = load(v + 4L * i).fma(b2, grad.mul(grad).mul(rest2));
            FloatVector p0 = load(p + 4L * i);
            m1.intoMemorySegment(ALL, m + 4L * i, ORDER);
            v1.intoMemorySegment(ALL, v + 4L * i, ORDER);
            FloatVector step = m1.mul(stepSize).div(v1.sqrt().fma(c2, e));
            p0.fma(d, p0).sub(step).intoMemorySegment(ALL, p + 4L * i, ORDER);
        }
    }

    /** The loop's body for less than a vector. */
    private void tail(long p, long g, long m, long v, float decay, int n) {
        VectorMask<Float> some = Lanes.first(n);
        FloatVector grad = load(g, some).mul(gradScale);
        FloatVector m1 = load(m, some).fma(Lanes.broadcast(beta1), grad.mul(rest1));
        FloatVector v1 =
                load(v, some).fma(Lanes.broadcast(beta2), grad.mul(grad).mul(rest2));
        FloatVector p0 = load(p, some);
        FloatVector step = m1.mul(stepSize).div(v1.sqrt().fma(Lanes.broadcast(correction2), Lanes.broadcast(eps)));
        Lanes.store(m1, m, some);
        Lanes.store(v1, v, some);
        Lanes.store(p0.fma(Lanes.broadcast(decay), p0).sub(step), p, some);
    }
}
