package io.quern.cuda;

import io.quern.cuda.driver.CudaDevice;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The table of a card: read at the start, filled by measurements, written when asked for. */
final class KernelChoices {
    private static final String REMEDY = "; measure again with: quern bench kernels --device cuda --save";

    private final CudaDevice device;
    private final KernelTableFile file;
    private final KernelTable table;
    private final String problem;

    KernelChoices(CudaDevice device, KernelTableFile file) {
        this.device = device;
        this.file = file;
        KernelTable read;
        String wrong = null;
        try {
            read = file.read();
        } catch (KernelTableFile.UnusableException e) {
            read = new KernelTable();
            wrong = "the table of kernels " + file.path() + " is not used: " + e.getMessage()
                    + ". Kernels are chosen by rule" + REMEDY;
            System.getLogger("io.quern.cuda").log(System.Logger.Level.WARNING, wrong);
        }
        table = read;
        problem = wrong;
        table.blocks().forEach((key, row) -> device.blockSizes().choose(key, threads(row)));
    }

    KernelTable table() {
        return table;
    }

    private static int threads(KernelTable.Row row) {
        return Integer.parseInt(row.fastest(name -> true));
    }

    /** Enters what was measured for a class of products. */
    void enter(ProductClass products, KernelTable.Row row) {
        table.products().put(products, row);
    }

    /** Enters what was measured for sizes of blocks. */
    void enter(io.quern.cuda.driver.BlockSizes.Key key, KernelTable.Row row) {
        table.blocks().put(key, row);
        device.blockSizes().choose(key, threads(row));
    }

    /** Writes the table; gives the file. */
    Path save() throws IOException {
        if (file.path() == null) {
            throw new IOException("there is no file for the table of kernels: quern.cuda.table is off");
        }
        Map<String, String> more = new LinkedHashMap<>();
        more.put("driver", device.driverVersion());
        more.put("cublas", device.cublasPath() == null ? "none" : device.cublasPath());
        file.write(table, more);
        return file.path();
    }

    /** Whether there is a table, in a phrase. */
    String summary() {
        return problem != null
                ? "the table " + file.path() + " is not used"
                : table.isEmpty()
                        ? "no table of measurements"
                        : "a table of " + table.products().size() + " classes of products and "
                                + table.blocks().size() + " sizes of blocks";
    }

    /** Where the table is and whether it is used, then its rows. */
    List<String> describe() {
        List<String> lines = new ArrayList<>();
        if (problem != null) {
            lines.add(problem);
        } else if (table.isEmpty()) {
            lines.add(
                    file.path() == null
                            ? "no table: quern.cuda.table is off. Kernels are chosen by rule"
                            : "no table in " + file.path() + ". Kernels are chosen by rule" + REMEDY);
        } else {
            lines.add("the table " + file.path() + " is used");
        }
        lines.addAll(table.describe());
        return lines;
    }
}
