package io.quern.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.quern.tensor.Scope;
import io.quern.tensor.Shape;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class InitTest {
    private static float[] draw(Init init, String path, int... dims) {
        return Scope.run(() -> init.make(path, Shape.of(dims)).toFloats());
    }

    private static double std(float[] x) {
        double sum = 0;
        for (float v : x) {
            sum += (double) v * v;
        }
        return Math.sqrt(sum / x.length);
    }

    @Test
    void gpt2SchemeFollowsThePath() {
        Init init = Init.gpt2(1, 8);
        assertEquals(0.02, std(draw(init, "wte.weight", 300, 200)), 0.0003);
        assertEquals(0.02, std(draw(init, "h.0.attn.c_attn.weight", 200, 300)), 0.0003);
        assertEquals(0.005, std(draw(init, "h.3.attn.c_proj.weight", 200, 300)), 0.0001);
        assertEquals(0.005, std(draw(init, "h.3.mlp.c_proj.weight", 200, 300)), 0.0001);
        assertArrayEquals(new float[6], draw(init, "h.3.mlp.c_proj.bias", 6));
        assertArrayEquals(new float[] {1, 1, 1}, draw(init, "h.0.ln_1.weight", 3));
        assertArrayEquals(new float[3], draw(init, "h.0.ln_1.bias", 3));
    }

    @Test
    void numbersDependOnSeedAndPathOnly() {
        Init init = Init.gpt2(1, 2);
        float[] first = draw(init, "a.weight", 8, 8);
        float[] other = draw(init, "b.weight", 8, 8);
        assertFalse(Arrays.equals(first, other), "each path has its own stream");
        assertFalse(Arrays.equals(first, draw(Init.gpt2(2, 2), "a.weight", 8, 8)));
        assertArrayEquals(first, draw(init, "a.weight", 8, 8));
        assertArrayEquals(first, draw(init.at("a."), "weight", 8, 8));
    }

    @Test
    void anElementDoesNotDependOnHowManyAreDrawn() {
        int n = (1 << 16) + 7;
        float[] many = draw(Init.normal(5, 0.5), "x.weight", n, 3);
        assertArrayEquals(Arrays.copyOf(many, n), draw(Init.normal(5, 0.5), "x.weight", n, 1));
    }

    @Test
    void normalNumbersAreNormal() {
        float[] x = draw(Init.normal(7, 1), "x.weight", 1000, 1000);
        double n = x.length;
        double mean = 0;
        double fourth = 0;
        double neighbours = 0;
        int beyond2 = 0;
        for (int i = 0; i < x.length; i++) {
            mean += x[i] / n;
            fourth += Math.pow(x[i], 4) / n;
            neighbours += i == 0 ? 0 : (double) x[i] * x[i - 1] / n;
            beyond2 += Math.abs(x[i]) > 2 ? 1 : 0;
        }
        // Each bound is about five standard errors of a million numbers.
        assertEquals(0, mean, 0.005);
        assertEquals(1, std(x), 0.0036);
        assertEquals(3, fourth, 0.05);
        assertEquals(0, neighbours, 0.005);
        assertEquals(0.0455, beyond2 / n, 0.00105);
    }
}
