package io.quern.nn;

import io.quern.tensor.Device;
import io.quern.tensor.Shape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;

/** A named, trainable tensor of a {@link Module}: its long-lived home, which frees it on {@link #close()}. */
public final class Param implements AutoCloseable {
    private Tensor value;
    private String name;

    Param(String name, Tensor value) {
        this.name = name;
        this.value = value.keep().named(name);
        if (value.dtype().isFloating()) {
            value.requireGrad();
        }
    }

    /** The path from the root module, such as {@code transformer.h.0.ln_1.weight}; set when the module is named. */
    public String name() {
        return name;
    }

    void rename(String path) {
        name = path;
        value.named(path);
    }

    /** The tensor, or within {@link MixedPrecision} its copy. */
    public Tensor value() {
        return MixedPrecision.of(this, value);
    }

    public Shape shape() {
        return value.shape();
    }

    /**
     * Replaces the tensor, which is taken out of its scope, and frees the old one.
     *
     * @throws TensorException if the shape differs
     */
    public void set(Tensor replacement) {
        if (!replacement.shape().equals(value.shape())) {
            throw new TensorException(
                    "parameter " + name + " has shape " + value.shape() + "; cannot become " + replacement.describe());
        }
        boolean follow = value.requiresGrad();
        Tensor old = value;
        value = replacement.keep().named(name);
        if (follow && value.dtype().isFloating()) {
            value.requireGrad();
        }
        old.close();
    }

    /** Whether the parameter is trained; never so if it is quantised. */
    public boolean isTrainable() {
        return value.requiresGrad();
    }

    public void setTrainable(boolean trainable) {
        if (trainable) {
            value.requireGrad();
        } else {
            value.freeze();
        }
    }

    void moveTo(Device device) {
        if (!value.device().equals(device)) {
            set(value.to(device));
        }
    }

    @Override
    public void close() {
        value.close();
    }
}
