/**
 * Machine code for x86-64 that is written at run time: an assembler ({@link io.quern.tensor.cpu.x86.Assembler}), memory
 * that executes what it wrote ({@link io.quern.tensor.cpu.x86.CodeMemory}), calls into it through the Foreign Function
 * and Memory API ({@link io.quern.tensor.cpu.x86.NativeCall}), and the generators of the kernels that are bound by
 * instructions in Java: products with few rows.
 *
 * <p>Why: C2 chooses registers and unrolling for itself, boxes a vector where a method grows too large, has no prefetch,
 * no dot products of bytes and no lookup in a register, and interprets a kernel until it is compiled. Machine code has none
 * of that and nothing to warm up. It stays the exception: only for Linux on x86-64 with AVX-512, only where it was measured
 * to pay, always beside a kernel on the Vector API that computes the same, runs everywhere else and is the twin in tests.
 * {@link io.quern.tensor.cpu.x86.MachineCode} decides whether it is used, and says why not.
 *
 * <p>A generator is a class whose constructor or factory writes one function with an {@code Assembler}. Functions follow
 * the System V calling convention: up to six whole numbers in rdi, rsi, rdx, rcx, r8 and r9, a result in rax; rbx, rbp and
 * r12 to r15 must be restored; all vector and mask registers are free; {@code vzeroupper} before the return. A call should
 * last no longer than some 100 microseconds, as a thread cannot be interrupted in it.
 *
 * <p>Closed: only {@code io.quern.tensor.cpu} uses this package.
 */
package io.quern.tensor.cpu.x86;
