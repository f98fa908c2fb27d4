package io.quern.tensor.file;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;

/** Turns entries of weight files into tensors. */
public final class Weights {
    private Weights() {}

    /** Whether the entry holds numbers that can become floating-point ones or weights. */
    public static boolean isReal(WeightEntry entry) {
        DType stored = entry.type().dtype();
        return stored != null && (stored.isFloating() || stored.isQuantized());
    }

    /**
     * A CPU tensor of the given dtype with a copy of the entry. Of a transposed entry it is a transposed view, so that
     * what is quantised along the columns of the file stays so.
     *
     * @throws TensorException if the entry's type cannot become this dtype
     */
    public static Tensor copy(WeightEntry entry, DType dtype) {
        DType stored = entry.type().dtype();
        boolean real = dtype.isFloating() || dtype.isQuantized();
        if (stored == null || isReal(entry) != real) {
            throw new TensorException(entry.file() + ": tensor '" + entry.name() + "' is stored as " + entry.type()
                    + " and cannot become " + dtype);
        }
        Tensor t = Tensor.from(Device.CPU, stored, entry.stored(), entry.data());
        if (stored != dtype) {
            Tensor wide = t;
            try {
                t = wide.cast(dtype);
            } finally {
                wide.close();
            }
        }
        return entry.transposed() ? t.transpose(0, 1) : t;
    }

    /**
     * Whether {@link #map} can use the entry where it lies: it has the right type, and its elements are aligned.
     */
    public static boolean isMappable(WeightEntry entry, DType dtype) {
        return entry.type().dtype() == dtype
                && entry.data().isNative()
                && (dtype.isQuantized() || entry.data().address() % dtype.bytes() == 0);
    }

    /**
     * A CPU tensor over the entry's bytes, which are not copied; read-only. The source must stay open until
     * {@code onFree} is run.
     *
     * @throws TensorException if no dtype has the bits of the entry's type
     */
    public static Tensor map(WeightEntry entry, Runnable onFree) {
        DType stored = entry.type().dtype();
        if (stored == null) {
            throw new TensorException(entry.file() + ": tensor '" + entry.name() + "' is stored as " + entry.type()
                    + ", which tensors do not have");
        }
        Tensor t = Tensor.wrap(entry.data(), stored, entry.stored(), onFree);
        return entry.transposed() ? t.transpose(0, 1) : t;
    }
}
