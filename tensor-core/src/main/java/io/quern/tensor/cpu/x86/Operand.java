package io.quern.tensor.cpu.x86;

/** What an instruction works on: a register or a place in memory. {@code toString} is what GNU as reads (Intel syntax). */
public sealed interface Operand permits Gpr, Vec, Mask, Tile, Mem {}
