package io.quern.tensor.cpu.x86;

import java.util.Locale;

/** Instructions of AMX, as Intel's manual (volume 2) lists them; all are VEX-encoded in map 0F 38 with W 0. */
public enum TileOp {
    /** Takes shapes for all tiles from 64 bytes in memory, and sets the tiles to zero. */
    LDTILECFG(0, 0x49),
    /** Gives the unit back: no shapes, no content that the system would have to save. */
    TILERELEASE(0, 0x49),
    TILEZERO(3, 0x49),
    /** Rows from memory, as far apart as the index register of the place says. */
    TILELOADD(3, 0x4b),
    TILESTORED(2, 0x4b),
    /** Adds products of pairs in bf16, summed in f32; denormal numbers count as zero. */
    TDPBF16PS(2, 0x5c);

    /** The mandatory prefix as VEX holds it. */
    final int pp;

    final int opcode;

    TileOp(int pp, int opcode) {
        this.pp = pp;
        this.opcode = opcode;
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
