package io.quern.tensor.op;

/**
 * How {@link Update.GradientStep} moves a parameter p by its gradient g, element by element; with torch.optim's names and
 * definitions. {@code decay} is the weight decay of the parameter.
 */
public sealed interface OptimizerRule {
    /** As in error messages. */
    String label();

    /** Tensors of state beside each parameter. */
    int states();

    /**
     * g += decay * p; with momentum, m = momentum * m + (1 - dampening) * g, where m = g in the first step, and g is
     * replaced by m, or by g + momentum * m if {@code nesterov}; p -= lr * g. State: m if there is a momentum.
     */
    record Sgd(double momentum, double dampening, boolean nesterov) implements OptimizerRule {
        @Override
        public String label() {
            return "sgd";
        }

        @Override
        public int states() {
            return momentum == 0 ? 0 : 1;
        }
    }

    /**
     * g += decay * p; s += g^2; p -= lr / (1 + (step - 1) * lrDecay) * g / (sqrt(s) + eps). State: s. Source: Duchi,
     * Hazan and Singer (2011).
     */
    record Adagrad(double lrDecay, double eps) implements OptimizerRule {
        @Override
        public String label() {
            return "adagrad";
        }

        @Override
        public int states() {
            return 1;
        }
    }

    /**
     * g += decay * p; s = alpha * s + (1 - alpha) * g^2; if {@code centered}, a = alpha * a + (1 - alpha) * g and a^2 is
     * taken from s under the root; d = g / (sqrt(s) + eps); with momentum, m = momentum * m + d takes the place of d;
     * p -= lr * d. State: s, then a if centered, then m if there is a momentum. Source: Tieleman and Hinton (2012), Graves
     * (2013).
     */
    record RmsProp(double alpha, double eps, double momentum, boolean centered) implements OptimizerRule {
        @Override
        public String label() {
            return "rmsprop";
        }

        @Override
        public int states() {
            return 1 + (centered ? 1 : 0) + (momentum == 0 ? 0 : 1);
        }
    }

    /**
     * Adam with L2 decay, unlike {@link Update.AdamW}: g += decay * p; m = beta1 * m + (1 - beta1) * g;
     * v = beta2 * v + (1 - beta2) * g^2; p -= lr * mHat / (sqrt(vHat) + eps), with both moments corrected for their start
     * at 0. State: m, v. Source: Kingma and Ba (2015).
     */
    record Adam(double beta1, double beta2, double eps) implements OptimizerRule {
        @Override
        public String label() {
            return "adam";
        }

        @Override
        public int states() {
            return 2;
        }
    }

    /**
     * c = beta1 * m + (1 - beta1) * g; p -= lr * (sign(c) + decay * p); m = beta2 * m + (1 - beta2) * g. State: m. Source:
     * Chen et al., "Symbolic discovery of optimization algorithms" (2023).
     */
    record Lion(double beta1, double beta2) implements OptimizerRule {
        @Override
        public String label() {
            return "lion";
        }

        @Override
        public int states() {
            return 1;
        }
    }
}
