package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import io.quern.cuda.driver.Driver;
import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Attention;
import io.quern.tensor.op.Conv;
import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Index;
import io.quern.tensor.op.Loss;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Norm;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Pool;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.op.Update;
import io.quern.tensor.op.View;
import io.quern.tensor.spi.Backend;
import io.quern.tensor.spi.Buffer;
import io.quern.tensor.spi.MemoryStats;
import io.quern.tensor.spi.SizeClass;
import io.quern.tensor.spi.Tunable;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A CUDA device. Operations are started on one stream, in order, and run while the host goes on; reading waits for them.
 * Wrong operands that only kernels can see, such as ids outside a table, are reported by the next read.
 */
final class CudaBackend implements Backend, Tunable {
    private final CudaDevice device;
    private final Device name;
    private final CudaPool pool;
    private final ElementwiseLauncher elementwise;
    private final ReduceLauncher reduce;
    private final MatMulLauncher matmul;
    private final NormLauncher norm;
    private final AttentionLauncher attention;
    private final ConvLauncher conv;
    private final IndexLauncher index;
    private final LossLauncher loss;
    private final UpdateLauncher update;
    private final KernelChoices choices;
    private final ProductChooser chooser;
    private final KernelTuner tuner;

    CudaBackend(CudaDevice device, int index) {
        this.device = device;
        this.name = new Device("cuda", index);
        this.pool = new CudaPool(device);
        Together together = new Together(device);
        this.elementwise = new ElementwiseLauncher(device, pool, together);
        this.reduce = new ReduceLauncher(device, pool);
        this.choices = new KernelChoices(device, KernelTableFile.of(device, device.kernelsHash()));
        this.chooser = new ProductChooser(
                device.multiprocessors(),
                device.hasCublas(),
                Boolean.getBoolean("quern.cuda.tf32"),
                device.isHopper() && !"off".equals(System.getProperty(ProductChooser.HOPPER_SWITCH)),
                choices.table());
        chooser.choose(usualProducts());
        this.tuner = new KernelTuner(device, chooser, choices);
        this.matmul = new MatMulLauncher(device, chooser);
        this.norm = new NormLauncher(device, pool);
        this.attention = new AttentionLauncher(device, pool);
        this.conv = new ConvLauncher(device);
        this.index = new IndexLauncher(device, together);
        this.loss = new LossLauncher(device);
        this.update = new UpdateLauncher(device, this.index, together);
    }

    private static String usualProducts() {
        return System.getProperty("quern.cuda.gemm", "auto");
    }

    ProductChooser products() {
        return chooser;
    }

    KernelChoices kernelChoices() {
        return choices;
    }

    CudaPool pool() {
        return pool;
    }

    CudaDevice card() {
        return device;
    }

    /** Waits for all that was started. */
    void synchronize() {
        device.synchronize();
    }

    @Override
    public Device device() {
        return name;
    }

    @Override
    public String description() {
        return device.description() + "; matrix products: " + chooser.description() + "; " + choices.summary()
                + "; CUDA graphs: "
                + device.graphState() + " (" + Driver.get().libraries() + ")";
    }

    @Override
    public void choose(String products) {
        synchronized (device) {
            chooser.choose(products == null ? usualProducts() : products);
        }
    }

    @Override
    public List<Timing> tune(List<Op> ops, double seconds) {
        synchronized (device) {
            return tuner.tune(ops, seconds);
        }
    }

    @Override
    public Path saveTable() throws IOException {
        synchronized (device) {
            return choices.save();
        }
    }

    @Override
    public List<String> table() {
        synchronized (device) {
            return choices.describe();
        }
    }

    @Override
    public Map<String, String> choices() {
        synchronized (device) {
            return chooser.taken();
        }
    }

    @Override
    public Buffer allocate(long bytes) {
        return pool.allocate(this, bytes);
    }

    @Override
    public void run(Op op, Tensor[] in, Tensor[] out) {
        synchronized (device) {
            try {
                switch (op) {
                    case Elementwise e -> elementwise.run(e, in, out);
                    case Reduce r -> reduce.run(r, in, out);
                    case MatMul m -> matmul.run(in[0], in[1], in[2], out[0]);
                    case Norm n -> norm.run(n, in, out);
                    case Attention a -> attention.run(a, in, out);
                    case Conv c -> conv.run(c, in, out[0]);
                    case Pool p -> conv.run(p, in, out);
                    case Index i -> index.run(i, in, out[0]);
                    case Loss l -> loss.run(l, in, out);
                    case Update u -> update.run(u, in);
                    case View v -> throw new IllegalStateException("a view runs nothing: " + v.name());
                    case CustomOp c -> throw new IllegalStateException("a custom operation runs itself: " + c.name());
                }
            } catch (TensorException e) {
                String message = e.getMessage();
                throw message.startsWith(op.name() + ":") ? e : new TensorException(op.name() + ": " + message, e);
            }
        }
    }

    @Override
    public String kernel(Op op, Tensor[] in, Tensor[] out) {
        synchronized (device) {
            return op instanceof MatMul && chooser.last().equals("cublas") ? "cublas" : device.lastKernel();
        }
    }

    @Override
    public void read(Buffer source, long byteOffset, MemorySegment target) {
        Objects.checkFromIndexSize(byteOffset, target.byteSize(), source.bytes());
        device.read(source.address() + byteOffset, target);
    }

    @Override
    public void write(MemorySegment source, Buffer target, long byteOffset) {
        Objects.checkFromIndexSize(byteOffset, source.byteSize(), target.bytes());
        device.write(source, target.address() + byteOffset);
    }

    @Override
    public MemoryStats memory() {
        return pool.stats();
    }

    @Override
    public List<SizeClass> sizeClasses() {
        return pool.sizeClasses();
    }

    @Override
    public boolean hasQuantized() {
        return true;
    }

    @Override
    public void resetPeak() {
        pool.resetPeak();
    }

    @Override
    public void trim() {
        pool.trim();
    }

    /** For tests and measurements. */
    AttentionLauncher attention() {
        return attention;
    }
}
