package io.quern.train.optim;

import io.quern.nn.Param;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Reduce;
import java.util.Collection;
import java.util.List;
import java.util.Objects;

/** Clipping of gradients by their global norm or by value, as torch.nn.utils.clip_grad_norm_ and clip_grad_value_ do it. */
public final class GradientClip {
    private GradientClip() {}

    /**
     * The Euclidean norm of all gradients of these parameters together; NaN or infinite if one of them is. 0 if there
     * are none.
     */
    public static double norm(Gradients gradients, Collection<Param> params) {
        return Scope.run(() -> norm(squaredNorm(gradients, params)));
    }

    /**
     * The square of {@link #norm} where the gradients are, F64 []: a device computes it while the program goes on, until
     * somebody reads it. Null if there are no gradients.
     */
    public static Tensor squaredNorm(Gradients gradients, Collection<Param> params) {
        List<Tensor> all = params.stream()
                .map(p -> gradients.of(p.value()))
                .filter(Objects::nonNull)
                .toList();
        return all.isEmpty() ? null : Tensor.run(new Reduce.SquaredNorm(all));
    }

    /** The norm that a {@link #squaredNorm} means; waits for it. */
    public static double norm(Tensor squared) {
        return squared == null ? 0 : Math.sqrt(squared.item());
    }

    /**
     * The factor that brings gradients of this norm to {@code maxNorm} at most: min(1, maxNorm / (norm + 1e-6)). Given
     * to the optimizer as its {@code gradScale}, it costs no sweep over the gradients.
     */
    public static double scale(double norm, double maxNorm) {
        return Math.min(1, maxNorm / (norm + 1e-6));
    }

    /** Brings every element of these gradients into [-limit, limit], in place. */
    public static void byValue(Gradients gradients, Collection<Param> params, double limit) {
        Tape.noGrad(() -> {
            for (Param p : params) {
                Tensor g = gradients.of(p.value());
                if (g != null) {
                    Scope.run(() -> {
                        Tensor top = Tensor.full(g.device(), g.dtype(), Shape.of(1), limit);
                        g.assign(g.minimum(top).maximum(top.neg()));
                        return null;
                    });
                }
            }
            return null;
        });
    }
}
