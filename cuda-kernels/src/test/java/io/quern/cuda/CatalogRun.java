package io.quern.cuda;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.check.Compare;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.Tolerance;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Op;
import java.util.ArrayList;
import java.util.List;

/** Runs cases of the catalogue on the device and on the scalar twins. */
final class CatalogRun {
    static final long SEED = 20;
    static final Device CUDA = new Device("cuda", 0);

    private CatalogRun() {}

    static CudaBackend backend() {
        return (CudaBackend) CUDA.backend();
    }

    /** What is wrong with the results of a case; nothing if all is well. Call it in a scope. */
    static List<String> compare(OpCase c, DType dtype) {
        List<Tensor> host = c.operands(SEED, dtype, Device.CPU);
        List<Tensor> there = c.operands(SEED, dtype, CUDA);
        Op op = c.op(host);
        List<Tensor> want = c.run(host);
        List<Tensor> got = c.run(there);
        List<String> wrong = new ArrayList<>();
        for (int i = 0; i < want.size(); i++) {
            Tolerance t = tolerance(op, dtype, got.get(i).dtype());
            Compare.Result r = Compare.tensors(c.name() + " " + dtype + " result " + i, want.get(i), got.get(i), t);
            if (!r.ok()) {
                wrong.add(r.message());
            }
        }
        return wrong;
    }

    /** The tensor cores take the weights of attention, and their gradients, rounded to the dtype of its operands. */
    private static Tolerance tolerance(Op op, DType dtype, DType result) {
        Tolerance t = Tolerance.of(op, result);
        boolean rounded = op instanceof Attention && (dtype == DType.BF16 || dtype == DType.F16);
        return rounded ? new Tolerance(t.abs() + 2 * Tolerance.unit(dtype), t.rel()) : t;
    }
}
