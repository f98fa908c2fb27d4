package io.quern.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Lets work end in an orderly way on Ctrl-C: the JVM waits until {@link #close} before it goes. */
final class Interrupt implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 300;

    private final CountDownLatch finished = new CountDownLatch(1);
    private final Thread hook;

    private Interrupt(Runnable stop) {
        hook = new Thread(() -> {
            stop.run();
            try {
                finished.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    /** From now on Ctrl-C runs {@code stop}, which asks the work to end. */
    static Interrupt install(Runnable stop) {
        Interrupt interrupt = new Interrupt(stop);
        Runtime.getRuntime().addShutdownHook(interrupt.hook);
        return interrupt;
    }

    /** The work has ended, well or not. */
    @Override
    public void close() {
        finished.countDown();
        try {
            Runtime.getRuntime().removeShutdownHook(hook);
        } catch (IllegalStateException e) {
            // the JVM is going down already; the exit code of a signal is its own
        }
    }
}
