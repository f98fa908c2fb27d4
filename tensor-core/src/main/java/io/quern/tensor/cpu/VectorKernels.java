package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import io.quern.tensor.op.View;

/**
 * Kernels on the Vector API. They compute in F32: BF16 and F16 operands are widened before and results rounded after, but
 * for operations that only move elements, and for weights in products, which are widened while they are packed. F64 is
 * for references and gradient checks, and stays with the scalar twins.
 *
 * <p>Sums are cut by the shape alone (in matrix products by k alone), so a result is the same bits for any number of
 * threads.
 */
final class VectorKernels implements Kernels {
    private final Kernels scalar = new ScalarKernels();

    @Override
    public void run(Op op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Elementwise.Cast c -> CastKernels.cast(in[0], out[0]);
            case Elementwise e -> compute(op, in, out);
            case Reduce.SquaredNorm s when !anyIs(DType.F64, in) -> ReduceKernels.run(s, in, out);
            case Reduce r -> compute(op, in, out);
            case MatMul m
            when in[0].dtype() == DType.F32 && in[1].dtype() != DType.F32 ->
                MatMulKernels.weights(in[0], in[1], in[2], out[0]);
            case MatMul m when CastKernels.isHalf(in[0].dtype()) -> MatMulKernels.halves(in[0], in[1], in[2], out[0]);
            case MatMul m -> compute(op, in, out);
            case Norm n -> compute(op, in, out);
            case Attention a -> compute(op, in, out);
            case Conv c -> compute(op, in, out);
            case Pool p -> compute(op, in, out);
            case Index.EmbeddingGrad e -> compute(op, in, out);
            case Index i -> IndexKernels.run(i, in, out[0]);
            case Loss l -> compute(op, in, out);
            case Update.Assign a -> CopyKernels.copy(in[1], in[0]);
            case Update.Fill f -> UpdateKernels.fill(in[0], f.value());
            case Update.AdamW a when !anyIs(DType.F64, in) -> AdamKernels.run(a);
            case Update.GradientStep g when !anyIs(DType.F64, in) -> StepKernels.run(g);
            case Update u -> compute(op, in, out);
            case View v -> throw new IllegalStateException("a view runs nothing: " + v.name());
            case CustomOp c -> throw new IllegalStateException("a custom operation runs itself: " + c.name());
        }
    }

    /** The operations that a step of decoding is made of keep what their operands amount to; the others just run. */
    @Override
    public Runnable prepare(Op op, Tensor[] in, Tensor[] out, boolean fixed) {
        Runnable prepared = in[0] == null || in[0].dtype() != DType.F32
                ? null
                : switch (op) {
                    case MatMul m when fixed -> MatMulKernels.prepare(in[0], in[1], in[2], out[0]);
                    case Norm n when fixed -> NormKernels.prepare(n, in, out);
                    case Elementwise.BiasUnary u when fixed -> BiasKernels.prepare(u.kind(), in[0], in[1], out[0]);
                    case Attention.Forward a -> AttentionKernels.prepare(in, out, a.options());
                    default -> null;
                };
        return prepared == null ? () -> run(op, in, out) : prepared;
    }

    /** Operations that do arithmetic: in F32, or elsewhere by way of it. */
    private void compute(Op op, Tensor[] in, Tensor[] out) {
        DType dtype = computedIn(in, out);
        switch (dtype) {
            case F32 -> f32(op, in, out);
            case BF16, F16 -> widened(op, in, out);
            case F64 -> scalar.run(op, in, out);
            case Q8_0, Q4_0, Q4_K, Q6_K -> throw new IllegalStateException(op.name() + " on " + dtype);
            case I32 -> {
                if (op instanceof Elementwise.Where w) {
                    ElementwiseKernels.run(w, in, out); // moves words of 32 bits, whatever they mean
                } else {
                    scalar.run(op, in, out);
                }
            }
        }
    }

    private void f32(Op op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Elementwise e -> ElementwiseKernels.run(e, in, out);
            case Reduce r -> ReduceKernels.run(r, in, out);
            case MatMul m -> MatMulKernels.run(in[0], in[1], in[2], out[0]);
            case Norm n -> NormKernels.run(n, in, out);
            case Attention.Forward a -> AttentionKernels.forward(in, out, a.options());
            case Attention.Gradient a -> AttentionKernels.backward(in, out, a.options());
            case Conv c -> ConvKernels.run(c, in, out[0]);
            case Pool p -> PoolKernels.run(p, in, out);
            case Index i -> IndexKernels.run(i, in, out[0]);
            case Loss l -> LossKernels.run(l, in, out);
            case Update.Accumulate a -> UpdateKernels.accumulate(in[0], in[1], (float) a.factor());
            case Update u -> scalar.run(op, in, out);
            case View v -> throw new IllegalStateException(v.name());
            case CustomOp c -> throw new IllegalStateException(c.name());
        }
    }

    /** The dtype of the first floating-point operand; I32 if there is none. */
    private static DType computedIn(Tensor[] in, Tensor[] out) {
        for (Tensor t : in) {
            if (t != null && t.dtype().isFloating()) {
                return t.dtype();
            }
        }
        return DType.I32;
    }

    private static boolean anyIs(DType dtype, Tensor[] in) {
        for (Tensor t : in) {
            if (t.dtype() == dtype) {
                return true;
            }
        }
        return false;
    }

    /** Runs the F32 kernel between a widening of the operands and a rounding of the results. */
    private void widened(Op op, Tensor[] in, Tensor[] out) {
        Tensor[] wideIn = in.clone();
        Tensor[] wideOut = out.clone();
        try {
            for (int i = 0; i < in.length; i++) {
                if (in[i] != null && CastKernels.isHalf(in[i].dtype())) {
                    wideIn[i] = CastKernels.widened(in[i]);
                }
            }
            for (int i = 0; i < out.length; i++) {
                if (CastKernels.isHalf(out[i].dtype())) {
                    wideOut[i] = Tensor.empty(Device.CPU, DType.F32, out[i].shape());
                }
            }
            f32(op, wideIn, wideOut);
            for (int i = 0; i < out.length; i++) {
                if (wideOut[i] != out[i]) {
                    CastKernels.narrow(wideOut[i], out[i]);
                }
            }
            if (op instanceof Update.Accumulate) {
                CastKernels.narrow(wideIn[0], in[0]);
            }
        } finally {
            closeOthers(wideIn, in);
            closeOthers(wideOut, out);
        }
    }

    private static void closeOthers(Tensor[] all, Tensor[] kept) {
        for (int i = 0; i < all.length; i++) {
            if (all[i] != kept[i]) {
                all[i].close();
            }
        }
    }

    @Override
    public String kernel(Op op, Tensor[] in, Tensor[] out) {
        return KernelNames.of(op, in, out);
    }

    @Override
    public String description() {
        return "Vector API kernels, " + Lanes.F.vectorBitSize() + " bits, " + MachineCode.description() + ", "
                + Workers.threads() + " threads";
    }
}
