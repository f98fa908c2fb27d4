package io.quern.tensor.cpu;

import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.Op;

/** A set of CPU kernels for every operation. */
interface Kernels {
    /** As {@link io.quern.tensor.spi.Backend#run}. */
    void run(Op op, Tensor[] in, Tensor[] out);

    /** As {@link io.quern.tensor.spi.Backend#prepare}. */
    default Runnable prepare(Op op, Tensor[] in, Tensor[] out, boolean fixed) {
        return () -> run(op, in, out);
    }

    /** As {@link io.quern.tensor.spi.Backend#kernel}. */
    default String kernel(Op op, Tensor[] in, Tensor[] out) {
        return "";
    }

    /** What these kernels are, for people. */
    String description();

    /**
     * Vector kernels where the Vector API is present and the processor has fused multiply-adds, else their scalar twins,
     * which is announced. The system property {@code quern.kernels} set to {@code vector} or {@code scalar} chooses by
     * hand.
     */
    static Kernels select() {
        boolean present = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
        String wish = System.getProperty("quern.kernels", present ? "" : "absent");
        switch (wish) {
            case "vector" -> {
                if (!present) {
                    throw new TensorException("quern.kernels=vector needs the Vector API: start java with"
                            + " --add-modules jdk.incubator.vector");
                }
                return new VectorKernels();
            }
            case "scalar" -> {
                return new ScalarKernels();
            }
            case "" -> {
                if (Fma.inHardware()) {
                    return new VectorKernels();
                }
                String reason = "this processor or Java run has no fused multiply-add instructions";
                System.getLogger("io.quern.tensor")
                        .log(
                                System.Logger.Level.WARNING,
                                reason + ", so the CPU runs scalar kernels, many times slower");
                return new ScalarKernels("scalar kernels: " + reason);
            }
            case "absent" -> {
                System.getLogger("io.quern.tensor")
                        .log(
                                System.Logger.Level.WARNING,
                                "the Vector API is absent, so the CPU runs scalar kernels, many times slower; start"
                                        + " java with --add-modules jdk.incubator.vector");
                return new ScalarKernels("scalar kernels: the Vector API is absent");
            }
            default -> throw new TensorException("quern.kernels is 'vector' or 'scalar', not '" + wish + "'");
        }
    }
}
