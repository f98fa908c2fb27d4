package io.quern.tensor.spi;

/** Opens the devices of one kind; found through {@link java.util.ServiceLoader}. */
public interface BackendProvider {
    /** The kind of device, such as {@code cpu} or {@code cuda}. */
    String kind();

    /**
     * Opens device {@code index}.
     *
     * @throws io.quern.tensor.TensorException if it cannot be used, with the cause and the remedy
     */
    Backend open(int index);
}
