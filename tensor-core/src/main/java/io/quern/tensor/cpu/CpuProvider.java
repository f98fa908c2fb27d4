package io.quern.tensor.cpu;

import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;

/** Provides the one CPU device. */
public final class CpuProvider implements BackendProvider {
    @Override
    public String kind() {
        return "cpu";
    }

    @Override
    public Backend open(int index) {
        if (index != 0) {
            throw new TensorException("there is one CPU device, cpu; found cpu:" + index);
        }
        return new CpuBackend(Device.CPU, Kernels.select());
    }
}
