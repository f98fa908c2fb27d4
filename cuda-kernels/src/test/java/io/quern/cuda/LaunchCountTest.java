package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Init;
import io.quern.tensor.DType;
import io.quern.tensor.Device;
import io.quern.train.TrainEvent;
import io.quern.train.Trainer;
import io.quern.train.data.Batch;
import io.quern.train.data.TokenDataset;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.Generator;
import io.quern.transformer.model.Gpt2;
import io.quern.transformer.model.Gpt2Config;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What training steps and decoded tokens of a small GPT-2 start on the device; docs/cuda.md has the counts for 12 layers. */
class LaunchCountTest {
    private static final Device CUDA = new Device("cuda", 0);
    private static final int LAYERS = 3;

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    /** As on a card: with a pool, from which small launches that wait for each other get other memory. */
    @BeforeEach
    void asOnACard() {
        CatalogRun.backend().pool().setCaching(true);
        CatalogRun.backend().products().choose(ProductChooser.Choice.OWN);
    }

    @AfterEach
    void asBefore() {
        CatalogRun.backend().products().choose(ProductChooser.Choice.AUTO);
        CatalogRun.backend().trim();
        CatalogRun.backend().pool().setCaching("on".equals(System.getProperty("quern.cuda.pool", "on")));
    }

    private static Gpt2 gpt2() {
        return new Gpt2(Gpt2Config.of(64, 16, 32, LAYERS, 2), Init.gpt2(1, LAYERS));
    }

    /** The third step of a training: the first ones fill the pool. */
    private static LaunchCounts step(DType type, int accumulate) throws Exception {
        return step(gpt2(), type, accumulate);
    }

    private static LaunchCounts step(Gpt2 untrained, DType type, int accumulate) throws Exception {
        List<LaunchCounts> steps = new ArrayList<>();
        untrained.moveTo(CUDA);
        try (Gpt2 model = untrained;
                Optimizer optimizer = new AdamW(ParamGroup.decayMatrices(model, 0.1), 0.9, 0.95, 1e-8)) {
            model.computeLossIn(type);
            steps.add(new LaunchCounts());
            CatalogRun.backend().card().watch(s -> steps.getLast().add(s));
            TokenDataset data = TokenDataset.of(
                            IntStream.range(0, 200).map(i -> i * i % 64).toArray())
                    .on(CUDA);
            Trainer.of(
                            model,
                            (Batch b) -> model.loss(b.inputs(), b.targets()),
                            data.randomCrops(2, 4, 1),
                            optimizer,
                            Schedule.constant(1e-3))
                    .steps(3)
                    .clip(1)
                    .accumulate(accumulate)
                    .listen(e -> {
                        if (e instanceof TrainEvent.Step) {
                            steps.add(new LaunchCounts());
                        }
                    })
                    .run();
        } finally {
            CatalogRun.backend().card().watch(null);
        }
        return steps.get(2);
    }

    @Test
    void trainingSteps() throws Exception {
        LaunchCounts f32 = step(DType.F32, 1);
        LaunchCounts bf16 = step(DType.BF16, 1);
        LaunchCounts two = step(DType.F32, 2);
        System.out.println("F32: " + f32);
        System.out.println("BF16: " + bf16);
        System.out.println("F32, two batches: " + two);
        for (LaunchCounts c : List.of(f32, bf16, two)) {
            assertEquals(1, c.count("adamw_f32"), c.toString());
            assertEquals(1, c.count("squares_f32"), c.toString());
            assertEquals(0, c.count("<allocate>") + c.count("<free>"), "memory outside the pool: " + c);
            assertEquals(0, c.count("<wait>") + c.count("<copy>") + c.count("<clear>"), c.toString());
        }
        // The loss and the norm; inputs and targets.
        assertEquals(2, f32.count("<read>"), f32.toString());
        assertEquals(2, f32.count("<write>"), f32.toString());
        assertEquals(1, bf16.count("cast_many_f32_bf16"), bf16.toString());
        assertTrue(two.count("accumulate_many_f32") < 12, two.toString());
        // Query, key and value of each layer; the gradient of the loss.
        assertEquals(LAYERS + 1, f32.count("copy_many_b4"), f32.toString());
    }

    /** In widths like those of GPT-2 a gradient in F32 hardly ever gets the block that one in BF16 has just left. */
    @Test
    void gradientsAreCastTogether() throws Exception {
        LaunchCounts c = step(new Gpt2(Gpt2Config.of(64, 8, 256, 1, 4), Init.gpt2(1, 1)), DType.BF16, 1);
        assertTrue(c.count("cast_many_bf16_f32") <= 2, c.toString());
        assertEquals(1, c.count("cast_many_f32_bf16"), c.toString());
    }

    @Test
    void tokens() {
        try (Gpt2 model = gpt2()) {
            model.moveTo(CUDA);
            LaunchCounts more = decode(model, 12);
            LaunchCounts less = decode(model, 11);
            System.out.println("Tokens: " + less + ", one more: " + more);
            assertEquals(LAYERS, more.count("copy_many_b4") - less.count("copy_many_b4"), "keys and values together");
            assertEquals(10 * LAYERS + 5, more.launches() - less.launches() + LAYERS, more.toString());
        }
    }

    private static LaunchCounts decode(Gpt2 model, int tokens) {
        GenerationConfig config = GenerationConfig.builder()
                .maxNewTokens(tokens)
                .eosTokenIds(List.of())
                .build();
        return LaunchCounts.of(() ->
                new Generator(model, null).generate(GenerationRequest.of(new int[] {1, 2, 3}, config)));
    }
}
