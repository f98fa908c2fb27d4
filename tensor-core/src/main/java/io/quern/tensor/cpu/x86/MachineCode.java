package io.quern.tensor.cpu.x86;

import io.quern.tensor.TensorException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Whether kernels in machine code are used, and why not. The system property {@code quern.cpu.code} is {@code auto}
 * (where they can be, the default), {@code machine} (an error where they cannot be) or {@code java} (never).
 */
public final class MachineCode {
    private static final MachineCode STATE = decide(System.getProperty("quern.cpu.code", "auto"));

    private final CpuFeatures features;
    private final String reason;

    private MachineCode(CpuFeatures features, String reason) {
        this.features = features;
        this.reason = reason;
    }

    /** Whether this process uses machine code. It may be asked from anywhere; the answer never changes. */
    public static boolean isUsed() {
        return STATE.features != null;
    }

    /** The processor's abilities, or null where machine code is not used. */
    public static CpuFeatures features() {
        return STATE.features;
    }

    /** What is used, or why nothing is, for people: a part of a sentence. */
    public static String description() {
        return STATE.reason + (MatrixUnit.isUsed() ? " and AMX" : "");
    }

    @Override
    public String toString() {
        return reason;
    }

    /** Code that stays until the process ends. */
    public static MemorySegment install(Assembler a) {
        return CodeMemory.install(a.code(), Arena.global());
    }

    static MachineCode decide(String wish) {
        switch (wish) {
            case "auto", "machine" -> {
                MachineCode found = look();
                if (found.features == null && wish.equals("machine")) {
                    throw new TensorException("quern.cpu.code=machine is not possible: " + found.reason
                            + "; leave the property out for kernels in Java");
                }
                return found;
            }
            case "java" -> {
                return new MachineCode(null, "no machine code (quern.cpu.code=java)");
            }
            default -> throw new TensorException("quern.cpu.code is 'auto', 'machine' or 'java', not '" + wish + "'");
        }
    }

    private static MachineCode look() {
        String system = System.getProperty("os.name");
        String processor = System.getProperty("os.arch");
        if (!system.equals("Linux") || !processor.equals("amd64")) {
            return new MachineCode(
                    null, "no machine code, which is for Linux on x86-64, not " + system + " on " + processor);
        }
        if (!MachineCode.class.getModule().isNativeAccessEnabled()) {
            return new MachineCode(
                    null,
                    "no machine code, which needs native access (start java with --enable-native-access=ALL-UNNAMED)");
        }
        try {
            CpuFeatures features = CpuFeatures.read();
            return features.avx512()
                    ? new MachineCode(features, "machine code for AVX-512")
                    : new MachineCode(null, "no machine code, which needs a processor and a system with AVX-512");
        } catch (TensorException e) {
            return new MachineCode(null, "no machine code: " + e.getMessage());
        }
    }
}
