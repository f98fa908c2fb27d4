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

    private OpCatalog() {}

    /** All cases; their names are unique. */
    public static List<OpCase> all() {
        return ALL;
    }

    private static List<OpCase> collect() {
        List<OpCase> all = new ArrayList<>();
        ElementwiseCases.addTo(all);
        ReduceCases.addTo(all);
        MatMulCases.addTo(all);
        NormCases.addTo(all);
        AttentionCases.addTo(all);
        IndexCases.addTo(all);
        ViewCases.addTo(all);
        LossCases.addTo(all);
        UpdateCases.addTo(all);
        Set<String> names = new HashSet<>();
        for (OpCase c : all) {
            if (!names.add(c.name())) {
                throw new IllegalStateException("two cases are named " + c.name());
            }
        }
        return List.copyOf(all);
    }
}
