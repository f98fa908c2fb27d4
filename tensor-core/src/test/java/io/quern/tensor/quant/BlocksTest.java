package io.quern.tensor.quant;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Rng;
import io.quern.tensor.TensorException;
import io.quern.tensor.file.Safetensors;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Blocks against those that ggml's Python package wrote and read, and their errors. */
class BlocksTest {
    private static Safetensors golden;

    @BeforeAll
    static void open() throws IOException {
        try (InputStream in = BlocksTest.class.getResourceAsStream("/quant/ggml-blocks.safetensors")) {
            golden = Safetensors.of("ggml-blocks", in.readAllBytes());
        }
    }

    @AfterAll
    static void close() {
        golden.close();
    }

    private static float[] floats(String name) {
        return golden.get(name).data().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED);
    }

    private static byte[] bytes(String name) {
        return golden.get(name).data().toArray(ValueLayout.JAVA_BYTE);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"Q8_0", "Q4_0", "Q4_K", "Q6_K"})
    void readsBlocksAsGgmlDoes(DType type) {
        byte[] blocks = bytes(type.name());
        float[] want = floats(type + "_values");
        float[] got = new float[want.length + 2];
        byte[] shifted = new byte[blocks.length + 3];
        System.arraycopy(blocks, 0, shifted, 3, blocks.length);
        Blocks.dequantize(type, shifted, 3, want.length, got, 1);
        assertEquals(0, got[0]);
        assertArrayEquals(want, Arrays.copyOfRange(got, 1, want.length + 1));
        assertEquals(0, got[want.length + 1]);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"Q8_0", "Q4_0"})
    void writesBlocksAsGgmlDoes(DType type) {
        float[] x = floats("x");
        byte[] want = bytes(type.name());
        byte[] got = new byte[want.length];
        Blocks.quantize(type, x, 0, x.length, got, 0);
        assertArrayEquals(want, got);
    }

    /** Root mean square error of normal numbers, as a part of their size: what the formats are known for, and no more. */
    @ParameterizedTest
    @CsvSource({"Q8_0, 0.0060", "Q4_0, 0.095", "Q4_K, 0.080", "Q6_K, 0.020"})
    void roundTripIsNear(DType type, double most) {
        int n = 64 * 256;
        Rng rng = new Rng(3);
        float[] x = new float[n];
        for (int i = 0; i < n; i++) {
            x[i] = (float) (rng.nextGaussian() * (1 + i / 1024));
        }
        float[] y = roundTrip(type, x);
        double error = 0;
        double size = 0;
        for (int i = 0; i < n; i++) {
            error += Math.pow(x[i] - y[i], 2);
            size += Math.pow(x[i], 2);
        }
        double rms = Math.sqrt(error / size);
        assertTrue(rms < most && rms > most / 2, type + ": " + rms);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"Q8_0", "Q4_0", "Q4_K", "Q6_K"})
    void zerosStayAndWhatIsNotFiniteIsNotHidden(DType type) {
        int n = type.blockSize();
        assertArrayEquals(new float[n], roundTrip(type, new float[n]), Float.MIN_VALUE);
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
            float[] x = new float[2 * n];
            Arrays.fill(x, 1);
            x[n + 5] = bad;
            float[] y = roundTrip(type, x);
            for (int i = 0; i < n; i++) {
                assertEquals(1, y[i], 0.02f);
                assertTrue(!Float.isFinite(y[n + i]), type + " of " + bad + ": " + y[n + i]);
            }
        }
    }

    private static float[] roundTrip(DType type, float[] x) {
        byte[] blocks = new byte[(int) type.bytes(x.length)];
        Blocks.quantize(type, x, 0, x.length, blocks, 0);
        float[] y = new float[x.length];
        Blocks.dequantize(type, blocks, 0, x.length, y, 0);
        return y;
    }

    @Test
    void refusesPartsOfBlocksAndPlainTypes() {
        assertThrows(TensorException.class, () -> Blocks.quantize(DType.Q8_0, new float[33], 0, 33, new byte[99], 0));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> Blocks.quantize(DType.Q8_0, new float[32], 1, 32, new byte[99], 0));
        assertThrows(
                IndexOutOfBoundsException.class,
                () -> Blocks.dequantize(DType.Q6_K, new byte[209], 0, 256, new float[256], 0));
        assertThrows(
                IllegalArgumentException.class,
                () -> Blocks.quantize(DType.F16, new float[32], 0, 32, new byte[64], 0));
    }
}
