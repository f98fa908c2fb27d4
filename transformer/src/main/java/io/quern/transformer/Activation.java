package io.quern.transformer;

import io.quern.tensor.Tensor;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Elementwise.UnaryKind;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Collectors;

/** The non-linearity of a feed-forward layer, by the names that Hugging Face's configurations use. */
public enum Activation {
    /** GPT-2's GELU, approximated by tanh. */
    GELU_NEW("gelu_new", UnaryKind.GELU_TANH),
    /** The same under PyTorch's name. */
    GELU_PYTORCH_TANH("gelu_pytorch_tanh", UnaryKind.GELU_TANH),
    /** The exact GELU, by erf. */
    GELU("gelu", UnaryKind.GELU),
    RELU("relu", UnaryKind.RELU),
    SILU("silu", UnaryKind.SILU);

    private final String label;
    private final UnaryKind function;

    Activation(String label, UnaryKind function) {
        this.label = label;
        this.function = function;
    }

    public Tensor apply(Tensor x) {
        return Tensor.run(new Elementwise.Unary(function, x));
    }

    /** The function of each element. */
    public UnaryKind function() {
        return function;
    }

    /** The name in configurations. */
    public String label() {
        return label;
    }

    /** The activation called {@code label}. */
    public static Optional<Activation> find(String label) {
        return Arrays.stream(values()).filter(a -> a.label.equals(label)).findFirst();
    }

    /** All names, for messages. */
    public static String labels() {
        return Arrays.stream(values()).map(Activation::label).collect(Collectors.joining(", "));
    }
}
