package io.quern.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class RowsTest {
    /** Row i is (i, 10 i), its class i. */
    private static Rows ten() {
        float[] inputs = new float[20];
        int[] classes = new int[10];
        for (int i = 0; i < 10; i++) {
            inputs[2 * i] = i;
            inputs[2 * i + 1] = 10 * i;
            classes[i] = i;
        }
        return Rows.classes(inputs, 2, classes);
    }

    private static int[] classesOf(Batches<Batch> batches, long index) {
        return Scope.run(() -> batches.batch(index).targets().toInts());
    }

    @Test
    void inOrderTheLastBatchHasWhatIsLeft() {
        Batches<Batch> batches = ten().inOrder(4);
        assertEquals(3, batches.perEpoch());
        assertArrayEquals(new int[] {4, 5, 6, 7}, classesOf(batches, 1));
        assertArrayEquals(new int[] {8, 9}, classesOf(batches, 2));
        assertArrayEquals(new int[] {0, 1, 2, 3}, classesOf(batches, 3));
        Scope.run(() -> {
            Batch last = batches.batch(2);
            assertArrayEquals(new float[] {8, 80, 9, 90}, last.inputs().toFloats());
            assertArrayEquals(new int[] {2, 2}, last.inputs().shape().dims());
            assertEquals(2, batches.items(last));
            return null;
        });
    }

    @Test
    void shuffledEachEpochHasEveryRowOnceInAnotherOrder() {
        Batches<Batch> batches = ten().shuffled(5, 7);
        List<List<Integer>> epochs = new ArrayList<>();
        for (int epoch = 0; epoch < 3; epoch++) {
            List<Integer> seen = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                Scope.run(batchIndex(batches, 2L * epoch + i, seen));
            }
            epochs.add(List.copyOf(seen));
            assertEquals(
                    List.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
                    seen.stream().sorted().toList());
        }
        assertNotEquals(epochs.get(0), epochs.get(1));
        assertNotEquals(epochs.get(1), epochs.get(2));
        assertArrayEquals(classesOf(batches, 3), classesOf(ten().shuffled(5, 7), 3));
        assertFalse(Arrays.equals(classesOf(batches, 0), classesOf(ten().shuffled(5, 8), 0)));
    }

    private static ScopedValue.CallableOp<Void, RuntimeException> batchIndex(
            Batches<Batch> batches, long index, List<Integer> seen) {
        return () -> {
            Batch b = batches.batch(index);
            float[] in = b.inputs().toFloats();
            int[] classes = b.targets().toInts();
            for (int i = 0; i < classes.length; i++) {
                assertEquals(classes[i], in[2 * i], "a row keeps its class");
                assertEquals(10 * classes[i], in[2 * i + 1]);
                seen.add(classes[i]);
            }
            return null;
        };
    }

    @Test
    void targetsMayBeNumbers() {
        Rows rows = Rows.numbers(new float[] {1, 2, 3}, 1, new float[] {1, -1, 2, -2, 3, -3}, 2);
        Scope.run(() -> {
            Batch b = rows.slice(1, 3).all();
            assertArrayEquals(new float[] {2, 3}, b.inputs().toFloats());
            assertArrayEquals(new float[] {2, -2, 3, -3}, b.targets().toFloats());
            assertEquals(DType.F32, b.targets().dtype());
            assertArrayEquals(new int[] {2, 2}, b.targets().shape().dims());
            return null;
        });
    }

    @Test
    void theFingerprintIsThatOfTheRowsNotOfTheBatches() {
        String print = ten().inOrder(4).fingerprint();
        assertEquals(print, ten().shuffled(2, 1).fingerprint());
        assertNotEquals(print, ten().slice(0, 9).inOrder(4).fingerprint());
        assertNotEquals(
                Rows.classes(new float[] {1}, 1, 0).inOrder(1).fingerprint(),
                Rows.classes(new float[] {1}, 1, 1).inOrder(1).fingerprint());
    }

    @Test
    void whatDoesNotGoTogetherIsRefused() {
        TensorException e =
                assertThrows(TensorException.class, () -> Rows.classes(new float[] {1, 2, 3}, 2, new int[] {0}));
        assertTrue(e.getMessage().contains("3 numbers in rows of 2"), e.getMessage());
        assertThrows(TensorException.class, () -> Rows.classes(new float[0], 2));
        assertThrows(TensorException.class, () -> Rows.numbers(new float[] {1, 2}, 1, new float[] {1, 2, 3}, 2));
        assertThrows(IllegalArgumentException.class, () -> Rows.classes(new float[] {1}, 0, 1));
        assertThrows(IllegalArgumentException.class, () -> ten().inOrder(0));
        assertThrows(TensorException.class, () -> ten().slice(3, 3));
        assertThrows(TensorException.class, () -> ten().slice(3, 11));
    }
}
