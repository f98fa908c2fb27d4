package io.quern.tensor;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.op.Loss;
import io.quern.tensor.op.Norm;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TapeTest {
    private final Tensor x = Tensor.of(new float[] {1, 2, 3, 4}, 2, 2).requireGrad();
    private final Tensor y = Tensor.of(new float[] {5, 6, 7, 8}, 2, 2).requireGrad();

    @AfterEach
    void close() {
        x.close();
        y.close();
    }

    private static float[] gradient(Tensor leaf, ScopedValue.CallableOp<Tensor, RuntimeException> body) {
        return Scope.run(() -> {
            Tensor g = Tape.gradients(body).of(leaf);
            return g == null ? null : g.toFloats();
        });
    }

    private static TensorException refused(ScopedValue.CallableOp<Tensor, RuntimeException> body) {
        return assertThrows(TensorException.class, () -> Tape.gradients(body).close());
    }

    @Test
    void gradientsOfASum() {
        Gradients g = Tape.gradients(() -> x.mul(y).sum());
        assertEquals(70, g.loss().item());
        assertArrayEquals(new float[] {5, 6, 7, 8}, g.of(x).toFloats());
        assertArrayEquals(new float[] {1, 2, 3, 4}, g.of(y).toFloats());
        assertTrue(g.of(x).isPacked());
        g.close();
    }

    @Test
    void aTensorUsedOftenGetsTheSumOfItsGradients() {
        assertArrayEquals(
                new float[] {3, 5, 7, 9}, gradient(x, () -> x.mul(x).add(x).sum()));
        assertArrayEquals(
                new float[] {3, 3, 3, 3}, gradient(x, () -> x.add(x).add(x).sum()));
        assertArrayEquals(new float[] {0, 0, 0, 0}, gradient(x, () -> x.sub(x).sum()));
        // An intermediate that is used twice, whose two gradients are the same tensor.
        assertArrayEquals(new float[] {8, 16, 24, 32}, gradient(x, () -> {
            Tensor s = x.square();
            return s.add(s).add(s).add(s).sum();
        }));
    }

    /** One table looks ids up and projects, as GPT-2's does. */
    @Test
    void tiedWeights() {
        Tensor table = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 3, 2).requireGrad();
        Tensor ids = Tensor.of(new int[] {2, 0}, 2);
        // loss = sum of all logits = sum_i sum_v table[id_i] . table[v]
        float[] got = gradient(
                table, () -> table.embedding(ids).matmul(table.transpose(0, 1)).sum());
        float[] column = {1 + 3 + 5, 2 + 4 + 6};
        float[] picked = {5 + 1, 6 + 2};
        assertArrayEquals(
                new float[] {
                    picked[0] + column[0],
                    picked[1] + column[1],
                    picked[0],
                    picked[1],
                    picked[0] + column[0],
                    picked[1] + column[1]
                },
                got);
        table.close();
        ids.close();
    }

    /** The three parts of one projection add into regions of one gradient. */
    @Test
    void narrowedRegionsAddUp() {
        Tensor qkv = Tensor.of(new float[] {1, 2, 3, 4, 5, 6}, 2, 3).requireGrad();
        assertArrayEquals(new float[] {1, 20, 300, 1, 20, 300}, gradient(qkv, () -> {
            Tensor whole = qkv.scale(1);
            return whole.narrow(1, 0, 1)
                    .add(whole.narrow(1, 1, 1).scale(20))
                    .add(whole.narrow(1, 2, 1).scale(300))
                    .sum();
        }));
        // Overlapping regions, a region of a leaf, and the whole beside its region, in both orders.
        assertArrayEquals(
                new float[] {1, 2, 1, 1, 2, 1},
                gradient(qkv, () -> qkv.narrow(1, 0, 2).add(qkv.narrow(1, 1, 2)).sum()));
        assertArrayEquals(
                new float[] {2, 1, 1, 2, 1, 1},
                gradient(qkv, () -> qkv.sum().add(qkv.narrow(1, 0, 1).sum())));
        assertArrayEquals(
                new float[] {2, 1, 1, 2, 1, 1},
                gradient(qkv, () -> qkv.narrow(1, 0, 1).sum().add(qkv.sum())));
        qkv.close();
    }

    @Test
    void viewsOfALeafMadeBeforeAreOtherTensors() {
        Tensor t = x.transpose(0, 1);
        assertThrows(TensorException.class, () -> Tape.gradients(() -> t.sum()));
    }

    @Test
    void parametersThatTheLossDoesNotDependOnHaveNoGradient() {
        assertNull(gradient(y, () -> x.sum()));
        assertNull(gradient(y, () -> {
            y.square();
            return x.sum();
        }));
        y.freeze();
        assertNull(gradient(y, () -> x.mul(y).sum()));
        y.requireGrad();
        assertArrayEquals(new float[] {1, 2, 3, 4}, gradient(y, () -> x.mul(y).sum()));
    }

    @Test
    void detachAndNoGradAreConstants() {
        assertArrayEquals(
                new float[] {1, 2, 3, 4}, gradient(x, () -> x.mul(x.detach()).sum()));
        assertArrayEquals(
                new float[] {1, 4, 9, 16},
                gradient(x, () -> x.mul(Tape.noGrad(x::square)).sum()));
        assertFalse(Tape.isRecording());
        gradient(x, () -> {
            assertTrue(Tape.isRecording());
            assertFalse(Tape.<Boolean, RuntimeException>noGrad(Tape::isRecording));
            return x.sum();
        });
    }

    @Test
    void updatesInPlaceAreRefusedOnWhatTheTapeFollows() {
        for (ScopedValue.CallableOp<Tensor, RuntimeException> body :
                List.<ScopedValue.CallableOp<Tensor, RuntimeException>>of(
                        () -> x.fill(1).sum(),
                        () -> x.square().accumulate(Tensor.ones(2, 2), 1).sum(),
                        () -> Tensor.zeros(2, 2).assign(x).sum(),
                        () -> x.narrow(0, 0, 1).fill(3).sum())) {
            TensorException e = refused(body);
            assertTrue(e.getMessage().contains("in place") && e.getMessage().contains("noGrad"), e.getMessage());
        }
        assertArrayEquals(new float[] {1, 2, 3, 4}, x.toFloats());
        // Others may be changed, and the tape does not see what happens under noGrad.
        assertArrayEquals(
                new float[] {7, 7, 7, 7},
                gradient(x, () -> x.mul(Tensor.zeros(2, 2).fill(7)).sum()));
        Tape.noGrad(() -> x.fill(2));
        assertArrayEquals(new float[] {2, 2, 2, 2}, x.toFloats());
    }

    @Test
    void lossesThatAreNone() {
        assertTrue(refused(x::square).getMessage().contains("[2, 2]"));
        assertTrue(refused(() -> Tensor.ones(2).sum()).getMessage().contains("requires a gradient"));
        assertTrue(refused(() -> Tape.noGrad(() -> x.sum())).getMessage().contains("requires a gradient"));
    }

    @Test
    void byProductsHaveNoGradient() {
        Tensor targets = Tensor.of(new int[] {0, 1}, 2);
        TensorException e = refused(() -> {
            List<Tensor> r = Tensor.runAll(new Loss.CrossEntropy(x, targets, null, -100, 0));
            return r.get(0).add(r.get(1)).sum();
        });
        assertTrue(e.getMessage().contains("result 1 of cross_entropy"), e.getMessage());
        e = refused(() ->
                Tensor.runAll(new Norm.LayerNorm(x, null, null, 1e-5)).get(2).sum());
        assertTrue(e.getMessage().contains("layer_norm"), e.getMessage());
        assertArrayEquals(new float[] {0, 0, 0, 0}, gradient(x, () -> {
            List<Tensor> r = Tensor.runAll(new Norm.LayerNorm(x, null, null, 1e-5));
            return r.get(0).add(r.get(2).detach().reshape(2, 1)).sum();
        }));
        targets.close();
    }

    @Test
    void onlyTheGradientsSurvive() {
        long before = Device.CPU.backend().memory().buffers();
        Gradients g = Tape.gradients(
                () -> x.matmul(y).gelu().softmax().mul(x).narrow(0, 0, 1).sum());
        assertEquals(before + 3, Device.CPU.backend().memory().buffers(), "two gradients and the loss");
        assertNotSame(g.of(x).buffer(), g.of(y).buffer());
        g.close();
        assertEquals(before, Device.CPU.backend().memory().buffers());
        g.close();
    }

    @Test
    void afterAnErrorNothingSurvives() {
        long before = Device.CPU.backend().memory().buffers();
        assertThrows(
                IllegalStateException.class,
                () -> Tape.gradients(() -> {
                    x.matmul(y).gelu();
                    throw new IllegalStateException();
                }));
        refused(() -> x.matmul(y).gelu());
        assertEquals(before, Device.CPU.backend().memory().buffers());
    }

    /** Blocks free what they do not need; the tape keeps what the gradient needs. */
    @Test
    void scopesInsideRecordedCodeFreeTheRest() {
        assertArrayEquals(gradient(x, () -> x.matmul(y).gelu().square().sum()), gradient(x, () -> {
            Tensor h = Scope.tidy(() -> x.matmul(y).gelu());
            return Scope.tidy(() -> h.square().sum());
        }));
        long[] held = new long[2];
        gradient(x, () -> {
            long before = Device.CPU.backend().memory().buffers();
            Tensor a = Scope.tidy(() -> x.add(y).scale(2).add(y));
            held[0] = Device.CPU.backend().memory().buffers() - before;
            Tensor b = Scope.tidy(() -> x.square().square().square());
            held[1] = Device.CPU.backend().memory().buffers() - before - held[0];
            return a.add(b).sum();
        });
        assertEquals(1, held[0], "sums save nothing");
        assertEquals(3, held[1], "squares save their operand, and x is there already");
    }

    @Test
    void gradientsOfLossesThatAreLeavesOrViewsOfThem() {
        Tensor s = Tensor.scalar(3).requireGrad();
        assertArrayEquals(new float[] {1}, gradient(s, () -> s));
        assertArrayEquals(new float[] {1}, gradient(s, () -> s.reshape(1)));
        assertArrayEquals(
                new float[] {0, 0, 1, 0}, gradient(x, () -> x.select(0, 1).select(0, 0)));
        s.close();
    }

    @Test
    void gradientsAddUpOverMicroBatches() {
        Gradients total = Tape.gradients(() -> x.mul(x).sum());
        assertNull(total.of(y));
        Scope.run(() -> {
            total.add(Tape.gradients(() -> x.mul(y).sum()));
            return null;
        });
        assertArrayEquals(new float[] {7, 10, 13, 16}, total.of(x).toFloats());
        // y joined late, inside a scope that has ended
        assertArrayEquals(new float[] {1, 2, 3, 4}, total.of(y).toFloats());
        total.close();
    }

    @Test
    void gradientsPassOutOfScopes() {
        Gradients g = Scope.tidy(() -> Tape.gradients(() -> x.sum()));
        assertArrayEquals(new float[] {1, 1, 1, 1}, g.of(x).toFloats());
        g.close();
        assertFalse(g.loss() != null && g.loss().isAlive());
    }

    /** Adding to the gradient of one leaf must not show in another's. */
    @Test
    void gradientsDoNotShareMemory() {
        Gradients g = Tape.gradients(() -> x.add(y).sum());
        g.of(x).fill(9);
        assertArrayEquals(new float[] {1, 1, 1, 1}, g.of(y).toFloats());
        g.close();
    }

    /** Both operands of a sum get the same tensor as gradient; adding to one, through a view, must not change the other. */
    @Test
    void sharedGradientsAreNotAddedToInPlace() {
        Tensor c = Tensor.of(new float[] {1, 2, 3, 4}, 4);
        assertArrayEquals(new float[] {1, 2, 3, 4}, gradient(y, () -> {
            Tensor v = y.reshape(4).scale(1);
            Tensor h = x.scale(1);
            Tensor squares = h.square().sum();
            return h.reshape(4).add(v).mul(c).sum().add(squares);
        }));
        c.close();
    }

    @Test
    void tapesNest() {
        assertArrayEquals(new float[] {2, 4, 6, 8}, gradient(x, () -> {
            // The inner gradient, 2 x, is a constant to the outer tape.
            Tensor inner = Tape.gradients(() -> x.square().sum()).of(x);
            return x.mul(inner).sum();
        }));
    }

    @Test
    void sixteenBitParametersGetSixteenBitGradients() {
        Tensor half = Scope.tidy(() -> Tensor.of(new float[] {1, 2}, 2).cast(DType.BF16))
                .requireGrad();
        Gradients g = Tape.gradients(() -> half.cast(DType.F32).square().sum());
        assertEquals(DType.BF16, g.of(half).dtype());
        assertArrayEquals(new float[] {2, 4}, g.of(half).toFloats());
        g.close();
        half.close();
    }
}
