package io.quern.tensor.check;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.util.Set;
import org.junit.jupiter.api.Test;

class YardstickTest {
    /** HotSpot's {@code FreqInlineSize}: longer methods are compiled by themselves, so that their code is always the same. */
    private static final int LONGEST_INLINED = 325;

    @Test
    void noCompilerPutsTheLoopsIntoTheirCallers() throws IOException {
        int seen = 0;
        try (InputStream in = Roofs.class.getResourceAsStream("Roofs$Vectors.class")) {
            ClassModel model = ClassFile.of().parse(in.readAllBytes());
            for (MethodModel m : model.methods()) {
                if (Set.of("chains", "piece").contains(m.methodName().stringValue())) {
                    seen++;
                    int length = ((CodeAttribute) m.code().orElseThrow()).codeLength();
                    assertTrue(length > LONGEST_INLINED, m.methodName() + ": " + length);
                }
            }
        }
        assertEquals(2, seen);
    }

    @Test
    void bothPiecesTakeTime() {
        try (Yardstick yardstick = new Yardstick(2)) {
            Yardstick.Pace pace = yardstick.pace();
            assertTrue(pace.compute() > 0 && pace.memory() > 0, pace.toString());
            Yardstick.Pace slower = new Yardstick.Pace(4 * pace.compute(), 9 * pace.memory());
            assertEquals(2 * pace.compute(), pace.between(slower).compute(), 1e-12);
            assertEquals(3 * pace.memory(), pace.between(slower).memory(), 1e-12);
        }
    }
}
