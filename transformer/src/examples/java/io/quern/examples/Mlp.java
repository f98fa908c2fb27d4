package io.quern.examples;

import io.quern.nn.Dropout;
import io.quern.nn.Init;
import io.quern.nn.Linear;
import io.quern.nn.Module;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;

/** A multi-layer perceptron: linear layers, and between each two an activation and dropout. */
final class Mlp extends Module {
    private final List<Linear> layers = new ArrayList<>();
    private final UnaryOperator<Tensor> activation;
    private final Dropout dropout;

    /** @param widths of the input, of each hidden layer and of the output */
    Mlp(UnaryOperator<Tensor> activation, double dropout, long seed, int... widths) {
        this.activation = activation;
        this.dropout = new Dropout(dropout);
        for (int i = 0; i + 1 < widths.length; i++) {
            int in = widths[i];
            int out = widths[i + 1];
            // He et al. (2015): with this spread ReLU keeps the size of what passes through many layers.
            Init init = Init.normal(seed, Math.sqrt(2.0 / in)).at("layer" + i + ".");
            layers.add(child("layer" + i, new Linear(init.make("weight", Shape.of(out, in)), Tensor.zeros(out))));
        }
    }

    /** x [B, in] to logits [B, out]. */
    Tensor forward(Tensor x) {
        Tensor h = x;
        for (Linear layer : layers.subList(0, layers.size() - 1)) {
            h = dropout.forward(activation.apply(layer.forward(h)));
        }
        return layers.getLast().forward(h);
    }
}
