package io.quern.tensor.cpu;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.TensorException;
import io.quern.tensor.cpu.x86.MachineCode;
import io.quern.tensor.cpu.x86.MatrixUnit;
import io.quern.tensor.cpu.x86.RowsCode;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.BackendProvider;
import io.quern.tensor.spi.Finding;
import java.util.ArrayList;
import java.util.List;

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

    @Override
    public List<Finding> findings() {
        if (ModuleLayer.boot().findModule("jdk.incubator.vector").isEmpty()) {
            return List.of(Finding.missing(
                    "vectors",
                    "no Vector API, so kernels are scalar and many times slower",
                    "start java with --add-modules jdk.incubator.vector, or use the quern script and a whole JDK"));
        }
        List<Finding> all = new ArrayList<>();
        all.add(Finding.of("vectors", Lanes.F.vectorBitSize() + " bits, " + Lanes.L + " floats"));
        all.add(
                Fma.inHardware()
                        ? Finding.of("multiply_add", "fused, an instruction")
                        : Finding.missing(
                                "multiply_add",
                                "no instruction, so kernels are scalar and many times slower",
                                "use a processor with FMA (x86 since 2013), without -XX:UseAVX=0 or -XX:-UseFMA"));
        all.add(Finding.of(
                "machine_code",
                MachineCode.isUsed()
                        ? MachineCode.description() + ", for matrix products; quern.cpu.code=java turns it off"
                        : MachineCode.description()));
        all.add(Finding.of(
                "activations",
                RowsCode.fixes(DType.Q4_0)
                        ? "in fixed point of 20 to 24 bits for few rows and weights of 4 or 6;"
                                + " quern.cpu.activations=float turns it off"
                        : "in floats"));
        all.add(Finding.of("matrix_unit", MatrixUnit.description()));
        all.add(Finding.of(
                "threads", Workers.threads() + "; --threads, QUERN_THREADS or quern.threads sets another number"));
        all.add(Finding.of("dispatch", "by shape and dtype alone, so there is no table; see docs/kernels.md"));
        return all;
    }
}
