package io.quern.tensor.cpu;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OffHeapTest {
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 4})
    void copiesAtAnyAlignment(int shift) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocate(128, 64);
            long at = segment.address() + shift;
            float[] floats = {1.5f, -2f, Float.NaN, 0f};
            OffHeap.write(floats, 1, at, 3);
            float[] back = new float[4];
            OffHeap.read(at, back, 1, 3);
            assertArrayEquals(new float[] {0, -2f, Float.NaN, 0f}, back);
            assertEquals(-2f, OffHeap.getFloat(at));

            OffHeap.write(new short[] {1, 2, 3}, 0, at, 3);
            assertEquals(3, OffHeap.getShort(at + 4));
            OffHeap.write(new int[] {7, 8}, 0, at, 2);
            assertEquals(8, OffHeap.getInt(at + 4));
            OffHeap.write(new double[] {0.5, 0.25}, 0, at, 2);
            assertEquals(0.25, OffHeap.getDouble(at + 8));

            OffHeap.copy(at, at + 8, 16);
            assertEquals(0.25, OffHeap.getDouble(at + 16));
            OffHeap.zero(at + 8, 8);
            assertEquals(0.5, OffHeap.getDouble(at));
            assertEquals(0.0, OffHeap.getDouble(at + 8));
            assertEquals(0.25, OffHeap.getDouble(at + 16));
        }
    }
}
