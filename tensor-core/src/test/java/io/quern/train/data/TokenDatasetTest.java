package io.quern.train.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import io.quern.tensor.TensorException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TokenDatasetTest {
    private static TokenDataset counting(int n) {
        return TokenDataset.of(IntStream.range(0, n).toArray());
    }

    private static int[] inputs(Batches<Batch> data, long index) {
        return Scope.run(() -> data.batch(index).inputs().toInts());
    }

    @Test
    void targetsAreTheInputsOneTokenLater() {
        for (Batches<Batch> data : List.of(
                counting(50).randomCrops(3, 7, 1),
                counting(50).shuffledWindows(3, 7, 1),
                counting(50).windows(3, 7))) {
            Scope.run(() -> {
                Batch b = data.batch(1);
                assertEquals(Shape.of(3, 7), b.inputs().shape());
                int[] shifted =
                        Arrays.stream(b.inputs().toInts()).map(x -> x + 1).toArray();
                assertArrayEquals(shifted, b.targets().toInts());
                assertEquals(21, data.items(b));
                return null;
            });
        }
    }

    @Test
    void cropsAreAFunctionOfSeedAndIndex() {
        Batches<Batch> data = counting(1000).randomCrops(4, 8, 3);
        int[] seventh = inputs(data, 7);
        inputs(data, 3);
        assertArrayEquals(seventh, inputs(data, 7));
        assertArrayEquals(seventh, inputs(counting(1000).randomCrops(4, 8, 3), 7));
        assertFalse(Arrays.equals(seventh, inputs(data, 8)));
        assertFalse(Arrays.equals(seventh, inputs(counting(1000).randomCrops(4, 8, 4), 7)));
    }

    @Test
    void cropsReachEveryPlace() {
        Batches<Batch> data = counting(10).randomCrops(8, 4, 1);
        TreeSet<Integer> starts = new TreeSet<>();
        for (int i = 0; i < 20; i++) {
            int[] ids = inputs(data, i);
            for (int row = 0; row < 8; row++) {
                starts.add(ids[row * 4]);
            }
        }
        assertEquals(new TreeSet<>(List.of(0, 1, 2, 3, 4, 5)), starts);
    }

    @Test
    void windowsCoverTheDataInOrderAndEndWithASmallerBatch() {
        Batches<Batch> data = counting(18).windows(2, 4); // 4 windows need 17 tokens
        assertEquals(2, data.perEpoch());
        assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5, 6, 7}, inputs(data, 0));
        assertArrayEquals(inputs(data, 0), inputs(data, 2));
        Batches<Batch> odd = counting(13).windows(2, 4);
        assertEquals(2, odd.perEpoch());
        assertArrayEquals(new int[] {8, 9, 10, 11}, inputs(odd, 1));
    }

    @Test
    void shuffledWindowsComeOnceAnEpochInAnotherOrderEach() {
        Batches<Batch> data = counting(4 * 30 + 1).shuffledWindows(5, 4, 9);
        assertEquals(6, data.perEpoch());
        List<List<Integer>> epochs = new ArrayList<>();
        for (int epoch = 0; epoch < 3; epoch++) {
            List<Integer> starts = new ArrayList<>();
            for (int i = 0; i < 6; i++) {
                int[] ids = inputs(data, epoch * 6L + i);
                for (int row = 0; row < 5; row++) {
                    starts.add(ids[row * 4]);
                }
            }
            assertEquals(30, new TreeSet<>(starts).size());
            assertFalse(starts.equals(starts.stream().sorted().toList()));
            assertFalse(epochs.contains(starts));
            epochs.add(starts);
        }
    }

    @Test
    void permutationsHitEveryElement() {
        for (int n : new int[] {1, 2, 3, 5, 64, 65, 1000}) {
            Permutation p = new Permutation(n, 1, 2);
            assertEquals(n, IntStream.range(0, n).mapToLong(p::at).distinct().count());
            assertTrue(IntStream.range(0, n).mapToLong(p::at).allMatch(x -> x >= 0 && x < n));
        }
    }

    @Test
    void splitCutsOffTheEnd() {
        TokenDataset.Split s = counting(10).split(0.75);
        assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5, 6}, s.train().read(0, 7));
        assertEquals(7, s.train().size());
        assertArrayEquals(new int[] {7, 8, 9}, s.validation().read(0, 3));
    }

    @Test
    void filesOfBothWidthsReadBack(@TempDir Path dir) throws IOException {
        int[] ids = IntStream.range(0, 70_000).map(i -> i * 7 % 65_536).toArray();
        for (TokenWidth width : TokenWidth.values()) {
            Path file = dir.resolve(width + ".bin");
            width.write(file, ids);
            assertEquals((long) ids.length * width.bytes(), Files.size(file));
            TokenDataset mapped = TokenDataset.map(file, width);
            assertArrayEquals(ids, mapped.read(0, ids.length));
            assertArrayEquals(
                    inputs(TokenDataset.of(ids).randomCrops(2, 5, 1), 4), inputs(mapped.randomCrops(2, 5, 1), 4));
        }
        try (var files = Files.list(dir)) {
            assertEquals(2, files.count(), "no temporary file is left");
        }
        assertEquals(TokenWidth.UINT16, TokenWidth.forVocabulary(65_536));
        assertEquals(TokenWidth.INT32, TokenWidth.forVocabulary(65_537));
    }

    @Test
    void badInputIsRefusedWithItsName(@TempDir Path dir) throws IOException {
        Path file = dir.resolve("cut.bin");
        Files.write(file, new byte[7]);
        String message = assertThrows(TensorException.class, () -> TokenDataset.map(file, TokenWidth.INT32))
                .getMessage();
        assertTrue(message.contains("cut.bin") && message.contains("7 bytes"), message);

        Path wide = dir.resolve("wide.bin");
        message = assertThrows(TensorException.class, () -> TokenWidth.UINT16.write(wide, 1, 65_536))
                .getMessage();
        assertTrue(message.contains("65536"), message);
        assertFalse(Files.exists(wide));

        message = assertThrows(TensorException.class, () -> counting(8).randomCrops(1, 8, 0))
                .getMessage();
        assertTrue(message.contains("8 tokens"), message);
    }
}
