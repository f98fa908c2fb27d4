package io.quern.cuda.driver;

import io.quern.tensor.DType;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.file.Path;
import jcuda.Pointer;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasHandle;
import jcuda.runtime.cudaStream_t;

/**
 * Matrix products by cuBLAS. Only the {@code _new} methods of JCuda take today's compute types; the others answer an error
 * that JCuda does not turn into an exception.
 */
public final class Cublas {
    private static final int COMPUTE_32F = 68;
    private static final int COMPUTE_64F = 70;
    private static final int COMPUTE_32F_TF32 = 77;
    private static final int DEFAULT_ALGORITHM = -1;

    /** What cuBLAS takes for itself on Hopper cards. */
    private static final long WORKSPACE = 32 << 20;

    private final CudaDevice device;
    private final cublasHandle handle = new cublasHandle();
    private final boolean tf32 = Boolean.getBoolean("quern.cuda.tf32");
    private final Pointer one32 = Pointer.to(new float[] {1});
    private final Pointer zero32 = Pointer.to(new float[] {0});
    private final Pointer one64 = Pointer.to(new double[] {1});
    private final Pointer zero64 = Pointer.to(new double[] {0});

    private Cublas(CudaDevice device) {
        this.device = device;
    }

    static Cublas open(CudaDevice device, String path) {
        try {
            Libraries.load(path);
            if (isThirteen(path)) {
                Driver.loadNatives("jcuda.jcublas.JCublas2", CublasNatives.FILE, CublasNatives.forThirteen());
            } else {
                Driver.loadNatives("jcuda.jcublas.JCublas2");
            }
            JCublas2.setExceptionsEnabled(false);
        } catch (UnsatisfiedLinkError | NoClassDefFoundError | IOException | ClassNotFoundException e) {
            throw new TensorException(
                    "cuBLAS was found at " + path + " but cannot be used: " + e
                            + "; -Dquern.cuda.gemm=own does without it",
                    e);
        }
        Cublas c = new Cublas(device);
        device.enter();
        check(
                JCublas2.cublasCreate(c.handle),
                "starting cuBLAS from " + path + " (with a driver for CUDA " + device.driverVersion() + ")");
        check(JCublas2.cublasSetStream(c.handle, new cudaStream_t(device.stream())), "giving cuBLAS a stream");
        // Its own workspace would become an allocation within each graph.
        long workspace = device.allocate(WORKSPACE);
        if (workspace != 0) {
            check(
                    JCublas2.cublasSetWorkspace(c.handle, RawPointer.device(workspace), WORKSPACE),
                    "giving cuBLAS a workspace");
        }
        return c;
    }

    private static boolean isThirteen(String path) {
        return Path.of(path).getFileName().toString().startsWith("libcublas.so.13");
    }

    /** One operand: whether it is transposed when read column by column, its leading dimension, its distance in a batch. */
    public record Operand(long address, boolean transposed, long leading, long batchStride) {}

    /** c = a b, or c += a b if {@code adds}, column-major: a is m x k, b is k x n, c is m x n with leading dimension m. */
    public record Call(DType dtype, int m, int n, int k, Operand a, Operand b, long c, int batch, boolean adds) {
        String describe() {
            return "matmul by cuBLAS, " + dtype + " " + n + " x " + k + " x " + m + ", batch " + batch;
        }
    }

    /** Starts a product after all launches before; the caller holds the monitor of the device. */
    public void gemm(Call call) {
        device.add(this, call);
    }

    /** Starts a product at once. */
    void start(Call call) {
        int type = type(call.dtype);
        boolean wide = call.dtype == DType.F64;
        Operand a = call.a;
        Operand b = call.b;
        int status = JCublas2.cublasGemmStridedBatchedEx_new(
                handle,
                a.transposed ? 1 : 0,
                b.transposed ? 1 : 0,
                call.m,
                call.n,
                call.k,
                wide ? one64 : one32,
                RawPointer.device(a.address),
                type,
                Math.toIntExact(a.leading),
                a.batchStride,
                RawPointer.device(b.address),
                type,
                Math.toIntExact(b.leading),
                b.batchStride,
                call.adds ? wide ? one64 : one32 : wide ? zero64 : zero32,
                RawPointer.device(call.c),
                type,
                call.m,
                (long) call.m * call.n,
                call.batch,
                wide ? COMPUTE_64F : tf32 && call.dtype == DType.F32 ? COMPUTE_32F_TF32 : COMPUTE_32F,
                DEFAULT_ALGORITHM);
        if (status != 0) {
            check(status, call.describe());
        }
    }

    private static int type(DType dtype) {
        return switch (dtype) {
            case F32 -> 0;
            case F64 -> 1;
            case F16 -> 2;
            case BF16 -> 14;
            default -> throw new IllegalArgumentException(dtype.toString());
        };
    }

    private static void check(int status, String what) {
        if (status != 0) {
            throw new TensorException(
                    what + " failed: cuBLAS status " + status + "; -Dquern.cuda.gemm=own does without cuBLAS");
        }
    }
}
