package io.quern.tensor.spi;

import java.util.List;

/** Opens the devices of one kind; found through {@link java.util.ServiceLoader}. */
public interface BackendProvider {
    /** The kind of device, such as {@code cpu} or {@code cuda}. */
    String kind();

    /** What was looked for to open devices, where, and what was found: lines for people; never throws. */
    default List<String> search() {
        return List.of();
    }

    /**
     * Opens device {@code index}.
     *
     * @throws io.quern.tensor.TensorException if it cannot be used, with the cause and the remedy
     */
    Backend open(int index);

    /** What this kind of device needs and what of it is here, for people; does not throw. */
    default List<Finding> findings() {
        return List.of();
    }
}
