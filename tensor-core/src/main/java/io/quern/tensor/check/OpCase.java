package io.quern.tensor.check;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Update;
import io.quern.tensor.op.View;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * One operation on operands of one form.
 *
 * @param name unique, such as {@code matmul [3, 5] x [5, 7]}
 * @param dtypes that the operation takes here
 * @param differentiable indices of the operands whose gradient finite differences can check
 * @param operands draws the operands, packed
 * @param build the operation on such operands; it may put views of them to use
 */
public record OpCase(
        String name,
        Set<DType> dtypes,
        Set<Integer> differentiable,
        Function<Draw, List<Tensor>> operands,
        Function<List<Tensor>, Op> build) {
    private static final Set<DType> FLOATING = EnumSet.of(DType.F32, DType.F64, DType.BF16, DType.F16);

    /** A case for every floating-point dtype; all operands of the given indices are differentiable. */
    static OpCase of(
            String name, Function<Draw, List<Tensor>> operands, Function<List<Tensor>, Op> build, Integer... indices) {
        return new OpCase(name, FLOATING, Set.of(indices), operands, build);
    }

    /** The same case for I32 as well. */
    OpCase andIntegers() {
        return new OpCase(
                name,
                EnumSet.of(DType.F32, DType.F64, DType.BF16, DType.F16, DType.I32),
                differentiable,
                operands,
                build);
    }

    /** Operands in a dtype on a device; the same numbers for the same seed. */
    public List<Tensor> operands(long seed, DType dtype, Device device) {
        return operands.apply(new Draw(seed, dtype, device));
    }

    /** The operation as it would run, for its name, cost and tolerance. */
    public Op op(List<Tensor> operands) {
        return build.apply(operands);
    }

    /** Runs the operation: its results, or for an update in place the operands after it. */
    public List<Tensor> run(List<Tensor> operands) {
        Op op = build.apply(operands);
        if (op instanceof View view) {
            return List.of(
                    switch (view) {
                        case View.Reshape v -> v.x().reshape(v.shape());
                        case View.Permute v ->
                            v.x().permute(v.order().stream().mapToInt(i -> i).toArray());
                        case View.Expand v -> v.x().expand(v.shape());
                        case View.Narrow v -> v.x().narrow(v.axis(), v.start(), v.length());
                    });
        }
        List<Tensor> results = Tensor.runAll(op);
        return op instanceof Update ? operands : results;
    }

    @Override
    public String toString() {
        return name;
    }
}
