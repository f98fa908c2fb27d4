package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.OpCatalog;
import io.quern.tensor.op.Op;
import io.quern.tensor.op.View;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

/** The rows of {@code bench kernels}. */
class KernelCasesTest {
    private static Set<String> namesOfTheCatalogue() {
        Set<String> names = new TreeSet<>();
        for (OpCase c : OpCatalog.all()) {
            Scope.run(() -> {
                Op op = c.op(c.operands(1, c.dtypes().iterator().next(), Device.CPU));
                if (!(op instanceof View)) {
                    names.add(op.name());
                }
                return null;
            });
        }
        return names;
    }

    @Test
    void everyOperationOfTheCatalogueIsMeasuredUnderItsName() {
        Set<String> left = namesOfTheCatalogue();
        Set<String> keys = new HashSet<>();
        for (KernelCases.Case c : new KernelCases(Device.CPU, null, true).all()) {
            assertTrue(keys.add(c.op() + c.shape() + c.dtype()), "two rows are " + c);
            if (c.op().equals("gemv") && c.dtype() != DType.F32) {
                continue; // the same with other weights
            }
            Scope.run(() -> Tape.noGrad(() -> {
                List<Op> ops = c.ops().get();
                for (Op op : ops) {
                    assertEquals(c.op().equals("gemv") ? "matmul" : c.op(), op.name());
                    assertTrue(op.bytes() > 0, c.op() + ": bytes");
                    op.outputs(); // checks the operands
                }
                left.remove(ops.getFirst().name());
                return null;
            }));
        }
        assertEquals(Set.of(), left, "operations without a row");
        Device.CPU.backend().trim();
    }

    @Test
    void theTypeChoosesTheRows() {
        assertTrue(new KernelCases(Device.CPU, DType.Q8_0, true)
                .all().stream().allMatch(c -> c.op().equals("gemv") && c.dtype() == DType.Q8_0));
        List<KernelCases.Case> bf16 = new KernelCases(Device.CPU, DType.BF16, true).all();
        assertTrue(bf16.stream().allMatch(c -> c.dtype() == DType.BF16));
        assertTrue(bf16.size() > 50, "rows " + bf16.size());
        assertTrue(new KernelCases(Device.CPU, null, false).all().size()
                > new KernelCases(Device.CPU, null, true).all().size());
    }
}
