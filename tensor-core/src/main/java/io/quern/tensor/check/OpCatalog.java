package io.quern.tensor.check;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Every operation in every form that kernels treat apart: all kinds, scalars, single elements, sizes around the width of
 * vectors, broadcasting, views, empty tensors. Operands are of size 1, on which {@link Tolerance} counts.
 */
public final class OpCatalog {
    /** Lengths around the widths of vectors and of unrolled loops. */
    static final int[] LENGTHS = {1, 3, 15, 16, 17, 63, 64, 65, 257};

    private static final List<OpCase> ALL = collect();
    private static final List<OpCase> QUANTIZED = collectQuantized();

    private OpCatalog() {}

    /** All cases of numbers of one width, which every device must run; their names are unique. */
    public static List<OpCase> all() {
        return ALL;
    }

    /** Cases with weights of fewer bits than the numbers they meet, for devices that have them; as {@link #all()}. */
    public static List<OpCase> quantized() {
        return QUANTIZED;
    }

    private static List<OpCase> collectQuantized() {
        List<OpCase> all = new ArrayList<>();
        QuantizedCases.addTo(all);
        return distinct(all);
    }

    private static List<OpCase> collect() {
        List<OpCase> all = new ArrayList<>();
        ElementwiseCases.addTo(all);
        ReduceCases.addTo(all);
        MatMulCases.addTo(all);
        NormCases.addTo(all);
        AttentionCases.addTo(all);
        ConvCases.addTo(all);
        PoolCases.addTo(all);
        IndexCases.addTo(all);
        ViewCases.addTo(all);
        LossCases.addTo(all);
        UpdateCases.addTo(all);
        return distinct(all);
    }

    private static List<OpCase> distinct(List<OpCase> all) {
        Set<String> names = new HashSet<>();
        for (OpCase c : all) {
            if (!names.add(c.name())) {
                throw new IllegalStateException("two cases are named " + c.name());
            }
        }
        return List.copyOf(all);
    }
}
