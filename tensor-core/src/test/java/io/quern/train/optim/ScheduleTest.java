package io.quern.train.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.golden.Golden;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class ScheduleTest {
    private static Schedule schedule(JsonNode p) {
        double lr = p.get("base_lr").doubleValue();
        int warmup = p.get("num_warmup_steps").intValue();
        int after = p.path("num_training_steps").intValue() - warmup;
        return switch (p.get("schedule").asText()) {
            case "cosine_schedule_with_warmup", "cosine_with_min_lr_schedule_with_warmup" ->
                new Schedule.Cosine(
                                lr,
                                p.path("min_lr").doubleValue(),
                                after,
                                p.path("num_cycles").asDouble(0.5))
                        .warmup(warmup);
            case "linear_schedule_with_warmup" -> Schedule.linear(lr, after).warmup(warmup);
            case "constant_schedule_with_warmup" -> Schedule.constant(lr).warmup(warmup);
            default -> throw new AssertionError("unknown schedule in " + p);
        };
    }

    @TestFactory
    List<DynamicTest> ratesAgreeWithTransformers() {
        List<DynamicTest> tests = new ArrayList<>();
        for (Golden.Case c : Golden.load("lr_schedules").cases()) {
            tests.add(DynamicTest.dynamicTest(c.id(), () -> {
                Schedule s = schedule(c.params());
                int steps = c.params().get("steps").intValue();
                c.assertClose(
                        "lr_of_step",
                        IntStream.range(0, steps).mapToDouble(s::at).toArray());
            }));
        }
        assertEquals(6, tests.size());
        return tests;
    }

    private static Schedule pytorchs(String name) {
        double lr = 0.003;
        return switch (name) {
            case "step" -> Schedule.step(lr, 0.3, 7);
            case "exponential" -> Schedule.exponential(lr, 0.93);
            case "linear_to_a_tenth" -> Schedule.linear(lr, lr / 10, 20);
            case "inverse_sqrt" -> Schedule.inverseSqrt(lr, 6).warmup(6);
            case "inverse_sqrt_timescale" -> Schedule.inverseSqrt(lr, 17).warmup(6);
            case "wsd_linear" ->
                Schedule.stableDecay(lr, 0, 9, 10, Schedule.Decay.LINEAR).warmup(4);
            case "wsd_cosine" ->
                Schedule.stableDecay(lr, 0, 9, 10, Schedule.Decay.COSINE).warmup(4);
            case "wsd_1-sqrt" ->
                Schedule.stableDecay(lr, lr / 5, 9, 10, Schedule.Decay.ONE_MINUS_SQRT)
                        .warmup(4, lr / 5);
            case "plateau" -> Schedule.plateau(lr, 0.5, 2, 0);
            case "plateau_cooldown" -> new Plateau(lr, 0.1, 1, 0.02, 3, 1e-5);
            default -> throw new AssertionError("unknown schedule " + name);
        };
    }

    private static JsonNode moreGoldens() throws IOException {
        try (InputStream in = ScheduleTest.class.getResourceAsStream("/train/schedules.json")) {
            return new ObjectMapper().readTree(in);
        }
    }

    @TestFactory
    List<DynamicTest> ratesAgreeWithPyTorch() throws IOException {
        JsonNode goldens = moreGoldens();
        List<DynamicTest> tests = new ArrayList<>();
        for (Map.Entry<String, JsonNode> c : goldens.properties()) {
            if (!c.getKey().equals("losses")) {
                tests.add(DynamicTest.dynamicTest(c.getKey(), () -> {
                    Schedule s = pytorchs(c.getKey());
                    for (int i = 0; i < c.getValue().size(); i++) {
                        double expected = c.getValue().get(i).doubleValue();
                        assertEquals(expected, s.at(i), 1e-12 + 1e-9 * expected, "step " + i);
                        s.observe(goldens.get("losses").get(i).doubleValue());
                    }
                }));
            }
        }
        assertEquals(10, tests.size());
        return tests;
    }

    /** At every step the memory of one plateau goes into another, which has to go on like one that never stopped. */
    @Test
    void aPlateauGoesOnFromItsState() throws IOException {
        JsonNode goldens = moreGoldens();
        Schedule s = pytorchs("plateau_cooldown").warmup(0);
        for (int i = 0; i < goldens.get("losses").size(); i++) {
            assertEquals(goldens.get("plateau_cooldown").get(i).doubleValue(), s.at(i), 1e-12, "step " + i);
            s.observe(goldens.get("losses").get(i).doubleValue());
            Schedule next = pytorchs("plateau_cooldown");
            next.restore(s.state());
            s = next;
        }
        Schedule constant = Schedule.constant(1);
        Map<String, Double> state = s.state();
        assertThrows(IllegalArgumentException.class, () -> constant.restore(state));
        Schedule plateau = s;
        assertThrows(IllegalArgumentException.class, () -> plateau.restore(constant.state()));
    }

    /** Noam: width^-0.5 * min(i^-0.5, i * warmup^-1.5), of "Attention is all you need", section 5.3. */
    @Test
    void noamsRates() {
        double peak = 1 / Math.sqrt(512.0 * 4000);
        Schedule s = Schedule.inverseSqrt(peak, 4000).warmup(4000);
        for (long i : new long[] {1, 10, 3999, 4000, 4001, 100_000}) {
            double expected = Math.min(Math.pow(i, -0.5), i * Math.pow(4000, -1.5)) / Math.sqrt(512);
            assertEquals(expected, s.at(i), 1e-15, "step " + i);
        }
    }

    @Test
    void anExponentialBetweenTwoRates() {
        Schedule s = Schedule.exponential(1e-6, 1, 60);
        assertEquals(1e-6, s.at(0), 1e-18);
        assertEquals(1e-3, s.at(30), 1e-15);
        assertEquals(1, s.at(60), 1e-12);
    }

    @Test
    void settingsWithoutASenseAreRefused() {
        assertThrows(IllegalArgumentException.class, () -> Schedule.step(1, 0.1, 0));
        assertThrows(IllegalArgumentException.class, () -> Schedule.exponential(1, 0, 10));
        assertThrows(IllegalArgumentException.class, () -> Schedule.inverseSqrt(1, 0));
        assertThrows(IllegalArgumentException.class, () -> Schedule.plateau(1, 1, 3, 0));
    }

    /** Values of nanoGPT's get_lr. */
    @Test
    void nanoGptsRates() {
        Schedule s = Schedule.nanoGpt(6e-4, 6e-5, 9, 109);
        assertEquals(6e-5, s.at(0), 1e-15);
        assertEquals(5.4e-4, s.at(8), 1e-15);
        assertEquals(6e-4, s.at(9), 1e-15);
        assertEquals(3.3e-4, s.at(59), 1e-15);
        assertEquals(6e-5, s.at(109), 1e-15);
        assertEquals(6e-5, s.at(5000), 1e-15);
    }

    @Test
    void aWarmUpGoesInFrontOfAnySchedule() {
        Schedule s = ((Schedule) step -> 0.5 - step).warmup(4);
        assertEquals(0.375, s.at(3));
        assertEquals(0.5, s.at(4));
        assertEquals(-0.5, s.at(5));
        assertEquals(0.5, Schedule.constant(0.5).warmup(0).at(0));
    }
}
