package io.quern.cli;

import io.quern.nn.Param;
import io.quern.train.Snapshot;
import io.quern.train.TensorBoardLog;
import io.quern.train.TrainEvent;
import io.quern.train.TrainResult;
import io.quern.train.Trainer;
import io.quern.train.WeightAverage;
import io.quern.train.optim.Schedule;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import picocli.CommandLine.Option;

/** What every {@code train} command can be told, whatever it trains. */
final class TrainShared {
    /** Batches that are prepared while one is trained on. */
    static final int PREFETCH = 2;

    /** The options that a resumed run takes over from the one before it. */
    static final List<String> LASTING = List.of(
            "schedule",
            "gamma",
            "step-every",
            "decay-steps",
            "lr-patience",
            "clip-value",
            "l1",
            "ema",
            "eval-ema",
            "patience",
            "keep");

    @Option(
            names = {"--out"},
            paramLabel = "DIR",
            description = "Folder for the model, log.jsonl, run.json and loss.png.")
    Path out;

    @Option(
            names = {"--config"},
            paramLabel = "FILE",
            description = "JSON object of these options, without dashes; the command line wins.")
    Path config;

    @Option(
            names = {"--resume"},
            description = "Go on with the run in --out.")
    boolean resume;

    @Option(
            names = {"--schedule"},
            paramLabel = "NAME",
            defaultValue = "cosine",
            description = "${COMPLETION-CANDIDATES}, each after the warm-up: from --lr to --min-lr by a line, a cosine"
                    + " or an exponential; times --gamma every --step-every updates; with 1 / sqrt(updates); --lr until"
                    + " the last --decay-steps updates; times --gamma when the validation loss stops falling."
                    + " Default: ${DEFAULT-VALUE}.")
    ScheduleKind schedule;

    @Option(
            names = {"--gamma"},
            paramLabel = "X",
            description = "Factor of the learning rate: of step and plateau (default: 0.1), or of exponential in every"
                    + " update (default: what ends at --min-lr).")
    Double gamma;

    @Option(
            names = {"--step-every"},
            paramLabel = "N",
            description = "Updates between the reductions of step. Default: a third of all.")
    Long stepEvery;

    @Option(
            names = {"--decay-steps"},
            paramLabel = "N",
            description = "Updates of wsd in which the rate falls, at the end. Default: a fifth of all.")
    Long decaySteps;

    @Option(
            names = {"--lr-patience"},
            paramLabel = "N",
            defaultValue = "5",
            description =
                    "Validations without a better loss before plateau reduces the rate. Default: ${DEFAULT-VALUE}.")
    int lrPatience;

    @Option(
            names = {"--clip-value"},
            paramLabel = "X",
            description = "Bring every element of the gradient into [-X, X], before its norm is clipped.")
    Double clipValue;

    @Option(
            names = {"--l1"},
            paramLabel = "X",
            defaultValue = "0",
            description = "Add X times the sum of absolute weights of matrices and embeddings to the loss."
                    + " Default: ${DEFAULT-VALUE}.")
    double l1;

    @Option(
            names = {"--ema"},
            paramLabel = "X",
            description = "Keep a moving average of the weights with this decay, such as 0.999, and save a model of it"
                    + " in average/.")
    Double ema;

    @Option(
            names = {"--eval-ema"},
            description = "Validate the averaged weights, and keep them as the best ones.")
    boolean evalEma;

    @Option(
            names = {"--patience"},
            paramLabel = "N",
            description =
                    "End after N validations without a smaller loss; the model is then the best one. Default: go on"
                            + " to the last update.")
    Integer patience;

    @Option(
            names = {"--keep"},
            paramLabel = "N",
            defaultValue = "0",
            description =
                    "Checkpoints to keep in checkpoints/, besides the last and the best. Default: ${DEFAULT-VALUE}.")
    int keep;

    @Option(
            names = {"--stop-after"},
            paramLabel = "N",
            description = "Save and end after so many updates; the schedule stays that of all, and --resume goes on.")
    Long stopAfter;

    @Option(
            names = {"--tensorboard"},
            description = "Also write event files for TensorBoard, into tensorboard/.")
    boolean tensorBoard;

    /**
     * The schedule asked for; all but nanoGPT's cosine are as PyTorch and transformers define them, with nanoGPT's warm-up,
     * whose first rate is not 0.
     */
    Schedule schedule(double lr, double minLr, long warmup, long steps) {
        if (!(lr > 0) || !(minLr >= 0) || warmup < 0) {
            throw new Errors.UsageException("--lr must be above 0, --min-lr and --warmup 0 or more; not " + lr + ", "
                    + minLr + " and " + warmup);
        }
        long warm = Math.min(warmup, steps);
        long rest = Math.max(1, steps - warm);
        Schedule after = switch (schedule) {
            case cosine -> Schedule.cosine(lr, minLr, rest);
            case constant -> Schedule.constant(lr);
            case linear -> Schedule.linear(lr, minLr, rest);
            case step -> Schedule.step(lr, factor(), stepEvery == null ? Math.max(1, rest / 3) : atLeastOne(stepEvery));
            case exponential -> exponential(lr, minLr, rest);
            case inverse_sqrt -> Schedule.inverseSqrt(lr, Math.max(1, warm));
            case wsd -> {
                long decay = Math.min(rest, decaySteps == null ? Math.max(1, steps / 5) : atLeastOne(decaySteps));
                yield Schedule.stableDecay(lr, minLr, rest - decay, decay, Schedule.Decay.ONE_MINUS_SQRT);
            }
            case plateau -> plateau(lr, minLr);
        };
        return after.warmup(warm, lr / (warm + 1));
    }

    /** Copies of weights that a run keeps. */
    record Copies(WeightAverage average, Snapshot best) implements AutoCloseable {
        @Override
        public void close() {
            if (average != null) {
                average.close();
            }
            if (best != null) {
                best.close();
            }
        }
    }

    /** Sets a trainer up as these options say; the copies must be closed after the run. */
    Copies configure(Trainer<?> trainer, Map<String, Param> trained) {
        check();
        trainer.l1(l1);
        if (clipValue != null) {
            trainer.clipValues(clipValue);
        }
        if (keep > 0) {
            trainer.keepLast(keep);
        }
        WeightAverage average = ema == null ? null : new WeightAverage(trained, ema);
        if (average != null) {
            trainer.average(average, evalEma);
        }
        Snapshot best = patience == null ? null : new Snapshot(trained);
        if (best != null) {
            trainer.stopEarly(patience).restoreBest(best);
        }
        return new Copies(average, best);
    }

    private void check() {
        if (clipValue != null && !(clipValue > 0) || !(l1 >= 0)) {
            throw new Errors.UsageException(
                    "--clip-value must be above 0 and --l1 0 or more, not " + clipValue + " and " + l1);
        }
        if (ema != null && !(ema > 0 && ema < 1)) {
            throw new Errors.UsageException("--ema must be between 0 and 1, not " + ema);
        }
        if (evalEma && ema == null) {
            throw new Errors.UsageException("--eval-ema needs --ema");
        }
        if (keep < 0) {
            throw new Errors.UsageException("--keep must be 0 or more, not " + keep);
        }
        if (patience != null && patience < 1) {
            throw new Errors.UsageException("--patience must be 1 or more, not " + patience);
        }
    }

    private Schedule exponential(double lr, double minLr, long steps) {
        if (gamma != null) {
            return Schedule.exponential(lr, factor());
        }
        if (minLr == 0) {
            throw new Errors.UsageException(
                    "--schedule exponential never gets to --min-lr 0: give one above 0, or --gamma");
        }
        return Schedule.exponential(lr, minLr, steps);
    }

    private Schedule plateau(double lr, double minLr) {
        if (lrPatience < 0) {
            throw new Errors.UsageException("--lr-patience must be 0 or more, not " + lrPatience);
        }
        if (factor() >= 1) {
            throw new Errors.UsageException("--gamma of plateau must be below 1, not " + gamma);
        }
        return Schedule.plateau(lr, factor(), lrPatience, minLr);
    }

    private double factor() {
        if (gamma != null && !(gamma > 0)) {
            throw new Errors.UsageException("--gamma must be above 0, not " + gamma);
        }
        return gamma == null ? 0.1 : gamma;
    }

    private static long atLeastOne(long steps) {
        if (steps < 1) {
            throw new Errors.UsageException("--step-every and --decay-steps must be 1 or more, not " + steps);
        }
        return steps;
    }

    /** Writes event files and makes a run stop where that is asked for. */
    void follow(Trainer<?> trainer, Path out) {
        if (tensorBoard) {
            trainer.listen(new TensorBoardLog(out.resolve("tensorboard")));
        }
        if (stopAfter != null) {
            trainer.listen(e -> {
                if (e instanceof TrainEvent.Step s && s.step() >= stopAfter) {
                    trainer.stop();
                }
            });
        }
    }

    /** That of a run: interrupted only if it ended where nobody said it should. */
    int exitCode(TrainResult result) {
        boolean meant = stopAfter != null && result.step() >= stopAfter;
        return result.stopped() && !meant ? Main.INTERRUPTED : Main.OK;
    }
}
