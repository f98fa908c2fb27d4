package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.quern.tensor.DType;
import io.quern.tensor.Gradients;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.check.Compare;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.check.OpCatalog;
import io.quern.tensor.check.Tolerance;
import io.quern.tensor.op.CustomOp;
import io.quern.tensor.op.Elementwise;
import io.quern.tensor.op.Op;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Every case of the catalogue on the vector kernels, beside their scalar twins, and on the twins alone. */
class KernelsTest {
    private static final long SEED = 20;

    @TestFactory
    Stream<DynamicTest> vectorKernelsAgreeWithTheirTwins() {
        return Stream.concat(OpCatalog.all().stream(), OpCatalog.quantized().stream())
                .map(c -> dynamicTest(c.name(), () -> {
                    for (DType dtype : c.dtypes()) {
                        Scope.run(() -> {
                            run(c, dtype);
                            return null;
                        });
                    }
                }));
    }

    /** The backend compares; the gradient adds the operations of the way back on operands as they occur there. */
    private static void run(OpCase c, DType dtype) {
        c.run(c.operands(SEED, dtype, GuardedBackend.CHECKED));
        if ((dtype == DType.F32 || dtype == DType.BF16) && !c.differentiable().isEmpty()) {
            List<Tensor> operands = c.operands(SEED, dtype, GuardedBackend.CHECKED);
            c.differentiable().forEach(i -> operands.get(i).requireGrad());
            Gradients g = Tape.gradients(() -> c.run(operands).getFirst().sum());
            c.differentiable()
                    .forEach(i -> assertEquals(
                            operands.get(i).shape(), g.of(operands.get(i)).shape()));
        }
    }

    @TestFactory
    Stream<DynamicTest> twinsAgreeWithFloat64() {
        return Stream.concat(OpCatalog.all().stream(), OpCatalog.quantized().stream())
                .map(c -> dynamicTest(c.name(), () -> {
                    for (DType dtype : c.dtypes()) {
                        if (dtype.isFloating() && dtype != DType.F64) {
                            Scope.run(() -> {
                                twinAgainstFloat64(c, dtype);
                                return null;
                            });
                        }
                    }
                }));
    }

    private static void twinAgainstFloat64(OpCase c, DType dtype) {
        List<Tensor> operands = c.operands(SEED, dtype, GuardedBackend.SCALAR);
        List<Tensor> wide = new ArrayList<>();
        for (Tensor t : operands) {
            wide.add(t.dtype().isFloating() ? t.cast(DType.F64) : t);
        }
        Op op = c.op(operands);
        List<Tensor> got = c.run(operands);
        List<Tensor> want = c.run(wide);
        for (int i = 0; i < got.size(); i++) {
            DType result = got.get(i).dtype();
            // The reference is not rounded to the dtype of the result, so copies and correctly rounded results are off
            // by
            // half a unit.
            Tolerance allowed = Tolerance.of(op, result);
            Tolerance rounded = new Tolerance(
                    allowed.abs() + Math.ulp(0f), allowed.rel() + (result.isFloating() ? Tolerance.unit(result) : 0));
            double[] expected = toRange(want.get(i).toDoubles(), result);
            Compare.Result r = Compare.arrays(
                    c.name() + " " + dtype,
                    expected,
                    got.get(i).toDoubles(),
                    got.get(i).shape(),
                    rounded);
            assertTrue(r.ok(), r.message());
        }
    }

    /** Numbers that the dtype has no room for become infinite or, near zero, lose digits. */
    private static double[] toRange(double[] x, DType dtype) {
        if (dtype.isFloating() && dtype != DType.F64) {
            for (int i = 0; i < x.length; i++) {
                float f = (float) x[i];
                x[i] = dtype == DType.F16 ? Float.float16ToFloat(Float.floatToFloat16(f)) : f;
            }
        }
        return x;
    }

    @Test
    void everyOperationHasACase() {
        Set<Class<?>> missing = records(Op.class, new HashSet<>());
        for (OpCase c : OpCatalog.all()) {
            Scope.run(() -> {
                DType dtype = c.dtypes().contains(DType.F32) ? DType.F32 : DType.I32;
                missing.remove(
                        c.op(c.operands(SEED, dtype, GuardedBackend.SCALAR)).getClass());
                return null;
            });
        }
        assertEquals(Set.of(), missing, "operations without a case in OpCatalog");
    }

    /** The records below a sealed type. */
    private static Set<Class<?>> records(Class<?> type, Set<Class<?>> found) {
        if (type.isSealed()) {
            for (Class<?> sub : type.getPermittedSubclasses()) {
                records(sub, found);
            }
        } else if (!CustomOp.class.isAssignableFrom(type)) {
            assertTrue(type.isRecord(), type.getName());
            found.add(type);
        }
        return found;
    }

    @Test
    void guardsCatchAWriteBeyondTheEnd() {
        Kernels careless = new Kernels() {
            @Override
            public void run(Op op, Tensor[] in, Tensor[] out) {
                OffHeap.setFloat(out[0].address() + out[0].size() * 4, 1);
            }

            @Override
            public String description() {
                return "careless";
            }
        };
        GuardedBackend backend = new GuardedBackend(GuardedBackend.SCALAR, careless, null);
        Tensor x = Tensor.from(GuardedBackend.SCALAR, DType.F32, Shape.of(3), MemorySegment.ofArray(new float[3]));
        Tensor y = Tensor.from(GuardedBackend.SCALAR, DType.F32, Shape.of(3), MemorySegment.ofArray(new float[3]));
        Op op = new Elementwise.Affine(x, 1, 0);
        assertThrows(AssertionError.class, () -> backend.run(op, new Tensor[] {x}, new Tensor[] {y}));
        x.close();
        y.close();
    }
}
