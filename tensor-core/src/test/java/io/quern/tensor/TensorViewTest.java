package io.quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.op.Elementwise;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class TensorViewTest {
    private static Tensor cube() {
        return Tensor.arange(24).reshape(2, 3, 4);
    }

    @Test
    void viewsShareMemoryAndReadInLogicalOrder() {
        Scope.run(() -> {
            Tensor t = cube();
            assertArrayEquals(
                    new int[] {0, 12, 1, 13},
                    t.permute(2, 0, 1).narrow(2, 0, 1).narrow(0, 0, 2).toInts());
            assertArrayEquals(
                    new int[] {4, 5, 6, 7, 16, 17, 18, 19}, t.select(1, 1).toInts());
            assertArrayEquals(new int[] {2, 6, 10}, t.select(0, 0).select(-1, 2).toInts());
            assertArrayEquals(
                    new int[] {0, 4, 8, 1, 5, 9},
                    t.select(0, 0).transpose(0, 1).narrow(0, 0, 2).toInts());
            Tensor view = t.narrow(1, 1, 2).transpose(0, 2);
            assertSame(t.buffer(), view.buffer());
            assertEquals(Shape.of(4, 2, 2), view.shape());
            assertFalse(view.isPacked());
            Tensor packed = view.pack();
            assertTrue(packed.isPacked());
            assertArrayEquals(view.toInts(), packed.toInts());
            assertSame(packed, packed.pack());
            return null;
        });
    }

    @Test
    void writesThroughViewsReachTheBase() {
        Scope.run(() -> {
            Tensor t = Tensor.zeros(3, 4);
            t.select(1, 2).fill(5);
            t.narrow(0, 1, 1).assign(Tensor.ones(1, 4));
            t.transpose(0, 1).narrow(0, 3, 1).accumulate(Tensor.of(new float[] {1, 2, 3}, 1, 3), 2);
            assertArrayEquals(new float[] {0, 0, 5, 2, 1, 1, 1, 5, 0, 0, 5, 6}, t.toFloats());
            return null;
        });
    }

    @Test
    void expandRepeatsWithoutCopying() {
        Scope.run(() -> {
            Tensor row = Tensor.of(new int[] {1, 2, 3}, 3, 1);
            Tensor wide = row.expand(Shape.of(2, 3, 2));
            assertSame(row.buffer(), wide.buffer());
            assertArrayEquals(new int[] {1, 1, 2, 2, 3, 3, 1, 1, 2, 2, 3, 3}, wide.toInts());
            assertSame(row, row.expand(Shape.of(3, 1)));
            assertArrayEquals(
                    new int[] {1, 1, 2, 2, 3, 3}, wide.select(0, 1).reshape(6).toInts());
            return null;
        });
    }

    @Test
    void reshapeCopiesOnlyWhereMemoryDemandsIt() {
        Scope.run(() -> {
            Tensor t = cube();
            assertSame(t, t.reshape(2, 3, 4));
            assertSame(t.buffer(), t.reshape(-1, 6).buffer());
            assertSame(t.buffer(), t.narrow(0, 1, 1).reshape(12).buffer());
            assertSame(t.buffer(), t.narrow(2, 1, 2).reshape(6, 2).buffer());
            assertSame(
                    t.buffer(), t.narrow(2, 1, 2).reshape(1, 3, 1, 2, 1, 2, 1).buffer());
            assertNotSame(t.buffer(), t.narrow(2, 1, 2).reshape(12).buffer());
            assertNotSame(t.buffer(), t.transpose(0, 1).reshape(24).buffer());
            // The two outer dimensions of qkv join, so splitting heads is free.
            Tensor qkv = Tensor.zeros(2, 5, 12);
            assertSame(qkv.buffer(), qkv.narrow(2, 4, 4).reshape(2, 5, 2, 2).buffer());
            assertSame(qkv.buffer(), qkv.narrow(2, 4, 4).reshape(10, 4).buffer());
            return null;
        });
    }

    /** Random views in random new shapes, compared with what a packed copy gives. */
    @Test
    void reshapeOfAnyViewKeepsTheOrder() {
        Rng rng = new Rng(1);
        int shared = 0;
        for (int trial = 0; trial < 2000; trial++) {
            shared += Scope.<Boolean, RuntimeException>run(() -> reshapeOnce(rng)) ? 1 : 0;
        }
        assertTrue(shared > 400 && shared < 1800, "views that needed no copy: " + shared);
    }

    private static boolean reshapeOnce(Rng rng) {
        Tensor t = Tensor.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6);
        for (int step = rng.nextInt(4); step > 0; step--) {
            int axis = rng.nextInt(t.shape().rank());
            switch (rng.nextInt(4)) {
                case 0 -> t = t.transpose(axis, rng.nextInt(t.shape().rank()));
                case 1 -> {
                    int length = rng.nextInt(t.dim(axis) + 1);
                    t = t.narrow(axis, rng.nextInt(t.dim(axis) - length + 1), length);
                }
                case 2 -> {
                    if (t.dim(axis) > 0) {
                        t = t.narrow(axis, 0, 1).expand(t.shape().with(axis, 3));
                    }
                }
                default -> t = t.reshape(split(t.shape(), rng));
            }
        }
        Shape to = split(t.shape(), rng);
        Tensor got = t.reshape(to);
        assertArrayEquals(t.toInts(), got.toInts(), t.shape() + " to " + to);
        return got.buffer() == t.buffer();
    }

    /** Another shape of as many elements: factors of the size in random groups. */
    private static Shape split(Shape shape, Rng rng) {
        int rest = (int) shape.size();
        List<Integer> dims = new ArrayList<>();
        while (rest > 1 || rng.nextInt(3) == 0) {
            int d = 1 + rng.nextInt(Math.max(1, rest));
            if (rest % d == 0) {
                dims.add(d);
                rest /= d;
            }
        }
        if (rest == 0) {
            dims.add(0);
        }
        return Shape.of(dims.stream().mapToInt(i -> i).toArray());
    }

    @Test
    void broadcastingAlignsInnermostDimensions() {
        Scope.run(() -> {
            Tensor column = Tensor.of(new float[] {10, 20}, 2, 1);
            Tensor row = Tensor.of(new float[] {1, 2, 3}, 3);
            Tensor sum = column.add(row);
            assertEquals(Shape.of(2, 3), sum.shape());
            assertArrayEquals(new float[] {11, 12, 13, 21, 22, 23}, sum.toFloats());
            assertArrayEquals(
                    new int[] {1, 1, 0},
                    row.compare(Elementwise.CompareKind.LE, Tensor.scalar(2)).toInts());
            assertArrayEquals(
                    new float[] {60},
                    column.mul(row)
                            .sumTo(Shape.of(1, 1))
                            .sub(Tensor.scalar(120))
                            .toFloats());
            return null;
        });
    }

    @Test
    void operationsPackViewsThatKernelsCannotTake() {
        Scope.run(() -> {
            Tensor t = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
            assertArrayEquals(
                    new float[] {-1, -4, -2, -5, -3, -6},
                    t.transpose(0, 1).neg().toFloats());
            assertArrayEquals(new float[] {5, 7, 9}, t.transpose(0, 1).sum(-1).toFloats());
            assertArrayEquals(
                    new float[] {14, 32, 32, 77}, t.matmul(t.transpose(0, 1)).toFloats());
            return null;
        });
    }

    @Test
    void itemsAndPreviewsNeedNoScope() {
        Tensor t = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3);
        assertEquals("[1.0, 4.0] ... 6 in all", t.transpose(0, 1).preview(2));
        assertEquals(4, t.select(0, 1).select(0, 0).item());
        assertArrayEquals(new double[] {1, 4, 2, 5, 3, 6}, t.transpose(0, 1).toDoubles());
        t.close();
    }

    @Test
    void everyDTypeReadsBackWhatWasWritten() {
        Scope.run(() -> {
            float[] x = {0, -1.5f, 2, 65504, 0.0009765625f};
            for (DType dtype : List.of(DType.F32, DType.F64, DType.BF16, DType.F16)) {
                float[] got = Tensor.of(x, 5).cast(dtype).toFloats();
                x[3] = dtype == DType.BF16 ? 65536 : 65504;
                assertArrayEquals(x, got, dtype.toString());
                x[3] = 65504;
            }
            assertArrayEquals(
                    new int[] {0, -1, 2, 65504, 0},
                    Tensor.of(x, 5).cast(DType.I32).toInts());
            return null;
        });
    }

    @Test
    void emptyTensorsPassThrough() {
        Scope.run(() -> {
            Tensor none = Tensor.zeros(0, 3);
            assertEquals(Shape.of(0, 4), none.matmul(Tensor.ones(3, 4)).shape());
            assertArrayEquals(new float[] {0, 0, 0}, none.sum(0).toFloats());
            assertArrayEquals(new float[0], none.add(Tensor.ones(3)).toFloats());
            assertArrayEquals(new float[] {0, 0}, Tensor.zeros(2, 0).sum(-1).toFloats());
            return null;
        });
    }
}
