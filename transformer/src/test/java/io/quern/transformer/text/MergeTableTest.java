package io.quern.transformer.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class MergeTableTest {
    /** Random merges of tokens over an alphabet of {@code letters}; a token is the string that it stands for. */
    private static final class Fixture {
        final List<String> tokens = new ArrayList<>();
        final List<int[]> merges = new ArrayList<>();
        final MergeTable table;
        final int letters;

        Fixture(Random random, int letters, int count) {
            this.letters = letters;
            for (int i = 0; i < letters; i++) {
                tokens.add(String.valueOf((char) ('a' + i)));
            }
            for (int i = 0; i < count; i++) {
                int left = random.nextInt(tokens.size());
                int right = random.nextInt(tokens.size());
                if (merges.stream().noneMatch(m -> m[0] == left && m[1] == right)) {
                    String token = tokens.get(left) + tokens.get(right);
                    if (!tokens.contains(token)) {
                        tokens.add(token);
                    }
                    merges.add(new int[] {left, right, tokens.indexOf(token)});
                }
            }
            table = new MergeTable(column(0), column(1), column(2));
        }

        private int[] column(int index) {
            return merges.stream().mapToInt(m -> m[index]).toArray();
        }

        /** The definition: the pair of lowest rank, leftmost, until there is none. */
        int[] byDefinition(int[] symbols) {
            List<Integer> list = new ArrayList<>(Arrays.stream(symbols).boxed().toList());
            while (true) {
                int rank = Integer.MAX_VALUE;
                int at = -1;
                for (int i = 0; i + 1 < list.size(); i++) {
                    for (int r = 0; r < Math.min(rank, merges.size()); r++) {
                        if (merges.get(r)[0] == list.get(i) && merges.get(r)[1] == list.get(i + 1)) {
                            rank = r;
                            at = i;
                        }
                    }
                }
                if (at < 0) {
                    return list.stream().mapToInt(Integer::intValue).toArray();
                }
                list.set(at, merges.get(rank)[2]);
                list.remove(at + 1);
            }
        }
    }

    @Test
    void mergesAsDefined() {
        Random random = new Random(3);
        for (int round = 0; round < 60; round++) {
            Fixture fixture = new Fixture(random, 1 + random.nextInt(4), 1 + random.nextInt(40));
            for (int length : new int[] {0, 1, 2, 3, 10, 48, 49, 120}) {
                int[] symbols = random.ints(length, 0, fixture.letters).toArray();
                int[] merged = symbols.clone();
                int count = fixture.table.apply(merged, merged.length);
                assertArrayEquals(fixture.byDefinition(symbols), Arrays.copyOf(merged, count));
            }
        }
    }

    @Test
    void laterRankOfAPairCounts() {
        // a+b, b+c, a+b again: the second has the lower rank now.
        MergeTable table = new MergeTable(new int[] {0, 1, 0}, new int[] {1, 2, 1}, new int[] {3, 4, 3});
        int[] symbols = {0, 1, 2};
        assertEquals(2, table.apply(symbols, 3));
        assertArrayEquals(new int[] {0, 4}, Arrays.copyOf(symbols, 2));
    }
}
