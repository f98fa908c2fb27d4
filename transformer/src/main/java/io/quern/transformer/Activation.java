package io.quern.transformer;

import io.quern.tensor.Tensor;
import java.util.Arrays;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** The non-linearity of a feed-forward layer, by the names that Hugging Face's configurations use. */
public enum Activation {
    /** GPT-2's GELU, approximated by tanh. */
    GELU_NEW("gelu_new", Tensor::geluTanh),
    /** The same under PyTorch's name. */
    GELU_PYTORCH_TANH("gelu_pytorch_tanh", Tensor::geluTanh),
    /** The exact GELU, by erf. */
    GELU("gelu", Tensor::gelu),
    RELU("relu", Tensor::relu),
    SILU("silu", Tensor::silu);

    private final String label;
    private final UnaryOperator<Tensor> function;

    Activation(String label, UnaryOperator<Tensor> function) {
        this.label = label;
        this.function = function;
    }

    public Tensor apply(Tensor x) {
        return function.apply(x);
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
