package io.quern.tensor.cpu.x86;

import io.quern.tensor.TensorException;

/**
 * Whether products run on the tiles of AMX, and why not. The system property {@code quern.cpu.amx} is {@code auto} (where
 * machine code is used and the tiles can be, the default) or {@code off}. Linux gives tiles to a process that asks for them,
 * once and for all of its threads (arch_prctl).
 */
public final class MatrixUnit {
    private static final int ARCH_PRCTL = 158;
    private static final int REQUEST_PERMISSION = 0x1023;
    private static final int TILE_DATA = 18;

    /** Null if they are used. */
    private static final String REASON = decide(System.getProperty("quern.cpu.amx", "auto"));

    private MatrixUnit() {}

    /** Whether this process uses tiles. It may be asked from anywhere; the answer never changes. */
    public static boolean isUsed() {
        return REASON == null;
    }

    /** What is used, or why nothing is, for people. */
    public static String description() {
        return REASON == null ? "AMX tiles in bf16, for matrix products; quern.cpu.amx=off turns them off" : REASON;
    }

    /** Null, or why tiles are not used. */
    static String decide(String wish) {
        return switch (wish) {
            case "auto" -> look();
            case "off" -> "no AMX (quern.cpu.amx=off)";
            default -> throw new TensorException("quern.cpu.amx is 'auto' or 'off', not '" + wish + "'");
        };
    }

    private static String look() {
        if (!MachineCode.isUsed()) {
            return "no AMX without machine code";
        }
        if (!MachineCode.features().amxBf16()) {
            return "no AMX, which needs a processor with tiles in bf16 and a system that saves them";
        }
        long refused =
                NativeCall.call(NativeCall.symbol("syscall"), ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA, 0, 0, 0);
        return refused == 0 ? null : "no AMX: the system refused this process the tiles (arch_prctl)";
    }
}
