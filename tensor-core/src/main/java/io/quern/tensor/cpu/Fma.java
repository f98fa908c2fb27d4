package io.quern.tensor.cpu;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;

/**
 * Whether fused multiply-adds are instructions here. Without them, as on processors before 2013 and with
 * {@code -XX:UseAVX=0}, Java computes each in decimal arithmetic, some thousand times slower, and the vector kernels
 * would seem to hang.
 */
final class Fma {
    /** Nanoseconds; an instruction takes some 60 with the measurement, also interpreted, and the other way 20,000. */
    private static final long SUSPICIOUS = 3_000;

    private static volatile float sink = 1;

    private Fma() {}

    /** The virtual machine's word on the matter, asked for only where one multiply-add takes long: it costs 50 ms. */
    static boolean inHardware() {
        return Holder.PRESENT;
    }

    private static final class Holder {
        static final boolean PRESENT = fastest() < SUSPICIOUS || reported();
    }

    private static long fastest() {
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 10; i++) {
            long start = System.nanoTime();
            sink = Math.fma(1.1f + i, 0.3f, sink);
            least = Math.min(least, System.nanoTime() - start);
        }
        return least;
    }

    private static boolean reported() {
        try {
            HotSpotDiagnosticMXBean vm = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
            return vm != null && Boolean.parseBoolean(vm.getVMOption("UseFMA").getValue());
        } catch (IllegalArgumentException e) {
            return false; // a virtual machine without this option: believe the clock
        }
    }
}
