package io.quern.train.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import io.quern.tensor.golden.Golden;
import java.util.ArrayList;
import java.util.List;
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
