package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Gpr.R8;
import static io.quern.tensor.cpu.x86.Gpr.RAX;
import static io.quern.tensor.cpu.x86.Gpr.RBX;
import static io.quern.tensor.cpu.x86.Gpr.RCX;
import static io.quern.tensor.cpu.x86.Gpr.RDI;
import static io.quern.tensor.cpu.x86.Gpr.RDX;
import static io.quern.tensor.cpu.x86.Gpr.RSI;
import static io.quern.tensor.cpu.x86.Mem.at;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What this processor can do and the system lets it do, by CPUID and XGETBV (Intel's manual, volume 2).
 *
 * @param avx512 the foundation, and the instructions on bytes, words, doublewords and shorter vectors (F, BW, DQ, VL), with
 *     the registers saved by the system
 * @param vnni dot products of bytes
 * @param vbmi permutations of bytes
 * @param bf16 dot products of bf16
 * @param amxInt8 tiles of bytes; whether the system lets a process use them is another question
 * @param amxBf16 tiles of bf16 and instructions on vectors of them, with tiles saved by the system; likewise
 */
public record CpuFeatures(boolean avx512, boolean vnni, boolean vbmi, boolean bf16, boolean amxInt8, boolean amxBf16) {
    /** SSE, AVX, masks and both halves of the registers of AVX-512, in XCR0. */
    private static final int SAVED = 0b1110_0110;

    /** Configuration and data of tiles, in XCR0. */
    private static final int TILES = 0b11 << 17;

    /** Asks the processor, which must be an x86-64 one. */
    static CpuFeatures read() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment cpuid = CodeMemory.install(cpuid(), arena);
            MemorySegment out = arena.allocate(16, 4);
            if (ask(cpuid, 0, 0, out)[0] < 7) {
                return new CpuFeatures(false, false, false, false, false, false);
            }
            int[] one = ask(cpuid, 1, 0, out);
            boolean saves = bit(one[2], 27); // OSXSAVE
            long saved = saves ? NativeCall.call(CodeMemory.install(xgetbv(), arena), 0, 0, 0, 0, 0, 0) : 0;
            int[] seven = ask(cpuid, 7, 0, out);
            int[] more = seven[0] >= 1 ? ask(cpuid, 7, 1, out) : new int[4];
            boolean fma = bit(one[2], 12) && bit(one[2], 29); // FMA and F16C, which VEX forms may come from
            boolean avx512 = fma
                    && (saved & SAVED) == SAVED
                    && bit(seven[1], 5) // AVX2
                    && bit(seven[1], 16) // AVX512F
                    && bit(seven[1], 17) // AVX512DQ
                    && bit(seven[1], 30) // AVX512BW
                    && bit(seven[1], 31); // AVX512VL
            boolean bf16 = avx512 && bit(more[0], 5);
            boolean tiles = bit(seven[3], 24) && (saved & TILES) == TILES;
            return new CpuFeatures(
                    avx512,
                    avx512 && bit(seven[2], 11),
                    avx512 && bit(seven[2], 1),
                    bf16,
                    avx512 && bit(seven[3], 25),
                    bf16 && tiles && bit(seven[3], 22));
        }
    }

    private static boolean bit(int word, int bit) {
        return (word >>> bit & 1) != 0;
    }

    private static int[] ask(MemorySegment cpuid, int leaf, int subleaf, MemorySegment out) {
        NativeCall.call(cpuid, leaf, subleaf, out.address(), 0, 0, 0);
        return out.toArray(ValueLayout.JAVA_INT);
    }

    /** {@code (leaf, subleaf, int[4] out)}: eax, ebx, ecx and edx. */
    private static byte[] cpuid() {
        Assembler a = new Assembler();
        a.push(RBX);
        a.mov(R8, RDX);
        a.mov(RAX, RDI);
        a.mov(RCX, RSI);
        a.cpuid();
        a.movInt(at(R8), RAX);
        a.movInt(at(R8, 4), RBX);
        a.movInt(at(R8, 8), RCX);
        a.movInt(at(R8, 12), RDX);
        a.pop(RBX);
        a.ret();
        return a.code();
    }

    /** {@code ()}: the lower half of XCR0. */
    private static byte[] xgetbv() {
        Assembler a = new Assembler();
        a.mov(RCX, 0);
        a.xgetbv();
        a.ret();
        return a.code();
    }
}
