package io.quern.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.DType;
import io.quern.tensor.Scope;
import io.quern.tensor.check.OpCase;
import io.quern.tensor.op.Reduce;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Sums over so many rows that they are cut into stretches. */
@Tag("gpu")
class StretchesTest {
    private static final Set<DType> FLOATING = EnumSet.of(DType.F32, DType.F64, DType.BF16, DType.F16);

    @BeforeAll
    static void needsTheEmulator() {
        Emulator.require();
    }

    @Test
    void howRowsAreCutDependsOnTheirNumber() {
        assertEquals(new Stretches(64, 0), Stretches.of(0));
        assertEquals(new Stretches(64, 1), Stretches.of(64));
        assertEquals(new Stretches(64, 2), Stretches.of(65));
        assertEquals(new Stretches(64, 64), Stretches.of(4096));
        assertEquals(new Stretches(65, 64), Stretches.of(4097));
        assertEquals(new Stretches(256, 64), Stretches.of(16384));
    }

    @Test
    void sumsOfColumnsAreThoseOfTheTwins() {
        EmulatedSchedule.set("5");
        List<OpCase> cases = new ArrayList<>();
        for (Reduce.Kind kind : Reduce.Kind.values()) {
            cases.add(new OpCase(
                    kind + " of columns",
                    FLOATING,
                    Set.of(),
                    d -> List.of(d.normal(150, 37)),
                    t -> new Reduce.Axes(kind, t.get(0), List.of(0))));
            cases.add(new OpCase(
                    kind + " of columns in two dimensions",
                    FLOATING,
                    Set.of(),
                    d -> List.of(d.normal(3, 5, 47, 33)),
                    t -> new Reduce.Axes(kind, t.get(0), List.of(0, 2))));
        }
        int ran = 0;
        List<String> wrong = new ArrayList<>();
        for (OpCase c : cases) {
            for (DType dtype : c.dtypes()) {
                wrong.addAll(Scope.run(() -> CatalogRun.compare(c, dtype)));
                ran++;
            }
        }
        assertEquals("", String.join("\n", wrong));
        assertTrue(ran == 32, ran + " cases");
    }
}
