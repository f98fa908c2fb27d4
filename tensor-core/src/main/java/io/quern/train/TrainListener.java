package io.quern.train;

import java.io.IOException;

/** Follows a run: {@link EventLog}, {@link Progress}, or one's own. Called on the training thread. */
@FunctionalInterface
public interface TrainListener {
    void on(TrainEvent event) throws IOException;
}
