package io.quern.tensor.cpu.x86;

import java.util.Locale;

/** Hints to load a line before it is needed, by the level of cache that is to keep it. They never fault. */
public enum Prefetch {
    PREFETCHNTA,
    PREFETCHT0,
    PREFETCHT1,
    PREFETCHT2;

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
