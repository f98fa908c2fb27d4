package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.cuda.driver.CudaDevice;
import io.quern.nn.Module;
import io.quern.nn.Param;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.GenerationResult;
import io.quern.transformer.generate.Generator;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Launches that go as CUDA graphs give the very bits of single launches. */
@Tag("gpu")
@Tag("models")
class GraphTest {
    private static final Device CUDA = new Device("cuda", 0);

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    @AfterEach
    void asBefore() {
        card().useGraphs(true);
        backend().products().choose(ProductChooser.Choice.AUTO);
    }

    private static CudaBackend backend() {
        return (CudaBackend) CUDA.backend();
    }

    private static CudaDevice card() {
        return backend().card();
    }

    /** Runs twice, without and with graphs, which must be of use in the second run. */
    private static <T> List<T> both(Callable<T> body) throws Exception {
        card().useGraphs(false);
        T single = body.call();
        card().useGraphs(true);
        long before = card().launchesInGraphs();
        T graphs = body.call();
        assertTrue(card().launchesInGraphs() > before, "no launch went as part of a graph: " + card().graphs());
        return List.of(single, graphs);
    }

    private static CausalLanguageModel model(Purpose purpose) throws Exception {
        CausalLanguageModel model = ModelDir.open(Path.of(GraphTest.class
                                .getResource("/models/gpt2-tiny/config.json")
                                .toURI())
                        .getParent())
                .load(purpose);
        model.moveTo(CUDA);
        return model;
    }

    /** The parameters of a kernel are those of its last launch, not of the one that the graph was made of. */
    @Test
    void parametersThatChangeAreThoseOfTheLaunch() {
        long before = card().launchesInGraphs();
        for (int round = 0; round < 5; round++) {
            float x = round;
            int size = 3 + 100 * round; // another grid
            float[] y = Scope.run(() -> {
                Tensor t = Tensor.of(new float[size], size).to(CUDA);
                return t.shift(x).scale(2).shift(1).scale(3).shift(x).scale(0.5).toFloats();
            });
            for (float v : y) {
                assertEquals(0.5f * (3 * (2 * x + 1) + x), v, "round " + round);
            }
        }
        assertTrue(card().launchesInGraphs() > before, card().graphs());
    }

    @Test
    void decodingGivesTheSameTokensAndScores() throws Exception {
        for (ProductChooser.Choice choice : List.of(ProductChooser.Choice.AUTO, ProductChooser.Choice.OWN)) {
            backend().products().choose(choice);
            try (CausalLanguageModel model = model(Purpose.INFERENCE)) {
                for (int beams : new int[] {1, 3}) {
                    GenerationConfig config = GenerationConfig.builder()
                            .maxNewTokens(12)
                            .numBeams(beams)
                            .eosTokenIds(List.of())
                            .build();
                    List<GenerationResult> r = both(() ->
                            new Generator(model, null).generate(GenerationRequest.of(new int[] {5, 17, 3}, config)));
                    assertArrayEquals(
                            r.get(0).first().tokens(), r.get(1).first().tokens(), choice + ", " + beams + " beams");
                    assertEquals(r.get(0).first().score(), r.get(1).first().score());
                }
            }
        }
    }

    /** The step number, the stream of dropout and the batch differ from step to step. */
    @Test
    void trainingGivesTheSameWeights() throws Exception {
        backend().products().choose(ProductChooser.Choice.OWN);
        List<List<float[]>> r = both(GraphTest::train);
        for (int i = 0; i < r.get(0).size(); i++) {
            assertArrayEquals(r.get(0).get(i), r.get(1).get(i), "parameter " + i);
        }
    }

    /** A parameter without a gradient moves the others to other places of the table, not to another kernel. */
    @Test
    void aGradientThatComesAndGoesGivesTheSameWeights() throws Exception {
        List<List<float[]>> r = both(GraphTest::trainParts);
        for (int i = 0; i < r.get(0).size(); i++) {
            assertArrayEquals(r.get(0).get(i), r.get(1).get(i), "parameter " + i);
        }
    }

    private static List<float[]> trainParts() {
        try (Parts model = new Parts();
                Optimizer optimizer = new AdamW(ParamGroup.all(model, 0.1), 0.9, 0.95, 1e-8)) {
            List<Param> params = List.copyOf(model.parameters().values());
            for (int step = 0; step < 8; step++) {
                int without = step % 3;
                double lr = 0.1 / (1 + step);
                Scope.run(() -> {
                    Gradients g = Tape.gradients(() -> {
                        Tensor loss = null;
                        for (int i = 0; i < params.size(); i++) {
                            Tensor term = params.get(i).value().square().mean().scale(i + 1);
                            loss = i == without ? loss : loss == null ? term : loss.add(term);
                        }
                        return loss;
                    });
                    optimizer.step(g, lr, 1);
                    return g.loss().item();
                });
            }
            return params.stream().map(p -> p.value().toFloats()).toList();
        }
    }

    private static final class Parts extends Module {
        Parts() {
            for (int i = 0; i < 4; i++) {
                param("p" + i, Tensor.of(new float[] {1 + i, -2, 3, 0.5f * i, 7}, 5));
            }
            moveTo(CUDA);
        }
    }

    private static List<float[]> train() throws Exception {
        try (CausalLanguageModel model = model(Purpose.TRAINING);
                Optimizer optimizer = new AdamW(ParamGroup.all(model, 0.1), 0.9, 0.95, 1e-8)) {
            for (int step = 0; step < 4; step++) {
                long s = step;
                Scope.run(() -> {
                    Tensor inputs = tokens(model, 2 * s);
                    Tensor targets = tokens(model, 2 * s + 1);
                    Gradients g = TrainingMode.with(
                            7,
                            s,
                            () -> Tape.gradients(() -> {
                                Tensor loss = model.loss(inputs, targets);
                                return loss.dropout(0.5, 3, s).add(loss);
                            }));
                    optimizer.step(g, 1e-3 / (1 + s), 1);
                    return g.loss().item();
                });
            }
            List<float[]> all = new ArrayList<>();
            for (Param p : model.parameters().values()) {
                all.add(p.value().toFloats());
            }
            return all;
        }
    }

    private static Tensor tokens(CausalLanguageModel model, long stream) {
        int[] ids = new int[2 * 6];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) Long.remainderUnsigned(Rng.bits(1, stream, i), model.vocabSize());
        }
        return Tensor.of(ids, 2, 6).to(CUDA);
    }

    /** Products by cuBLAS are captured; where their operands move, they run alone. */
    @Test
    void productsOfCublasRunInGraphs() {
        if (!backend().products().hasCublas()) {
            return;
        }
        backend().products().choose(ProductChooser.Choice.CUBLAS);
        long before = card().launchesInGraphs();
        for (int round = 0; round < 20; round++) {
            float x = round;
            float[] y = Scope.run(() -> {
                Tensor a = Tensor.of(new float[] {x, 1, 2, 3}, 2, 2).to(CUDA);
                Tensor b = Tensor.of(new float[] {1, 0, 1, 1}, 2, 2).to(CUDA);
                return a.matmul(b).matmul(b).shift(1).matmul(b).scale(2).toFloats();
            });
            // a b^2 = a + 2 (column 1 into column 0), then + 1, times b, times 2
            float[] want = {2 * (x + 2 + 1 + 2), 2 * 2, 2 * (2 + 6 + 1 + 4), 2 * 4};
            assertArrayEquals(want, y, "round " + round);
        }
        assertTrue(card().launchesInGraphs() > before, card().graphs());
    }
}
