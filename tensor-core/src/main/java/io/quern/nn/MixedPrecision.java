package io.quern.nn;

import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.IdentityHashMap;
import java.util.Map;

/**
 * Computes with copies of parameters in fewer bits, while the parameters themselves keep all of theirs. An update is often
 * smaller than half a step of BF16, so it would be lost if the weights themselves were BF16. The copies are made by a cast that
 * the tape follows: gradients come back in the dtype of the parameters. Source: Micikevicius et al., "Mixed precision training"
 * (2018); BF16 has the exponents of F32 and needs no scaling of the loss.
 */
public final class MixedPrecision {
    private static final ScopedValue<Map<Param, Tensor>> COPIES = ScopedValue.newInstance();

    private MixedPrecision() {}

    /**
     * Runs {@code body}, in which the F32 parameters of {@code module} have their values in {@code type}. The copies live until
     * its end, those that gradients need until then.
     *
     * @param type BF16, or F32 for no copies
     * @throws TensorException for other types: the small gradients of F16 would need a scaled loss
     */
    public static <R, X extends Throwable> R run(Module module, DType type, ScopedValue.CallableOp<? extends R, X> body)
            throws X {
        check(type);
        if (type == DType.F32) {
            return body.call();
        }
        return Scope.tidy(() -> {
            Map<Param, Tensor> copies = new IdentityHashMap<>();
            for (Param p : module.parameters().values()) {
                Tensor value = p.value();
                if (value.dtype() == DType.F32) {
                    copies.put(p, value.cast(type).named(p.name()));
                }
            }
            return ScopedValue.where(COPIES, copies).call(body);
        });
    }

    /** @throws TensorException unless training can compute in this type */
    public static void check(DType type) {
        if (type != DType.F32 && type != DType.BF16) {
            throw new TensorException("training computes in F32 or BF16, not in " + type);
        }
    }

    /** What a parameter counts as here: its copy, or else its value. */
    static Tensor of(Param p, Tensor value) {
        if (!COPIES.isBound()) {
            return value;
        }
        Tensor copy = COPIES.get().get(p);
        return copy == null ? value : copy;
    }
}
