package io.quern.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.quern.tensor.Device;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** A test must leave as many live buffers as it found. */
abstract class LeakChecked {
    private long buffers;

    static long liveBuffers() {
        return Device.CPU.backend().memory().buffers();
    }

    @BeforeEach
    void countBuffers() {
        buffers = liveBuffers();
    }

    @AfterEach
    void noBufferIsLeft() {
        assertEquals(buffers, liveBuffers(), "live buffers after the test");
    }
}
