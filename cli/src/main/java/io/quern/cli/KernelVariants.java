package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Op;
import io.quern.tensor.spi.Tunable;
import java.util.ArrayList;
import java.util.List;

/** Measures what a device has several kernels for by each of them: rows such as {@code matmul/cublas} and {@code add/512}. */
final class KernelVariants {
    /** What the training and decoding of GPT-2 124M multiply: forward, gradients of inputs and of weights. */
    private static final List<int[]> PRODUCTS = List.of(
            new int[] {8192, 768, 768},
            new int[] {8192, 768, 3072},
            new int[] {8192, 3072, 768},
            new int[] {768, 8192, 768},
            new int[] {768, 8192, 3072},
            new int[] {3072, 8192, 768},
            new int[] {8192, 768, 50257},
            new int[] {8192, 50257, 768},
            new int[] {50257, 8192, 768},
            new int[] {1024, 768, 768},
            new int[] {1024, 768, 3072},
            new int[] {1024, 3072, 768},
            new int[] {4, 768, 768},
            new int[] {4, 768, 3072},
            new int[] {4, 3072, 768},
            new int[] {4, 768, 50257},
            new int[] {8, 768, 768},
            new int[] {8, 768, 3072},
            new int[] {8, 3072, 768},
            new int[] {8, 768, 50257});

    /** Those of the blocks in training. */
    private static final int QUICK_PRODUCTS = 6;

    /** Enough for operands that no cache holds, but of tiny shapes. */
    private static final int MOST_OPS = 256;

    private final Device device;
    private final Tunable kernels;
    private final boolean quick;
    private final Output output;

    KernelVariants(Device device, Tunable kernels, boolean quick, Output output) {
        this.device = device;
        this.kernels = kernels;
        this.quick = quick;
        this.output = output;
    }

    /**
     * The products that a table should have.
     *
     * @param dtype null for F32, BF16 and F16
     */
    List<KernelCases.Case> products(DType dtype) {
        List<KernelCases.Case> all = new ArrayList<>();
        for (DType t : dtype == null ? List.of(DType.F32, DType.BF16, DType.F16) : List.of(dtype)) {
            KernelCases cases = new KernelCases(device, t, quick);
            for (int[] p : quick ? PRODUCTS.subList(0, QUICK_PRODUCTS) : PRODUCTS) {
                all.addAll(cases.products(p[0], p[1], p[2]));
            }
        }
        return all;
    }

    /** A row for each kernel of each case; what the device refuses is left out and told. */
    List<BenchRow> measure(List<KernelCases.Case> cases) {
        List<BenchRow> rows = new ArrayList<>();
        for (KernelCases.Case c : cases) {
            try {
                Scope.run(() -> Tape.noGrad(() -> {
                    List<Op> all = c.ops().get();
                    List<Op> ops = all.subList(0, Math.min(MOST_OPS, all.size()));
                    for (Tunable.Timing t : kernels.tune(ops, quick ? 1e-3 : 1e-2)) {
                        Op op = ops.getFirst();
                        rows.add(new BenchRow(
                                c.op() + "/" + t.variant(),
                                c.shape(),
                                c.dtype().name(),
                                "call",
                                t.seconds(),
                                t.seconds(),
                                op.flops(),
                                op.bytes()));
                    }
                    return null;
                }));
            } catch (TensorException e) {
                output.note(c.op() + " " + c.shape() + " " + c.dtype() + ": " + e.getMessage());
            }
            device.backend().trim();
        }
        return rows;
    }
}
