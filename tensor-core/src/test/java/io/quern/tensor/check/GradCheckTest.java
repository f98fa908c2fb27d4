package io.quern.tensor.check;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Op;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** The gradient of every differentiable case against central differences in float64. */
class GradCheckTest {
    @TestFactory
    Stream<DynamicTest> gradientsMatchDifferences() {
        return Stream.concat(OpCatalog.all().stream(), OpCatalog.quantized().stream())
                .filter(c -> !c.differentiable().isEmpty())
                .map(c -> dynamicTest(c.name(), () -> {
                    List<Compare.Result> results = GradCheck.check(c, 5);
                    assertEquals(c.differentiable().size(), results.size());
                    for (Compare.Result r : results) {
                        assertTrue(r.ok(), r.message());
                    }
                }));
    }

    /** Squares, with a gradient that lacks a factor. */
    private static final class WrongSquare extends CustomOp {
        private final Tensor x;
        private final double factor;

        WrongSquare(Tensor x, double factor) {
            this.x = x;
            this.factor = factor;
        }

        @Override
        public String name() {
            return "wrong_square";
        }

        @Override
        public List<Tensor> inputs() {
            return List.of(x);
        }

        @Override
        public List<Spec> outputs() {
            return List.of(new Spec(x.shape(), x.dtype()));
        }

        @Override
        public Saves saves() {
            return Saves.inputs(0);
        }

        @Override
        public List<Tensor> gradient(Backward b) {
            return List.of(b.gradient(0).mul(x).scale(factor));
        }

        @Override
        public void runOnHost(Tensor[] in, Tensor[] out) {
            double[] values = in[0].toDoubles();
            for (int i = 0; i < values.length; i++) {
                out[0].data().setAtIndex(java.lang.foreign.ValueLayout.JAVA_DOUBLE, i, values[i] * values[i]);
            }
        }
    }

    @Test
    void finds_a_wrong_gradient_of_a_custom_operation() {
        assertTrue(square(2).ok());
        Compare.Result wrong = square(2.001);
        assertFalse(wrong.ok());
        assertTrue(wrong.message().contains("operand 0"), wrong.message());
    }

    private static Compare.Result square(double factor) {
        OpCase c = OpCase.of("square", d -> List.of(d.normal(7)), t -> (Op) new WrongSquare(t.get(0), factor), 0);
        return GradCheck.check(c, 1).getFirst();
    }

    @Test
    void draws_equal_numbers_for_equal_seeds() {
        OpCase c = OpCatalog.all().getFirst();
        List<Tensor> a = c.operands(1, io.quern.tensor.DType.F64, Device.CPU);
        List<Tensor> b = c.operands(1, io.quern.tensor.DType.F64, Device.CPU);
        List<Tensor> other = c.operands(2, io.quern.tensor.DType.F64, Device.CPU);
        assertTrue(Compare.tensors("equal seeds", a.getFirst(), b.getFirst(), Tolerance.EXACT)
                .ok());
        assertFalse(Compare.tensors("other seeds", a.getFirst(), other.getFirst(), Tolerance.EXACT)
                .ok());
        Stream.of(a, b, other).flatMap(List::stream).forEach(Tensor::close);
    }
}
