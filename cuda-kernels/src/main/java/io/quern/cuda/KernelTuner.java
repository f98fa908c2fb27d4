package io.quern.cuda;

import io.quern.cuda.KernelTable.Row;
import io.quern.cuda.driver.BlockSizes;
import io.quern.cuda.driver.CudaDevice;
import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.Reduce;
import io.quern.tensor.spi.Tunable.Timing;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Measures an operation by every kernel that can do it, or with every size of blocks. They take turns in {@value #ROUNDS}
 * rounds, so that what disturbs the card for a while disturbs all of them; the median of the rounds counts. A kernel whose
 * result is not that of the plain one, {@code tile}, is not taken, however fast.
 */
final class KernelTuner {
    private static final int ROUNDS = 7;
    private static final int MOST_CALLS = 1000;
    private static final int[] THREADS = {64, 128, 256, 512};

    /** Numbers of a piece of rows that are compared at a time. */
    private static final long COMPARED = 1 << 20;

    /** How much more than the usual difference the largest may be: roundings of large sums are larger. */
    private static final double LARGEST = 8;

    private final CudaDevice device;
    private final ProductChooser chooser;
    private final KernelChoices choices;

    KernelTuner(CudaDevice device, ProductChooser chooser, KernelChoices choices) {
        this.device = device;
        this.chooser = chooser;
        this.choices = choices;
    }

    /** One of those that are compared. */
    private interface Variant {
        void take();
    }

    /** See {@link io.quern.tensor.spi.Tunable#tune}; the caller holds the monitor of the device. */
    List<Timing> tune(List<Op> ops, double seconds) {
        return Tape.noGrad(() -> ops.getFirst() instanceof MatMul ? products(ops, seconds) : blocks(ops, seconds));
    }

    /** Products of a linear layer are measured with a bias too, which is a class of its own: cuBLAS has more to do for it. */
    private List<Timing> products(List<Op> ops, double seconds) {
        Runnable restore = chooser.restore();
        try {
            List<Timing> timings = productsOfAClass(ops, seconds);
            MatMul first = (MatMul) ops.getFirst();
            if (first.bias() == null
                    && first.a().isPacked()
                    && first.b().shape().rank() == 2) {
                Scope.run(() -> productsOfAClass(biased(ops), seconds).size());
            }
            return timings;
        } finally {
            restore.run();
        }
    }

    private static List<Op> biased(List<Op> ops) {
        MatMul first = (MatMul) ops.getFirst();
        Tensor bias = Tensor.full(
                first.a().device(), first.a().dtype(), Shape.of(first.b().dim(-1)), 1);
        return ops.stream()
                .map(op -> (MatMul) op)
                .<Op>map(op -> new MatMul(op.a(), op.b(), bias))
                .toList();
    }

    private List<Timing> productsOfAClass(List<Op> ops, double seconds) {
        chooser.choose(ProductChooser.Choice.AUTO, null);
        chooser.watch();
        start(ops);
        Map<ProductClass, Set<String>> met = chooser.met();
        if (met.size() != 1) {
            throw new TensorException(
                    "operations that are measured together must be products of one class, not of " + met.keySet());
        }
        Map.Entry<ProductClass, Set<String>> only = met.entrySet().iterator().next();
        Map<String, Variant> variants = new LinkedHashMap<>();
        for (String name : only.getValue()) {
            Variant v = () -> chooser.choose(
                    name.equals(KernelTable.CUBLAS) ? ProductChooser.Choice.CUBLAS : ProductChooser.Choice.OWN,
                    MatMulKernel.find(name));
            if (agrees(name, v, ops.getFirst())) {
                variants.put(name, v);
            }
        }
        List<Timing> timings = measure(variants, ops, seconds);
        choices.enter(only.getKey(), row(shape((MatMul) ops.getFirst()), timings));
        return timings;
    }

    private static String shape(MatMul op) {
        return op.a().shape() + " times " + op.b().shape() + (op.bias() == null ? "" : " with a bias");
    }

    private boolean agrees(String name, Variant variant, Op op) {
        String product = "in a product of " + shape((MatMul) op);
        double off;
        try {
            off = Scope.run(() -> {
                chooser.choose(ProductChooser.Choice.OWN, MatMulKernel.TILE);
                Tensor want = Tensor.runAll(op).getFirst();
                variant.take();
                return difference(want, Tensor.runAll(op).getFirst());
            });
        } catch (TensorException e) {
            String failed = "the kernel " + name + " fails " + product + " and is not taken: " + e.getMessage();
            endIfLost(name, failed, e);
            warn(failed);
            return false;
        }
        boolean well = off <= tolerance(op);
        if (!well) {
            warn("the kernel " + name + " is off by " + off + " " + product + " and not taken");
        }
        return well;
    }

    /** A card refuses all work after a kernel that faults. */
    private void endIfLost(String name, String failed, TensorException e) {
        try {
            device.synchronize();
        } catch (TensorException lost) {
            MatMulKernel kernel = MatMulKernel.find(name);
            throw new TensorException(
                    failed
                            + (kernel != null && kernel.isForHopper()
                                    ? ". Go without it by -D" + ProductChooser.HOPPER_SWITCH + "=off"
                                    : ""),
                    e);
        }
    }

    private static void warn(String what) {
        System.getLogger("io.quern.cuda").log(System.Logger.Level.WARNING, what);
    }

    /**
     * Norm of the difference over the norm of what is wanted, or an eighth of the largest difference over the usual size of
     * what is wanted if that is more; the largest of all pieces, and NaN if a number is.
     */
    static double difference(Tensor want, Tensor got) {
        int rows = want.dim(-2);
        int step = Math.clamp(COMPARED / Math.max(1, want.size() / rows), 1, rows);
        double worst = 0;
        for (int first = 0; first < rows; first += step) {
            int from = first;
            int count = Math.min(step, rows - first);
            worst = Math.max(worst, Scope.run(() -> {
                Tensor w = want.narrow(-2, from, count).cast(DType.F32);
                Tensor off = w.sub(got.narrow(-2, from, count).cast(DType.F32));
                double norm = norm(w);
                double largest = off.abs().max().item() * Math.sqrt(off.size()) / LARGEST;
                double difference = Math.max(norm(off), largest);
                return norm == 0 ? difference : difference / norm;
            }));
        }
        return worst;
    }

    private static double norm(Tensor t) {
        return Math.sqrt(Tensor.run(new Reduce.SquaredNorm(List.of(t))).item());
    }

    /** Sums in another order differ by some roundings; TF32 has 10 bits. */
    private static double tolerance(Op op) {
        return switch (((MatMul) op).a().dtype()) {
            case F32, F64 -> Boolean.getBoolean("quern.cuda.tf32") ? 3e-3 : 1e-4;
            default -> 2e-2;
        };
    }

    private List<Timing> blocks(List<Op> ops, double seconds) {
        BlockSizes sizes = device.blockSizes();
        sizes.watch();
        start(ops);
        Set<BlockSizes.Key> met = sizes.met();
        if (met.size() != 1) {
            return List.of();
        }
        try {
            Map<String, Variant> variants = new LinkedHashMap<>();
            for (int threads : THREADS) {
                variants.put(Integer.toString(threads), () -> sizes.force(threads));
            }
            List<Timing> timings = measure(variants, ops, seconds);
            Op op = ops.getFirst();
            String shape = op.inputs().getFirst().shape().toString();
            choices.enter(met.iterator().next(), row(op.name() + " " + shape, timings));
            return timings;
        } finally {
            sizes.force(0);
        }
    }

    private static Row row(String measured, List<Timing> timings) {
        Map<String, Double> seconds = new LinkedHashMap<>();
        timings.forEach(t -> seconds.put(t.variant(), median(t)));
        return new Row(measured, seconds);
    }

    private List<Timing> measure(Map<String, Variant> variants, List<Op> ops, double seconds) {
        Map<String, double[]> times = new LinkedHashMap<>();
        Map<String, Integer> calls = new LinkedHashMap<>();
        variants.forEach((name, v) -> {
            v.take();
            start(ops);
            // The second time: modules are loaded.
            double once = time(ops, 1);
            int n = (int) Math.clamp(seconds / once, 1, MOST_CALLS);
            calls.put(name, n);
            times.put(name, new double[ROUNDS]);
            if (n > 1) {
                // What comes a third time may go as a graph.
                time(ops, n);
                time(ops, n);
            }
        });
        for (int r = 0; r < ROUNDS; r++) {
            int round = r;
            variants.forEach((name, v) -> {
                v.take();
                times.get(name)[round] = time(ops, calls.get(name));
            });
        }
        List<Timing> all = new ArrayList<>();
        times.forEach((name, t) -> all.add(new Timing(name, t)));
        all.sort(Comparator.comparingDouble(KernelTuner::median));
        return all;
    }

    private static double median(Timing t) {
        double[] sorted = t.seconds().clone();
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    /** Seconds of a call. */
    private double time(List<Op> ops, int calls) {
        device.synchronize();
        long before = System.nanoTime();
        for (int i = 0; i < calls; i++) {
            start(ops);
        }
        device.synchronize();
        return Math.max(1, System.nanoTime() - before) / 1e9 / calls / ops.size();
    }

    private static void start(List<Op> ops) {
        for (Op op : ops) {
            Scope.run(() -> Tensor.runAll(op).size());
        }
    }
}
