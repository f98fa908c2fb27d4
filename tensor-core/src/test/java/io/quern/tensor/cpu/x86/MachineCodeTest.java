package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.RAX;
import static io.quern.tensor.cpu.x86.Gpr.RDI;
import static io.quern.tensor.cpu.x86.Gpr.RSI;
import static io.quern.tensor.cpu.x86.Mem.at;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.quern.tensor.TensorException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Code in memory, its calls, and what the processor says of itself. */
class MachineCodeTest {
    private static void assumeLinux() {
        assumeTrue(
                System.getProperty("os.name").equals("Linux")
                        && System.getProperty("os.arch").equals("amd64"),
                "machine code is for Linux on x86-64");
    }

    @Test
    void codeRuns() {
        assumeLinux();
        Assembler a = new Assembler(); // the sum of rsi numbers at rdi
        Label loop = new Label();
        Label end = new Label();
        a.op(Alu.XOR, RAX, RAX);
        a.test(RSI, RSI);
        a.jump(Condition.EQUAL, end);
        a.bind(loop);
        a.op(Alu.ADD, RAX, at(RDI, RSI, 8).plus(-8));
        a.decrement(RSI);
        a.jump(Condition.NOT_EQUAL, loop);
        a.bind(end);
        a.ret();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment sum = CodeMemory.install(a.code(), arena);
            MemorySegment numbers = arena.allocateFrom(java.lang.foreign.ValueLayout.JAVA_LONG, 1, 20, 300, -1L << 40);
            assertEquals(321 + (-1L << 40), NativeCall.call(sum, numbers.address(), 4, 0, 0, 0, 0));
            assertEquals(0, NativeCall.call(sum, 0, 0, 0, 0, 0, 0));
        }
    }

    @Test
    void memoryIsNeverWritableAndExecutableAndIsGivenBack() throws IOException {
        assumeLinux();
        Assembler a = new Assembler();
        a.ret();
        MemorySegment code;
        try (Arena arena = Arena.ofConfined()) {
            code = CodeMemory.install(a.code(), arena);
            assertTrue(code.isReadOnly());
            assertEquals("r-xp", access(code.address()));
            NativeCall.call(code, 0, 0, 0, 0, 0, 0);
        }
        assertFalse(access(code.address()).contains("x"));
        assertThrows(IllegalStateException.class, () -> NativeCall.call(code, 0, 0, 0, 0, 0, 0));
    }

    /** The access rights of a place in memory, as the system states them; empty if nothing is there. */
    private static String access(long address) throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/maps"))) {
            String[] words = line.split("[- ]");
            if (Long.parseUnsignedLong(words[0], 16) == address) {
                return line.split(" ")[1];
            }
        }
        return "";
    }

    @Test
    void featuresAreThoseTheSystemLists() throws IOException {
        assumeLinux();
        List<String> lines = Files.readAllLines(Path.of("/proc/cpuinfo"));
        Set<String> flags = lines.stream()
                .filter(l -> l.startsWith("flags"))
                .map(l -> Set.of(l.substring(l.indexOf(':') + 2).split(" ")))
                .findFirst()
                .orElseThrow();
        CpuFeatures found = CpuFeatures.read();
        assertEquals(flags.containsAll(Set.of("avx512f", "avx512bw", "avx512dq", "avx512vl")), found.avx512());
        assertEquals(flags.contains("avx512_vnni"), found.vnni());
        assertEquals(flags.contains("avx512vbmi"), found.vbmi());
        assertEquals(flags.contains("avx512_bf16"), found.bf16());
        assertEquals(flags.contains("amx_int8"), found.amxInt8());
        assertEquals(flags.containsAll(Set.of("amx_tile", "amx_bf16", "avx512_bf16")), found.amxBf16());
    }

    @Test
    void thePropertyOfActivations() {
        assertTrue(Digits.decide("auto"));
        assertEquals(false, Digits.decide("float"));
        var wrong = assertThrows(TensorException.class, () -> Digits.decide("int8"));
        assertTrue(wrong.getMessage().contains("'int8'"), wrong.getMessage());
        assertEquals(false, Digits.possible(null));
        assertEquals(false, Digits.possible(new CpuFeatures(true, true, false, true, true, false)));
        assertEquals(false, Digits.possible(new CpuFeatures(true, false, true, true, true, false)));
        assertTrue(Digits.possible(new CpuFeatures(true, true, true, false, false, false)));
    }

    @Test
    void theDescriptionSaysWhy() {
        assertEquals(MachineCode.isUsed(), MachineCode.features() != null);
        assertEquals(MachineCode.isUsed(), !MachineCode.description().startsWith("no machine code"));
    }

    @Test
    void thePropertyDecides() {
        assertEquals(
                "no machine code (quern.cpu.code=java)",
                MachineCode.decide("java").toString());
        var wrong = assertThrows(TensorException.class, () -> MachineCode.decide("native"));
        assertTrue(wrong.getMessage().contains("'native'"), wrong.getMessage());
        MachineCode found = MachineCode.decide("auto");
        if (found.toString().startsWith("no machine code")) {
            var none = assertThrows(TensorException.class, () -> MachineCode.decide("machine"));
            assertTrue(none.getMessage().contains(found.toString()), none.getMessage());
        } else {
            assertEquals(found.toString(), MachineCode.decide("machine").toString());
        }
    }

    @Test
    void tilesAreUsedWhereTheyAreAndWanted() {
        boolean possible = MachineCode.isUsed() && MachineCode.features().amxBf16();
        String found = MatrixUnit.decide("auto");
        assertTrue(possible || found.startsWith("no AMX"), found);
        assertEquals("no AMX (quern.cpu.amx=off)", MatrixUnit.decide("off"));
        var wrong = assertThrows(TensorException.class, () -> MatrixUnit.decide("on"));
        assertTrue(wrong.getMessage().contains("'on'"), wrong.getMessage());
        assertEquals(MatrixUnit.isUsed(), MachineCode.description().endsWith(" and AMX"));
        assertEquals(MatrixUnit.isUsed(), !MatrixUnit.description().startsWith("no AMX"));
    }
}
