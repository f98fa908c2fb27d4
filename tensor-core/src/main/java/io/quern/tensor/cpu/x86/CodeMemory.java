package io.quern.tensor.cpu.x86;

import io.quern.tensor.TensorException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Memory that holds machine code. It is written first and made executable then; it is never both at once, so that no
 * stray write can become code, and systems that forbid such memory (W^X) need no exception.
 */
public final class CodeMemory {
    private static final int READ = 1;
    private static final int WRITE = 2;
    private static final int EXECUTE = 4;

    /** MAP_PRIVATE and MAP_ANONYMOUS, as Linux numbers them. */
    private static final int PRIVATE_ANONYMOUS = 0x22;

    private static final int PAGE = 4096;

    private static final MemorySegment MMAP = NativeCall.symbol("mmap");
    private static final MemorySegment MPROTECT = NativeCall.symbol("mprotect");
    private static final MemorySegment MUNMAP = NativeCall.symbol("munmap");

    private CodeMemory() {}

    /**
     * Puts code into memory of its own, in whole pages.
     *
     * @param arena frees the memory when it is closed; a call of the code is refused then
     * @return the code, ready to be called at its first byte
     * @throws TensorException if the system gives no memory or does not let it execute
     */
    public static MemorySegment install(byte[] code, Arena arena) {
        long bytes = Math.max(PAGE, Math.ceilDiv(code.length, PAGE) * (long) PAGE);
        long address = NativeCall.call(MMAP, 0, bytes, READ | WRITE, PRIVATE_ANONYMOUS, -1, 0);
        if (address == -1) {
            throw new TensorException("the system gave no memory for " + bytes + " bytes of machine code");
        }
        MemorySegment memory = MemorySegment.ofAddress(address)
                .reinterpret(bytes, arena, m -> NativeCall.call(MUNMAP, m.address(), bytes, 0, 0, 0, 0));
        MemorySegment.copy(MemorySegment.ofArray(code), 0, memory, 0, code.length);
        if ((int) NativeCall.call(MPROTECT, address, bytes, READ | EXECUTE, 0, 0, 0) != 0) {
            throw new TensorException("the system does not let memory execute that was written (mprotect was refused)");
        }
        return memory.asReadOnly();
    }
}
