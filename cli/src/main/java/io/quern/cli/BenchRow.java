package io.quern.cli;

/**
 * A measured thing.
 *
 * @param op such as {@code matmul}, or a test such as {@code tg128}
 * @param shape or the model
 * @param dtype of the numbers or weights
 * @param unit what {@code seconds} are the time of: {@code call} or {@code token}
 * @param seconds the median of every round
 * @param quick the lower quartile of every round, which others' work on the machine touches least
 * @param flops floating-point operations of a unit; 0 if they are not counted
 * @param bytes that a unit moves at least; 0 if they are not counted
 */
record BenchRow(
        String op,
        String shape,
        String dtype,
        String unit,
        double[] seconds,
        double[] quick,
        double flops,
        double bytes) {

    /** What names the same thing in another run. */
    String key() {
        return op + " " + shape + " " + dtype;
    }

    /** Median of the rounds, in seconds. */
    double median() {
        return new Samples(seconds).median();
    }

    double gflops() {
        return flops / median() / 1e9;
    }

    double gigabytesPerSecond() {
        return bytes / median() / 1e9;
    }

    /** Operations a byte. */
    double intensity() {
        return bytes == 0 ? 0 : flops / bytes;
    }

    /** Whether arithmetic bounds it and not memory. Even where nothing counts as arithmetic, bytes move. */
    boolean boundByArithmetic(BenchRun.Roofs roofs) {
        return intensity() * roofs.readGbs() > roofs.gflops();
    }

    /** The part of the roof above it; more than 1 where caches hold the operands. */
    double fraction(BenchRun.Roofs roofs) {
        return boundByArithmetic(roofs) ? gflops() / roofs.gflops() : gigabytesPerSecond() / roofs.readGbs();
    }

    /** The spread of the middle half of the rounds' medians, as a part of their median. */
    double spread() {
        Samples rounds = new Samples(seconds);
        return (rounds.quantile(0.75) - rounds.quantile(0.25)) / rounds.median();
    }
}
