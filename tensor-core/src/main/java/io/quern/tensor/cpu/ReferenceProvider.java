package io.quern.tensor.cpu;

import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;

/**
 * Provides {@code reference}: the scalar twins of all kernels as a device of its own, beside the CPU's vector kernels, for
 * others to be compared with.
 */
public final class ReferenceProvider implements BackendProvider {
    @Override
    public String kind() {
        return "reference";
    }

    @Override
    public Backend open(int index) {
        if (index != 0) {
            throw new TensorException("there is one reference device, reference; found reference:" + index);
        }
        return new CpuBackend(new Device("reference", 0), new ScalarKernels("scalar kernels, computing in float64"));
    }
}
