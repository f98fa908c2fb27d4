package io.quern.tensor.cpu;

import io.quern.tensor.cpu.x86.AdamCode;
import io.quern.tensor.cpu.x86.BinaryCode;
import io.quern.tensor.cpu.x86.CodeTable;
import io.quern.tensor.cpu.x86.MapCode;
import io.quern.tensor.cpu.x86.NormCode;
import io.quern.tensor.cpu.x86.NormGradCode;
import io.quern.tensor.cpu.x86.ScanCode;
import io.quern.tensor.cpu.x86.SoftmaxCode;
import io.quern.tensor.op.Elementwise.BinaryKind;
import io.quern.tensor.op.Elementwise.UnaryKind;
import java.lang.foreign.MemorySegment;
import java.util.function.Supplier;

/** Functions of rows and elements in machine code, each written when it is first needed and kept for good. */
final class RowCode {
    private static final CodeTable MAPS = new CodeTable(2 * UnaryKind.values().length);
    private static final CodeTable BINARIES = new CodeTable(2 * BinaryKind.values().length);
    private static final CodeTable NORMS = new CodeTable(4);
    private static final CodeTable GRADIENTS = new CodeTable(2 * UnaryKind.values().length);
    private static final CodeTable NORM_GRADIENTS = new CodeTable(4);
    private static final CodeTable SOFTMAX = new CodeTable(7);
    private static final CodeTable OTHERS = new CodeTable(5);

    private RowCode() {}

    /** See {@link MapCode}. */
    static MemorySegment map(UnaryKind kind, boolean biased) {
        int at = 2 * kind.ordinal() + (biased ? 1 : 0);
        MemorySegment code = MAPS.get(at);
        return code != null ? code : MAPS.write(at, () -> MapCode.install(kind, biased));
    }

    /** See {@link MapCode#gradient}. */
    static MemorySegment gradient(UnaryKind kind, boolean biased) {
        int at = 2 * kind.ordinal() + (biased ? 1 : 0);
        MemorySegment code = GRADIENTS.get(at);
        return code != null ? code : GRADIENTS.write(at, () -> MapCode.gradient(kind, biased));
    }

    /** See {@link BinaryCode}. */
    static MemorySegment binary(BinaryKind kind, boolean one) {
        int at = 2 * kind.ordinal() + (one ? 1 : 0);
        MemorySegment code = BINARIES.get(at);
        return code != null ? code : BINARIES.write(at, () -> BinaryCode.install(kind, one));
    }

    /** See {@link NormCode}. */
    static MemorySegment norm(boolean rms, boolean added) {
        int at = (rms ? 2 : 0) + (added ? 1 : 0);
        MemorySegment code = NORMS.get(at);
        return code != null ? code : NORMS.write(at, () -> NormCode.install(rms, added));
    }

    /** See {@link NormGradCode}. */
    static MemorySegment normGradient(boolean rms, boolean other) {
        int at = (rms ? 2 : 0) + (other ? 1 : 0);
        MemorySegment code = NORM_GRADIENTS.get(at);
        return code != null ? code : NORM_GRADIENTS.write(at, () -> NormGradCode.install(rms, other));
    }

    /** See {@link SoftmaxCode#softmax}. */
    static MemorySegment softmax() {
        return softmax(0, SoftmaxCode::softmax);
    }

    /** See {@link SoftmaxCode#statistics}. */
    static MemorySegment statistics() {
        return softmax(1, SoftmaxCode::statistics);
    }

    /** See {@link SoftmaxCode#logarithms}. */
    static MemorySegment logarithms() {
        return softmax(2, SoftmaxCode::logarithms);
    }

    /** See {@link SoftmaxCode#gradient} and {@link SoftmaxCode#logGradient}. */
    static MemorySegment softmaxGradient(boolean log) {
        return log ? softmax(3, SoftmaxCode::logGradient) : softmax(4, SoftmaxCode::gradient);
    }

    /** See {@link SoftmaxCode#lossGradient}. */
    static MemorySegment lossGradient(boolean weighted) {
        return weighted
                ? softmax(5, () -> SoftmaxCode.lossGradient(true))
                : softmax(6, () -> SoftmaxCode.lossGradient(false));
    }

    private static MemorySegment softmax(int at, Supplier<MemorySegment> writer) {
        MemorySegment code = SOFTMAX.get(at);
        return code != null ? code : SOFTMAX.write(at, writer);
    }

    /** See {@link BinaryCode#accumulate}. */
    static MemorySegment accumulate() {
        return other(0, BinaryCode::accumulate);
    }

    /** See {@link AdamCode}. */
    static MemorySegment adam() {
        return other(1, AdamCode::install);
    }

    /** See {@link ScanCode#firstAbove}. */
    static MemorySegment firstAbove() {
        return other(2, ScanCode::firstAbove);
    }

    /** See {@link ScanCode#squares}. */
    static MemorySegment squares() {
        return other(3, ScanCode::squares);
    }

    /** See {@link ScanCode#addFour}. */
    static MemorySegment addFour() {
        return other(4, ScanCode::addFour);
    }

    private static MemorySegment other(int at, Supplier<MemorySegment> writer) {
        MemorySegment code = OTHERS.get(at);
        return code != null ? code : OTHERS.write(at, writer);
    }
}
