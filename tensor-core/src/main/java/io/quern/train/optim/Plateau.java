package io.quern.train.optim;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Multiplies the rate by a factor when the validation loss has not fallen for a while, as
 * torch.optim.lr_scheduler.ReduceLROnPlateau does in mode "min" with a relative threshold. One step of PyTorch's is one
 * {@link #observe} here: patience and cool-down count validations, not updates.
 */
public final class Plateau implements Schedule {
    /** Smaller reductions are not made; PyTorch's eps. */
    private static final double SMALLEST_CHANGE = 1e-8;

    private final double factor;
    private final int patience;
    private final double threshold;
    private final int cooldown;
    private final double minLr;

    private double lr;
    private double best = Double.POSITIVE_INFINITY;
    private int bad;
    private int cooling;

    /**
     * @param lr the rate at the beginning
     * @param factor below 1; PyTorch's default is 0.1
     * @param patience validations without a better loss that are borne; PyTorch's default is 10
     * @param threshold a loss is better if it is below best * (1 - threshold); PyTorch's default is 1e-4
     * @param cooldown validations after a reduction that do not count as bad
     * @param minLr the rate is not lowered further
     */
    public Plateau(double lr, double factor, int patience, double threshold, int cooldown, double minLr) {
        if (!(factor > 0 && factor < 1)) {
            throw new IllegalArgumentException("plateau: the factor must be between 0 and 1, not " + factor);
        }
        if (patience < 0 || cooldown < 0 || !(threshold >= 0 && threshold < 1)) {
            throw new IllegalArgumentException("plateau: patience and cool-down must be 0 or more and the threshold in"
                    + " [0, 1), not " + patience + ", " + cooldown + " and " + threshold);
        }
        this.lr = lr;
        this.factor = factor;
        this.patience = patience;
        this.threshold = threshold;
        this.cooldown = cooldown;
        this.minLr = minLr;
    }

    @Override
    public double at(long step) {
        return lr;
    }

    @Override
    public void observe(double validationLoss) {
        if (validationLoss < best * (1 - threshold) || best == Double.POSITIVE_INFINITY) {
            best = validationLoss;
            bad = 0;
        } else {
            bad++;
        }
        if (cooling > 0) {
            cooling--;
            bad = 0;
        }
        if (bad > patience) {
            double lower = Math.max(lr * factor, minLr);
            if (lr - lower > SMALLEST_CHANGE) {
                lr = lower;
            }
            cooling = cooldown;
            bad = 0;
        }
    }

    @Override
    public Map<String, Double> state() {
        Map<String, Double> state = new LinkedHashMap<>();
        state.put("lr", lr);
        if (Double.isFinite(best)) {
            state.put("best", best);
        }
        state.put("bad", (double) bad);
        state.put("cooling", (double) cooling);
        return state;
    }

    @Override
    public void restore(Map<String, Double> state) {
        if (!state.containsKey("lr") || !state.containsKey("bad") || !state.containsKey("cooling")) {
            throw new IllegalArgumentException(
                    "a plateau schedule needs its lr, bad and cooling back, but the state has " + state.keySet()
                            + ": it is of another schedule");
        }
        lr = state.get("lr");
        best = state.getOrDefault("best", Double.POSITIVE_INFINITY);
        bad = state.get("bad").intValue();
        cooling = state.get("cooling").intValue();
    }
}
