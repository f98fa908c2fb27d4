package io.quern.tensor.file;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;

/** Turns entries of weight files into tensors. */
public final class Weights {
    private Weights() {}

    /** A CPU tensor of the given dtype with a copy of the entry. */
    public static Tensor copy(WeightEntry entry, DType dtype) {
        DType stored = entry.type().dtype();
        if (stored == null || stored.isFloating() != dtype.isFloating()) {
            throw new TensorException(entry.file() + ": tensor '" + entry.name() + "' is stored as " + entry.type()
                    + " and cannot become " + dtype);
        }
        Tensor t = Tensor.from(Device.CPU, stored, entry.shape(), entry.data());
        if (stored == dtype) {
            return t;
        }
        Tensor cast = t.cast(dtype);
        t.close();
        return cast;
    }

    /**
     * Whether {@link #map} can use the entry where it lies: it has the right type, and its elements are aligned.
     */
    public static boolean isMappable(WeightEntry entry, DType dtype) {
        return entry.type().dtype() == dtype
                && entry.data().isNative()
                && entry.data().address() % dtype.bytes() == 0;
    }

    /**
     * A CPU tensor over the entry's bytes, which are not copied; read-only. The source must stay open until
     * {@code onFree} is run.
     */
    public static Tensor map(WeightEntry entry, Runnable onFree) {
        return Tensor.wrap(entry.data(), entry.type().dtype(), entry.shape(), onFree);
    }
}
