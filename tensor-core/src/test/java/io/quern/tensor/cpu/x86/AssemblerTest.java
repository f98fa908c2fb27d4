package io.quern.tensor.cpu.x86;

import static io.quern.tensor.cpu.x86.Mem.at;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Encodings against {@code instructions.tsv}, which GNU as 2.40 made of what {@link AssemblerCases#main} prints: each line the
 * bytes, as {@code objdump -d --insn-width=16} shows them, and the instruction.
 */
class AssemblerTest {
    @Test
    void encodesAsGnuAsDoes() throws IOException {
        List<String> golden = lines();
        List<AssemblerCases.Case> cases = AssemblerCases.all();
        List<String> wrong = new ArrayList<>();
        for (int i = 0; i < cases.size(); i++) {
            String ours = HexFormat.of().formatHex(cases.get(i).bytes()) + "\t"
                    + cases.get(i).text();
            if (!ours.equals(golden.get(i))) {
                wrong.add("found " + ours + ", expected " + golden.get(i));
            }
        }
        assertEquals(List.of(), wrong);
        assertEquals(golden.size(), cases.size());
        assertTrue(cases.size() > 2000);
    }

    private static List<String> lines() throws IOException {
        try (var reader = new BufferedReader(new InputStreamReader(
                AssemblerTest.class.getResourceAsStream("instructions.tsv"), StandardCharsets.UTF_8))) {
            return reader.lines().toList();
        }
    }

    @Test
    void jumpsReachTheirLabels() {
        Assembler a = new Assembler();
        Label back = new Label();
        Label out = new Label();
        a.bind(back);
        a.decrement(Gpr.RDI); // 48 ff cf
        a.jump(Condition.EQUAL, out); // 0f 84 and 32 bits
        a.jump(back); // eb and 8 bits: -11
        a.bind(out);
        a.ret();
        assertArrayEquals(HexFormat.of().parseHex("48ffcf0f8402000000ebf5c3"), a.code());
    }

    @Test
    void farJumpsBackTake32Bits() {
        Assembler a = new Assembler();
        Label back = new Label();
        a.bind(back);
        for (int i = 0; i < 126; i++) {
            a.ret();
        }
        a.jump(Condition.NOT_EQUAL, back); // from 128: just fits
        assertEquals(128, a.size());
        a.jump(Condition.NOT_EQUAL, back);
        assertEquals("75800f857affffff", HexFormat.of().formatHex(a.code()).substring(252));
    }

    @Test
    void tablesAreFoundFromTheEndOfTheInstruction() {
        Assembler a = new Assembler();
        Label table = new Label();
        a.op(VectorOp.VMOVUPS, Vec.ymm(1), at(table)); // 8 bytes
        a.op(VectorOp.VSHUFPS, Vec.xmm(1), Vec.xmm(2), at(table).plus(4), 7); // 9 bytes, the last one the 7
        a.align(8);
        a.bind(table);
        a.ints(-1, 2);
        a.floats(1);
        assertEquals(
                "c5fc100d10000000" + "c5e8c60d0b00000007" + "0f1f8000000000" + "ffffffff02000000" + "0000803f",
                HexFormat.of().formatHex(a.code()));
    }

    @Test
    void storesAreMaskedAtTheRegisterThatIsStored() {
        Assembler a = new Assembler();
        a.op(VectorOp.VMOVUPS, at(Gpr.R15, 64), Vec.zmm(3).merging(Mask.k(2)));
        a.op(VectorOp.VMOVUPS, at(Gpr.RDI), Vec.zmm(27).merging(Mask.k(1)));
        a.op(VectorOp.VMOVUPS, at(Gpr.RDX, 16), Vec.ymm(1).merging(Mask.k(7)));
        assertEquals(
                "62d17c4a115f01" + "62617c49111f" + "62f17c2f118a10000000",
                HexFormat.of().formatHex(a.code()));
    }

    @Test
    void fillersHaveTheRightLength() {
        for (int before = 0; before < 40; before++) {
            Assembler a = new Assembler();
            for (int i = 0; i < before; i++) {
                a.ret();
            }
            a.align(32);
            assertEquals((before + 31) / 32 * 32, a.size());
        }
    }

    @Test
    void refusesWhatCannotBeEncoded() {
        Assembler a = new Assembler();
        Vec v = Vec.zmm(1);
        Mem m = at(Gpr.RAX);
        assertThrows(IllegalArgumentException.class, () -> Vec.zmm(32));
        assertThrows(IllegalArgumentException.class, () -> Mask.k(8));
        assertThrows(IllegalArgumentException.class, () -> v.merging(Mask.k(0)).zeroing(Mask.k(0)));
        assertThrows(IllegalArgumentException.class, () -> at(Gpr.RAX, Gpr.RSP, 1));
        assertThrows(IllegalArgumentException.class, () -> at(Gpr.RAX, Gpr.RBX, 3));
        assertThrows(IllegalArgumentException.class, () -> a.mov(Gpr.RAX, m.broadcast()));
        assertThrows(IllegalArgumentException.class, () -> a.op(VectorOp.VMOVUPS, v, m.broadcast()));
        assertThrows(IllegalArgumentException.class, () -> a.op(VectorOp.VADDPS, v, v));
        assertThrows(IllegalArgumentException.class, () -> a.op(VectorOp.VCVTDQ2PS, v, v, v));
        assertThrows(IllegalArgumentException.class, () -> a.op(VectorOp.VADDPS, m, v, v));
        assertThrows(IllegalArgumentException.class, () -> a.op(VectorOp.VCVTDQ2PS, m, v));
        assertThrows(IllegalArgumentException.class, () -> a.op(VectorOp.VMOVUPS, m, v.zeroing(Mask.k(1))));
        a.jump(new Label());
        assertThrows(IllegalStateException.class, a::code);
        Label twice = new Label();
        a.bind(twice);
        assertThrows(IllegalStateException.class, () -> a.bind(twice));
    }
}
