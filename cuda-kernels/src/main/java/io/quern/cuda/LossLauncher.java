package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.Launch;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.Loss;

/** Launches the kernels of {@code loss.cu}. */
final class LossLauncher {
    private final CudaDevice device;

    LossLauncher(CudaDevice device) {
        this.device = device;
    }

    void run(Loss op, Tensor[] in, Tensor[] out) {
        switch (op) {
            case Loss.CrossEntropy c -> {
                Launch launch = start("cross_entropy", in)
                        .i64(out[0].address())
                        .i64(out[1].address())
                        .i64(out[2].address());
                finish(launch, in[0], c.ignoreIndex(), c.smoothing());
            }
            case Loss.CrossEntropyGrad c -> {
                Launch launch = start("cross_entropy_grad", in)
                        .i64(in[3].address())
                        .i64(in[4].address())
                        .i64(out[0].address());
                finish(launch, in[0], c.ignoreIndex(), c.smoothing());
            }
        }
    }

    private Launch start(String kernel, Tensor[] in) {
        return device.launch(Kernels.named(kernel, in[0].dtype()))
                .i64(in[0].address())
                .i64(in[0].stride(0))
                .i64(in[1].address())
                .i64(Kernels.address(in[2]));
    }

    private void finish(Launch launch, Tensor logits, int ignoreIndex, double smoothing) {
        long rows = logits.dim(0);
        launch.i64(rows)
                .i64(logits.dim(1))
                .i64(ignoreIndex)
                .f64(smoothing)
                .i64(device.faultAddress())
                .run(Kernels.rows(rows), 1, 1, Kernels.REDUCING);
    }
}
