package io.quern.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

class ScopeTest {
    private static long buffers() {
        return Device.CPU.backend().memory().buffers();
    }

    private record Pair(Tensor first, Tensor second) implements TensorHolder {
        @Override
        public void forEachTensor(Consumer<Tensor> action) {
            action.accept(first);
            action.accept(second);
        }
    }

    private record Plain(Tensor t) {}

    @Test
    void runFreesEverything() {
        long before = buffers();
        double sum = Scope.run(() -> {
            Tensor t = Tensor.ones(3).add(Tensor.ones(3));
            assertEquals(before + 3, buffers());
            return t.sum().item();
        });
        assertEquals(6, sum);
        assertEquals(before, buffers());
    }

    @Test
    void tidyLetsTheResultLive() {
        long before = buffers();
        Tensor t = Scope.tidy(() -> Tensor.ones(3).add(Tensor.ones(3)));
        assertEquals(before + 1, buffers());
        assertEquals(2, t.select(0, 0).item());
        t.close();
        assertEquals(before, buffers());
    }

    @Test
    void aViewKeepsItsBuffer() {
        Tensor view = Scope.tidy(() -> Tensor.arange(6).reshape(2, 3).transpose(0, 1));
        assertEquals(4, view.toInts()[3]);
        view.close();
        assertFalse(view.isAlive());
    }

    @Test
    void resultsOfManyKinds() {
        Tensor lost = Tensor.ones(1);
        List<Tensor> list = Scope.tidy(() -> List.of(Tensor.ones(1), Tensor.ones(2)));
        Map<String, Tensor> map = Scope.tidy(() -> Map.of("a", Tensor.ones(1)));
        Tensor[] array = Scope.tidy(() -> new Tensor[] {Tensor.ones(1), null});
        Pair pair = Scope.tidy(() -> new Pair(Tensor.ones(1), lost.add(lost)));
        Optional<List<Tensor>> nested = Scope.tidy(() -> Optional.of(Arrays.asList(Tensor.ones(1), null)));
        assertSame(null, Scope.tidy(() -> null));
        for (Tensor t : List.of(
                list.get(0),
                list.get(1),
                map.get("a"),
                array[0],
                pair.first,
                pair.second,
                nested.orElseThrow().get(0))) {
            assertTrue(t.isAlive());
            t.close();
        }
        lost.close();
    }

    @Test
    void resultsWhoseTensorsCannotBeFoundAreRefused() {
        long before = buffers();
        IllegalArgumentException e =
                assertThrows(IllegalArgumentException.class, () -> Scope.tidy(() -> new Plain(Tensor.ones(3))));
        assertTrue(e.getMessage().contains("TensorHolder"), e.getMessage());
        assertThrows(IllegalArgumentException.class, () -> Scope.run(() -> Tensor.ones(3)));
        assertThrows(IllegalArgumentException.class, () -> Scope.run(() -> new Pair(Tensor.ones(1), Tensor.ones(1))));
        assertEquals(before, buffers());
    }

    @Test
    void nestedScopesPassResultsOutward() {
        long before = buffers();
        Scope.run(() -> {
            Tensor outer = Tensor.ones(2);
            Tensor middle = Scope.tidy(() -> {
                Tensor inner = Scope.tidy(() -> Tensor.ones(2).add(outer));
                assertEquals(before + 2, buffers());
                return inner.add(outer);
            });
            assertEquals(before + 2, buffers());
            assertEquals(3, middle.select(0, 1).item());
            // Returned from a scope that it was not born in, a tensor stays where it is.
            assertSame(outer, Scope.tidy(() -> outer));
            assertTrue(outer.isAlive());
            return null;
        });
        assertEquals(before, buffers());
    }

    @Test
    void exceptionsFreeEverythingAndKeepTheirType() {
        long before = buffers();
        IOException e = assertThrows(
                IOException.class,
                () -> Scope.tidy(() -> {
                    Tensor.ones(3);
                    Scope.<Tensor, IOException>tidy(() -> {
                        Tensor.ones(4);
                        throw new IOException("disk");
                    });
                    return Tensor.ones(1);
                }));
        assertEquals("disk", e.getMessage());
        assertEquals(before, buffers());
    }

    @Test
    void keepOutlivesTheScopeUntilClose() {
        Tensor[] kept = new Tensor[2];
        Scope.run(() -> {
            kept[0] = Tensor.ones(2).keep();
            kept[1] = Tensor.ones(2);
            return null;
        });
        assertTrue(kept[0].isAlive());
        assertFalse(kept[1].isAlive());
        Scope.run(() -> {
            kept[0].close();
            assertFalse(kept[0].isAlive());
            return null;
        });
    }

    @Test
    void closeIsEarlyAndHarmlessTwice() {
        long before = buffers();
        Scope.run(() -> {
            Tensor t = Tensor.ones(2);
            t.close();
            assertEquals(before, buffers());
            t.close();
            Tensor reuse = Tensor.ones(2);
            t.close();
            assertTrue(reuse.isAlive());
            return null;
        });
        assertEquals(before, buffers());
    }

    /** The tape holds what gradients read, even if its maker closed it; keeping it then takes a hold of its own. */
    @Test
    void closedTensorsThatTheTapeHoldsCanBeKept() {
        Tensor leaf = Tensor.of(new float[] {3}, 1).requireGrad();
        Tensor[] kept = new Tensor[1];
        Gradients g = Tape.gradients(() -> {
            Tensor square = leaf.square();
            Tensor y = square.mul(square).sum();
            square.close();
            assertTrue(square.isAlive());
            kept[0] = square.keep();
            return y;
        });
        assertEquals(108, g.of(leaf).item());
        assertEquals(9, kept[0].item());
        kept[0].close();
        assertFalse(kept[0].isAlive());
        g.close();
        leaf.close();
    }

    @Test
    void scopesBelongToTheirThread() throws InterruptedException {
        Scope.run(() -> {
            Tensor[] other = new Tensor[1];
            Thread thread = new Thread(() -> other[0] = Tensor.ones(1));
            thread.start();
            thread.join();
            assertTrue(other[0].isAlive());
            other[0].close();
            return null;
        });
    }
}
