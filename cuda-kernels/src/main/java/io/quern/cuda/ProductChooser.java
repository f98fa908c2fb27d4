package io.quern.cuda;

import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Chooses what does a matrix product. A kernel that was asked for by name, or cuBLAS, does it or fails; otherwise the fastest
 * one by the table of measurements, and for classes of products that it does not have, a rule: our own {@code gemv} for up to
 * {@value #FEW_ROWS} rows, cuBLAS if it is there and can, else the kernel of ours that is meant for the shape. Guarded by the
 * monitor of the device.
 */
final class ProductChooser {
    /** Rows up to which our own kernels are taken although cuBLAS is there: they add the bias in the same launch. */
    static final int FEW_ROWS = 4;

    /** The property that, when {@code off}, keeps products from the kernels for Hopper. */
    static final String HOPPER_SWITCH = "quern.cuda.wgmma";

    /** What may do a product. */
    enum Choice {
        AUTO,
        CUBLAS,
        OWN
    }

    private record Taken(ProductClass products, String kernel, String why) {}

    private final int multiprocessors;
    private final boolean hasCublas;
    private final boolean tf32;
    private final boolean hopper;
    private final KernelTable table;
    private final Set<Taken> taken = new HashSet<>();
    private Choice choice = Choice.AUTO;

    /** Does what it can. */
    private MatMulKernel preferred;

    /** Does all or fails. */
    private MatMulKernel wanted;

    private Map<ProductClass, Set<String>> met;
    private String last = "none";

    /** @param hopper whether kernels for Hopper alone may be taken */
    ProductChooser(int multiprocessors, boolean hasCublas, boolean tf32, boolean hopper, KernelTable table) {
        this.multiprocessors = multiprocessors;
        this.hasCublas = hasCublas;
        this.tf32 = tf32;
        this.hopper = hopper;
        this.table = table;
    }

    /**
     * @param wish {@code auto}, {@code cublas}, {@code own} or {@code own:NAME}
     * @throws TensorException if it is none of these, or there is no cuBLAS
     */
    void choose(String wish) {
        String w = wish.toLowerCase(Locale.ROOT);
        MatMulKernel kernel = w.startsWith("own:") ? named(w.substring("own:".length())) : null;
        Choice c;
        try {
            c = kernel != null ? Choice.OWN : Choice.valueOf(w.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new TensorException(
                    "matrix products (--gemm, quern.cuda.gemm) are done by auto, cublas, own or own:NAME, not '" + wish
                            + "'",
                    e);
        }
        if (c == Choice.CUBLAS && !hasCublas) {
            throw new TensorException("--gemm cublas, but cuBLAS was not found; say auto or own, or name its library by"
                    + " -Dquern.cuda.cublas=FILE");
        }
        choice = c;
        wanted = kernel;
        preferred = null;
    }

    /** The same without names; a preferred kernel does what it can, for tests. */
    void choose(Choice wish, MatMulKernel kernel) {
        choice = wish;
        preferred = kernel;
        wanted = null;
    }

    void choose(Choice wish) {
        choose(wish, null);
    }

    /** What was asked for, to ask for it again. */
    Runnable restore() {
        Choice c = choice;
        MatMulKernel p = preferred;
        MatMulKernel w = wanted;
        return () -> {
            choice = c;
            preferred = p;
            wanted = w;
        };
    }

    private static MatMulKernel named(String label) {
        MatMulKernel kernel = MatMulKernel.find(label);
        if (kernel == null) {
            throw new TensorException("own:" + label + ": the kernels are " + labels(List.of(MatMulKernel.values())));
        }
        return kernel;
    }

    private static String labels(List<MatMulKernel> kernels) {
        return kernels.stream().map(MatMulKernel::label).collect(Collectors.joining(", "));
    }

    boolean hasCublas() {
        return hasCublas;
    }

    /** Whether kernels for Hopper alone may be taken. */
    boolean hopper() {
        return hopper;
    }

    /** Whether cuBLAS could be taken, so that its operands are worth preparing. */
    boolean mayTakeCublas() {
        return hasCublas && choice != Choice.OWN;
    }

    /**
     * What is to do a product.
     *
     * @param cublas whether cuBLAS can
     * @return null for cuBLAS
     * @throws TensorException if what was asked for cannot do it
     */
    MatMulKernel pick(MatMulProblem p, boolean cublas) {
        ProductClass products = ProductClass.of(p, tf32);
        if (met != null) {
            met.put(products, able(p, cublas));
        }
        MatMulKernel kernel;
        String why;
        if (p.k() == 0) {
            // Nothing is multiplied: zeros, or the bias.
            kernel = MatMulKernel.TILE;
            why = "nothing to multiply";
        } else if (wanted != null || choice == Choice.CUBLAS) {
            kernel = forced(p, cublas);
            why = "asked for";
        } else if (preferred != null && takes(preferred, p)) {
            kernel = preferred;
            why = "preferred";
        } else {
            KernelTable.Row row = table.products().get(products);
            String fastest = row == null ? null : row.fastest(name -> can(name, p, cublas));
            if (fastest != null) {
                kernel = MatMulKernel.find(fastest);
                why = "table";
            } else {
                kernel = byRule(p, cublas);
                why = "rule";
            }
        }
        last = kernel == null ? KernelTable.CUBLAS : kernel.label();
        taken.add(new Taken(products, last, why));
        return kernel;
    }

    private MatMulKernel byRule(MatMulProblem p, boolean cublas) {
        MatMulKernel own = MatMulKernel.choose(p, multiprocessors);
        boolean few = own == MatMulKernel.GEMV && p.m() <= FEW_ROWS;
        return cublas && choice != Choice.OWN && !few ? null : own;
    }

    private MatMulKernel forced(MatMulProblem p, boolean cublas) {
        if (wanted == null ? cublas : takes(wanted, p)) {
            return wanted;
        }
        String name = wanted == null ? "cuBLAS" : wanted.label();
        if (wanted != null && wanted.isForHopper() && !hopper) {
            throw new TensorException(
                    name + " was asked for (--gemm own:" + name + ") and runs only on cards of compute"
                            + " capability 9.0 with a driver for CUDA 12, and not with -D" + HOPPER_SWITCH + "=off. "
                            + labels(own(p)) + " can do the product: --gemm auto");
        }
        throw new TensorException(name + " was asked for (--gemm " + (wanted == null ? "cublas" : "own:" + name)
                + ") and cannot do " + p.describe() + ". " + labels(own(p))
                + " can: --gemm auto lets them do what it cannot; or use --device cpu");
    }

    private boolean can(String name, MatMulProblem p, boolean cublas) {
        MatMulKernel own = MatMulKernel.find(name);
        return own == null ? cublas && choice != Choice.OWN : takes(own, p);
    }

    private boolean takes(MatMulKernel kernel, MatMulProblem p) {
        return (hopper || !kernel.isForHopper()) && kernel.takes(p);
    }

    private List<MatMulKernel> own(MatMulProblem p) {
        return Arrays.stream(MatMulKernel.values()).filter(k -> takes(k, p)).toList();
    }

    private Set<String> able(MatMulProblem p, boolean cublas) {
        List<String> all =
                new ArrayList<>(own(p).stream().map(MatMulKernel::label).toList());
        if (cublas) {
            all.addFirst(KernelTable.CUBLAS);
        }
        return new java.util.LinkedHashSet<>(all);
    }

    /** Begins to note which products come and what could do them. */
    void watch() {
        met = new LinkedHashMap<>();
    }

    /** Ends it; the kernels that can do each class. */
    Map<ProductClass, Set<String>> met() {
        Map<ProductClass, Set<String>> all = met;
        met = null;
        return all;
    }

    /** What did the last product: {@code cublas} or the label of a kernel. */
    String last() {
        return last;
    }

    /** By class of products what did them, and why. */
    Map<String, String> taken() {
        Map<String, Set<String>> all = new TreeMap<>();
        for (Taken t : taken) {
            all.computeIfAbsent(t.products.describe(), p -> new TreeSet<>()).add(t.kernel + " (" + t.why + ")");
        }
        Map<String, String> joined = new TreeMap<>();
        all.forEach((products, kernels) -> joined.put(products, String.join(", ", kernels)));
        return joined;
    }

    String description() {
        if (wanted != null) {
            return "own kernel " + wanted.label();
        }
        if (preferred != null) {
            return "own kernel " + preferred.label() + " where it can";
        }
        String measured = table.products().isEmpty() ? "" : "the fastest by the table, else ";
        return switch (choice) {
            case CUBLAS -> "cuBLAS";
            case OWN -> measured + "own kernels";
            case AUTO ->
                measured
                        + (hasCublas
                                ? "cuBLAS, own kernels for up to " + FEW_ROWS + " rows and where it cannot"
                                : "own kernels");
        };
    }
}
