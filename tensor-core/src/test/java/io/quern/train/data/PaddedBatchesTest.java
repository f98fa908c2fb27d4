package io.quern.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Losses;
import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.TensorException;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class PaddedBatchesTest {
    private static final int NONE = Losses.IGNORE;
    private static final List<int[]> THREE = List.of(new int[] {1, 2, 3}, new int[] {4, 5}, new int[] {6, 7, 8, 9, 10});

    @Test
    void classesComeWithPaddedSequences() {
        PaddedBatches batches = PaddedBatches.classes(THREE, new int[] {0, 1, 0}, 2, 4, 99);
        assertEquals(2, batches.perEpoch());
        Scope.run(() -> {
            PaddedBatch first = batches.batch(0);
            assertEquals(Shape.of(2, 3), first.inputs().shape());
            assertArrayEquals(new int[] {1, 2, 3, 4, 5, 99}, first.inputs().toInts());
            assertArrayEquals(new int[] {1, 1, 1, 1, 1, 0}, first.mask().toInts());
            assertArrayEquals(new int[] {3, 2}, first.lengths().toInts());
            assertArrayEquals(new int[] {0, 1}, first.targets().toInts());
            assertEquals(2, batches.items(first));
            PaddedBatch cut = batches.batch(1);
            assertArrayEquals(new int[] {6, 7, 8, 9}, cut.inputs().toInts());
            assertArrayEquals(first.inputs().toInts(), batches.batch(2).inputs().toInts(), "the next epoch");
            return null;
        });
    }

    @Test
    void targetsAtThePaddingDoNotCount() {
        PaddedBatches batches = PaddedBatches.nextTokens(THREE, 3, 3, 99);
        Scope.run(() -> {
            PaddedBatch b = batches.batch(0);
            assertArrayEquals(
                    new int[] {1, 2, 99, 4, 99, 99, 6, 7, 8}, b.inputs().toInts());
            assertArrayEquals(
                    new int[] {2, 3, NONE, 5, NONE, NONE, 7, 8, 9}, b.targets().toInts());
            assertEquals(6, batches.items(b));
            return null;
        });
    }

    @Test
    void anEpochHasEverySequenceOnce() {
        List<int[]> ten = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            ten.add(new int[] {i});
        }
        PaddedBatches batches = PaddedBatches.classes(ten, new int[10], 5, 8, 0).shuffled(3);
        List<List<Integer>> epochs = new ArrayList<>();
        Scope.run(() -> {
            for (int i = 0; i < 4; i++) {
                List<Integer> ids = new ArrayList<>();
                for (int id : batches.batch(i).inputs().toInts()) {
                    ids.add(id);
                }
                epochs.add(ids);
            }
            return null;
        });
        for (int e = 0; e < 2; e++) {
            TreeSet<Integer> all = new TreeSet<>(epochs.get(2 * e));
            all.addAll(epochs.get(2 * e + 1));
            assertEquals(10, all.size());
        }
        assertNotEquals(epochs.get(0), epochs.get(2));
    }

    @Test
    void packedSequencesFollowEachOther() {
        assertArrayEquals(
                new int[] {1, 2, 3, 0, 4, 5, 0, 6, 7, 8, 9, 10, 0},
                TokenDataset.packed(THREE, 0).read(0, 13));
    }

    @Test
    void theFingerprintTellsDataApart() {
        String one = PaddedBatches.nextTokens(THREE, 2, 4, 0).fingerprint();
        assertTrue(one.startsWith("3 token sequences, crc32c"), one);
        assertEquals(one, PaddedBatches.nextTokens(THREE, 3, 2, 9).shuffled(4).fingerprint());
        List<int[]> other = List.of(new int[] {1, 2}, new int[] {3, 4, 5}, new int[] {6, 7, 8, 9, 10});
        assertNotEquals(one, PaddedBatches.nextTokens(other, 2, 4, 0).fingerprint(), "cut elsewhere");
    }

    @Test
    void whatCannotBeTrainedOnIsRefused() {
        List<int[]> single = List.of(new int[] {1});
        assertTrue(assertThrows(TensorException.class, () -> PaddedBatches.nextTokens(single, 1, 4, 0))
                .getMessage()
                .contains("sequence 0 has 1 tokens"));
        assertThrows(TensorException.class, () -> PaddedBatches.classes(List.of(), new int[0], 1, 4, 0));
        assertThrows(TensorException.class, () -> PaddedBatches.classes(single, new int[2], 1, 4, 0));
        assertThrows(IllegalArgumentException.class, () -> PaddedBatches.classes(single, new int[1], 0, 4, 0));
    }
}
