package io.quern.transformer;

import io.quern.nn.Losses;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import java.util.Arrays;

/**
 * How well a model predicts a text.
 *
 * @param loss mean natural-log loss of a predicted token
 * @param tokens how many were predicted
 */
public record Perplexity(double loss, long tokens) {
    /** exp(loss): how many equally likely tokens the model chooses between, on average. */
    public double perplexity() {
        return Math.exp(loss);
    }

    /**
     * Cuts the tokens into windows, the last as long as what is left, and predicts all tokens of a window but its first:
     * the mean that transformers' loss gives for labels equal to the inputs.
     *
     * @param window tokens in a window, at most the model's context length
     * @throws TensorException if there are less than two tokens
     */
    public static Perplexity of(CausalLanguageModel model, int[] ids, int window) {
        if (window < 2 || window > model.contextLength()) {
            throw new TensorException(
                    "a window must have 2 to " + model.contextLength() + " tokens, the model's context; not " + window);
        }
        if (ids.length < 2) {
            throw new TensorException("the text has " + ids.length + " tokens; at least 2 are needed to predict one");
        }
        double sum = 0;
        long count = 0;
        for (int at = 0; at < ids.length; at += window) {
            int n = Math.min(window, ids.length - at) - 1;
            if (n < 1) {
                break;
            }
            int[] inputs = Arrays.copyOfRange(ids, at, at + n);
            int[] targets = Arrays.copyOfRange(ids, at + 1, at + 1 + n);
            sum += n
                    * Scope.run(() -> Tape.noGrad(() -> {
                        Tensor logits = model.logits(Tensor.of(inputs, 1, n));
                        return Losses.crossEntropy(
                                        logits, Tensor.of(targets, 1, n).to(model.device()))
                                .item();
                    }));
            count += n;
        }
        return new Perplexity(sum / count, count);
    }
}
