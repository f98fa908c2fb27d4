package io.quern.train;

import java.io.PrintStream;
import java.util.Locale;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * Shows how a run goes: on a terminal one line that is drawn over and over, with a bar; elsewhere plain lines now and
 * then. Samples and checkpoints get lines of their own.
 */
public final class Progress implements TrainListener {
    private static final int BAR = 20;
    private static final long REDRAW_NANOS = 100_000_000L;

    private final PrintStream out;
    private final boolean terminal;
    private final boolean colour;
    private final long interval;
    private final LongSupplier clock;

    private long began;
    private long shown;
    private boolean anyShown;
    private int drawn;
    private TrainEvent.Started run = new TrainEvent.Started(0, 0, 0, "items");
    private double validationLoss = Double.NaN;
    private double throughput;

    /**
     * @param terminal whether {@code out} is one, which gets the bar
     * @param colour whether the bar is coloured; not unless {@code terminal}
     * @param seconds between plain lines
     * @param clock in nanoseconds
     */
    Progress(PrintStream out, boolean terminal, boolean colour, double seconds, LongSupplier clock) {
        this.out = out;
        this.terminal = terminal;
        this.colour = colour && terminal;
        this.interval = terminal ? REDRAW_NANOS : (long) (seconds * 1e9);
        this.clock = clock;
    }

    /**
     * On the error stream: a bar if it is a terminal, coloured unless NO_COLOR is set; else a plain line every
     * {@code seconds} seconds.
     */
    public static Progress onStderr(double seconds) {
        Map<String, String> env = System.getenv();
        boolean terminal = Terminal.isTerminal(2) && !"dumb".equals(env.get("TERM"));
        boolean colour = env.getOrDefault("NO_COLOR", "").isEmpty();
        return new Progress(System.err, terminal, colour, seconds, System::nanoTime);
    }

    @Override
    public void on(TrainEvent event) {
        switch (event) {
            case TrainEvent.Started e -> {
                run = e;
                began = clock.getAsLong();
                throughput = 0;
                anyShown = false;
            }
            case TrainEvent.Step e -> step(e);
            case TrainEvent.Sampled e ->
                line("--- step " + e.step() + "\n" + e.text().strip() + "\n---");
            case TrainEvent.Saved e ->
                line("step " + e.step() + ": saved " + (e.best() ? "the best model so far to " : "to ") + e.folder());
            case TrainEvent.Ended e -> {
                clear();
                TrainResult r = e.result();
                line(String.format(
                        Locale.ROOT,
                        "%s at step %d of %d after %s%s",
                        r.stopped() ? "stopped" : "done",
                        r.step(),
                        run.steps(),
                        time(r.seconds()),
                        r.bestStep() == 0
                                ? ""
                                : String.format(
                                        Locale.ROOT,
                                        ", best validation loss %.4f at step %d",
                                        r.bestLoss(),
                                        r.bestStep())));
            }
        }
    }

    private void step(TrainEvent.Step e) {
        throughput = throughput == 0 ? e.itemsPerSecond() : 0.9 * throughput + 0.1 * e.itemsPerSecond();
        if (e.isValidated()) {
            validationLoss = e.validationLoss();
        }
        long now = clock.getAsLong();
        boolean last = e.step() == run.steps();
        if (anyShown && now - shown < interval && !last && !(e.isValidated() && !terminal)) {
            return;
        }
        shown = now;
        anyShown = true;
        double seconds = (now - began) / 1e9;
        double left = seconds / (e.step() - run.step()) * (run.steps() - e.step());
        String figures = String.format(
                Locale.ROOT,
                "%d/%d%s  loss %.4f%s  %s %s/s  ETA %s",
                e.step(),
                run.steps(),
                bar(e.step()),
                e.loss(),
                Double.isNaN(validationLoss) ? "" : String.format(Locale.ROOT, "  val %.4f", validationLoss),
                rate(throughput),
                run.unit(),
                time(left));
        if (terminal) {
            draw(figures);
        } else {
            out.println(figures);
        }
    }

    private String bar(long step) {
        if (!terminal) {
            return "";
        }
        int full = (int) (BAR * step / Math.max(1, run.steps()));
        String on = "=".repeat(full);
        return " [" + (colour ? "\033[32m" + on + "\033[0m" : on) + " ".repeat(BAR - full) + "]";
    }

    /** Over the line before, whose rest is blanked. */
    private void draw(String text) {
        int visible = text.length() - (colour ? "\033[32m\033[0m".length() : 0);
        out.print("\r" + text + " ".repeat(Math.max(0, drawn - visible)));
        out.flush();
        drawn = visible;
    }

    private void clear() {
        if (drawn > 0) {
            // The last state of the bar stays readable.
            out.println();
            drawn = 0;
        }
    }

    private void line(String text) {
        clear();
        out.println(text);
    }

    private static String rate(double perSecond) {
        if (perSecond >= 1e6) {
            return String.format(Locale.ROOT, "%.2fM", perSecond / 1e6);
        }
        return perSecond >= 1e4
                ? String.format(Locale.ROOT, "%.1fk", perSecond / 1e3)
                : String.format(Locale.ROOT, "%.0f", perSecond);
    }

    static String time(double seconds) {
        long s = Math.round(seconds);
        return s >= 3600
                ? String.format(Locale.ROOT, "%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60)
                : String.format(Locale.ROOT, "%d:%02d", s / 60, s % 60);
    }
}
