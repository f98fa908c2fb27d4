package io.quern.cuda;

import io.quern.cuda.driver.Driver;
import io.quern.cuda.driver.DriverFindings;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;
import io.quern.tensor.spi.Finding;
import java.util.List;

/** Opens NVIDIA cards; found through {@link java.util.ServiceLoader}. */
public final class CudaProvider implements BackendProvider {
    @Override
    public String kind() {
        return "cuda";
    }

    @Override
    public List<String> search() {
        return Driver.get().search();
    }

    @Override
    public Backend open(int index) {
        return new CudaBackend(Driver.get().open(index), index);
    }

    @Override
    public List<Finding> findings() {
        return DriverFindings.all();
    }
}
