package io.quern.transformer.generate;

import java.util.function.BooleanSupplier;

/** Whether the caller, or an interrupt of the thread, asks to end. The interrupt stays set. */
record Cancellation(BooleanSupplier wish) {
    boolean isRequested() {
        return wish.getAsBoolean() || Thread.currentThread().isInterrupted();
    }
}
