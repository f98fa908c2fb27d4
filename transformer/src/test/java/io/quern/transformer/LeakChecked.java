package io.quern.transformer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.quern.tensor.Device;
import io.quern.tensor.spi.LeakTracker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A test must leave as many live buffers as it found. */
public abstract class LeakChecked {
    private long buffers;
    private int tracked;

    @BeforeEach
    final void countBuffers() {
        buffers = Device.CPU.backend().memory().buffers();
        tracked = LeakTracker.live().size();
    }

    @AfterEach
    final void noBufferIsLeft() {
        assertEquals(buffers, Device.CPU.backend().memory().buffers(), "live buffers after the test");
        assertEquals(tracked, LeakTracker.live().size(), "tracked buffers after the test");
    }
}
