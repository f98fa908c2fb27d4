package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import io.quern.tensor.cpu.x86.BinaryCode;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;

/** What {@link VectorKernels} and {@link Gemm} choose for an operation, in words for recordings. */
final class KernelNames {
    private KernelNames() {}

    static String of(Op op, Tensor[] in, Tensor[] out) {
        DType first = first(in);
        return switch (op) {
            case CustomOp c -> "custom";
            case MatMul m when first != DType.F64 -> product(in[0], in[1], out[0]);
            case Attention.Forward a when first == DType.F32 -> attention(a, in[0]);
            case Attention.Gradient a
            when first == DType.F32
                    && AttentionTiles.serves(in[0].dim(3), false, a.options().scale()) -> "tiles, machine code";
            case Elementwise.Cast c -> CastKernels.isInCode(first, out[0].dtype()) ? "machine code" : vectors();
            case Index.EmbeddingGrad e -> first == DType.F64 ? "scalar" : vectors();
            case Index i -> "copy";
            case Update.Assign a -> "copy";
            case Update.Fill f -> "copy";
            case Elementwise.Where w -> first == DType.F64 ? "scalar" : vectors();
            case Elementwise.Binary b when !BinaryCode.has(b.kind()) -> computed(first, vectors());
            case Elementwise.Unary u -> computed(first, rows());
            case Elementwise.UnaryGrad u -> computed(first, rows());
            case Elementwise.BiasUnary u -> computed(first, rows());
            case Elementwise.BiasUnaryGrad u -> computed(first, rows());
            case Elementwise.Binary b -> computed(first, rows());
            case Reduce.Softmax s -> computed(first, rows());
            case Reduce.SoftmaxGrad s -> computed(first, rows());
            case Reduce.TopK t -> computed(first, rows());
            case Reduce.SquaredNorm s -> computed(first, rows());
            case Norm n -> computed(first, rows());
            case Loss l -> computed(first, rows());
            case Update.AdamW a -> computed(first, rows());
            case Update.Accumulate a -> computed(first, rows());
            default -> computed(first, vectors());
        };
    }

    private static String computed(DType in, String kernel) {
        return in == DType.F64 || in == DType.I32 ? "scalar" : kernel;
    }

    /** Of rows and elements. */
    private static String rows() {
        return MachineCode.isUsed() ? "machine code" : vectors();
    }

    private static String attention(Attention.Forward a, Tensor q) {
        if (AttentionKernels.isRows(q)) {
            return AttentionMachine.serves(q.dim(3)) ? "rows, machine code" : "rows, " + vectors();
        }
        return AttentionTiles.serves(q.dim(3), a.rows() != null, a.options().scale())
                ? "tiles, machine code"
                : "tiles, " + vectors();
    }

    private static String vectors() {
        return "vectors of " + Lanes.F.vectorBitSize() + " bits";
    }

    private static String product(Tensor a, Tensor b, Tensor out) {
        if (out.size() == 0) {
            return "none";
        }
        long rows = MatMulKernels.oneMatrix(a, b, out) ? out.size() / out.dim(-1) : a.dim(-2);
        boolean alongK = MatMulKernels.row(b) == 1;
        boolean alongN = MatMulKernels.column(b) == 1;
        if (rows <= Gemv.ROWS && a.dim(-1) > 0 && (alongK || alongN)) {
            boolean rowwise = alongK && (!alongN || out.dim(-1) == 1);
            return (rowwise ? "gemv, rows" : "gemv, columns")
                    + (GemvMachine.serves(b.dtype(), rowwise) ? ", machine code" : "");
        }
        if (AmxMachine.serves(b.dtype(), rows, out.dim(-1), a.dim(-1))) {
            return "gemm, AMX";
        }
        return "gemm, " + (MachineCode.isUsed() ? "machine code" : vectors());
    }

    /** Of the first operand with fractions, in which kernels compute; I32 if there is none. */
    private static DType first(Tensor[] in) {
        for (Tensor t : in) {
            if (t != null && t.dtype().isFloating()) {
                return t.dtype();
            }
        }
        return DType.I32;
    }
}
