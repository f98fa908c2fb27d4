package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.testing.Recorded;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.consumer.RecordedEvent;
import org.junit.jupiter.api.Test;

class StepEventTest extends LeakChecked {
    @Test
    void everyUpdateIsAnEventWithItsLoss() throws IOException {
        List<TrainEvent.Step> told = new ArrayList<>();
        List<RecordedEvent> events = Recorded.events("Step", () -> {
            try (Models.Line model = new Models.Line(2);
                    AdamW optimizer = new AdamW(ParamGroup.all(model, 0), 0.9, 0.999, 1e-8)) {
                Models.Rows rows =
                        new Models.Rows(new float[] {1, 2, 3, 4, 5, 6, 7, 8}, 2, new float[] {1, 2, 3, 4}, 1);
                Trainer.of(model, model::loss, rows, optimizer, Schedule.constant(0.1))
                        .steps(3)
                        .listen(e -> {
                            if (e instanceof TrainEvent.Step s) {
                                told.add(s);
                            }
                        })
                        .run();
            }
        });
        assertEquals(3, events.size());
        for (int i = 0; i < 3; i++) {
            RecordedEvent e = events.get(i);
            assertEquals(i + 1, e.getLong("step"));
            assertEquals(told.get(i).loss(), e.getDouble("loss"));
            assertEquals(told.get(i).gradNorm(), e.getDouble("gradientNorm"));
            assertEquals(0.1, e.getDouble("learningRate"));
            assertTrue(e.getLong("items") > 0);
            assertTrue(e.getDuration().toNanos() > 0);
        }
    }
}
