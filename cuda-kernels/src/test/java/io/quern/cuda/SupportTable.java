package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.quern.tensor.DType;
import io.quern.tensor.op.MatMul;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.View;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Which operation ran in which dtype, as the table of {@code docs/cuda.md}. */
final class SupportTable {
    private static final String BEGIN = "<!-- table: written by CatalogTest -->\n";
    private static final String END = "<!-- end of the table -->\n";

    private final Map<String, Set<DType>> ran = new TreeMap<>();
    private final Set<String> products = new java.util.TreeSet<>();

    /** An operation whose results were compared. */
    void add(Op op, DType dtype) {
        if (!(op instanceof View)) {
            ran.computeIfAbsent(op.name(), n -> EnumSet.noneOf(DType.class)).add(dtype);
            if (op instanceof MatMul) {
                products.add(op.name());
            }
        }
    }

    private String text() {
        StringBuilder s = new StringBuilder("| operation | CPU | cuBLAS | own CUDA kernel |\n|---|---|---|---|\n");
        ran.forEach((name, dtypes) -> {
            String list = dtypes.stream().map(DType::name).collect(Collectors.joining(" "));
            s.append(
                    "| " + name + " | " + list + " | " + (products.contains(name) ? list : "") + " | " + list + " |\n");
        });
        return s.toString();
    }

    /** Compares with the document, or with {@code -Dquern.docs=write} writes it. */
    void checkDocument(Path file) throws IOException {
        String document = Files.readString(file);
        int from = document.indexOf(BEGIN) + BEGIN.length();
        int to = document.indexOf(END);
        if ("write".equals(System.getProperty("quern.docs"))) {
            Files.writeString(file, document.substring(0, from) + text() + document.substring(to));
        } else {
            assertEquals(text(), document.substring(from, to), file + ": run CatalogTest with -Dquern.docs=write");
        }
    }
}
