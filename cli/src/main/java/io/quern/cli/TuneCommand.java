package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.TensorException;
import io.quern.train.Trainer;
import io.quern.train.search.Halving;
import io.quern.train.search.Observation;
import io.quern.train.search.SearchSpace;
import io.quern.train.search.Searcher;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** Searches for good options of a training. Trials run one after the other, since each uses all cores. */
@Command(
        name = "tune",
        description = "Search for good options of a training by grid, at random or by Bayesian search (tpe), with"
                + " successive halving if asked for. Trials run one after the other, each on all cores.",
        sortOptions = false)
final class TuneCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private TuneOptions options;

    @Spec
    private CommandSpec spec;

    private final Output output;
    private final long began = System.nanoTime();
    private Trials trials;

    /** Thrown when the training was interrupted: the search ends, and can be resumed. */
    private static final class Interrupted extends RuntimeException {
        Interrupted() {
            super("interrupted", null, false, false);
        }
    }

    TuneCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        options.prepare(spec, Main.commandLine(output, "train"));
        try (RunLock _ = RunLock.take(options.out)) {
            trials = new Trials(options.out);
            try {
                search();
            } catch (Interrupted e) {
                return Main.INTERRUPTED;
            }
            return report();
        }
    }

    private void search() throws IOException {
        SearchSpace space = options.space();
        Searcher searcher = options.searcher();
        Halving halving = options.halving();
        if (!options.skipDefaults && !trials.has(Trials.DEFAULTS, lastRound(halving)) && isTimeLeft()) {
            train(Trials.DEFAULTS, lastRound(halving), new double[0], Map.of(), halving);
        }
        while (trials.round(0).size() < options.trials && isTimeLeft()) {
            List<Observation> before = trials.round(0).stream()
                    .map(t -> new Observation(t.point(), t.loss()))
                    .toList();
            Optional<double[]> point = searcher.next(before);
            if (point.isEmpty()) {
                break;
            }
            train(before.size() + 1, 0, point.get(), space.values(point.get()), halving);
        }
        for (int round = 1; halving != null && round < halving.steps().size(); round++) {
            List<Trials.Trial> earlier = trials.round(round - 1);
            List<Trials.Trial> best = earlier.stream()
                    .filter(t -> !Double.isNaN(t.loss()))
                    .sorted(Comparator.comparingDouble(Trials.Trial::rank))
                    .limit(halving.survivors(earlier.size()))
                    .toList();
            for (Trials.Trial t : best) {
                if (!trials.has(t.trial(), round) && isTimeLeft()) {
                    train(t.trial(), round, t.point(), t.values(), halving);
                }
            }
        }
    }

    private static int lastRound(Halving halving) {
        return halving == null ? 0 : halving.steps().size() - 1;
    }

    private boolean isTimeLeft() {
        return options.minutes == null || (System.nanoTime() - began) / 60e9 < options.minutes;
    }

    private void train(int trial, int round, double[] point, Map<String, Object> values, Halving halving)
            throws IOException {
        Path folder = options.out.resolve("trial-%03d".formatted(trial));
        Set<String> own = new HashSet<>(values.keySet());
        if (halving != null) {
            own.add("eval-every");
        }
        List<String> args = new ArrayList<>(options.command(own));
        values.forEach((name, value) -> args.addAll(List.of("--" + name, value.toString())));
        if (Files.exists(folder.resolve(Trainer.STATE_FILE))) {
            args.add("--resume");
        }
        if (halving != null) {
            args.addAll(List.of(
                    "--eval-every",
                    halving.steps().getFirst().toString(),
                    "--stop-after",
                    halving.steps().get(round).toString()));
        }
        args.addAll(List.of("--out", folder.toString(), "--json", "-q"));
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        Output nested = new Output(new ByteArrayInputStream(new byte[0]), new ByteArrayOutputStream(), errors, false);
        int code = Main.execute(nested, args.toArray(String[]::new));
        String said = errors.toString(StandardCharsets.UTF_8).strip();
        if (code == Main.INTERRUPTED) {
            throw new Interrupted();
        }
        if (code == Main.USAGE) {
            throw new Errors.UsageException(
                    "the training cannot be run: quern " + String.join(" ", args) + "\n" + said);
        }
        Trials.Trial done;
        if (code == Main.OK) {
            JsonNode receipt = Receipt.read(folder);
            if (!receipt.hasNonNull("val_loss")) {
                throw new TensorException(folder + ": the training measured no validation loss to compare by");
            }
            done = new Trials.Trial(
                    trial,
                    round,
                    receipt.get("step").asLong(),
                    point,
                    values,
                    receipt.get("val_loss").asDouble(),
                    receipt.get("seconds").asDouble());
        } else if (said.contains("the loss is") || said.contains("not finite")) {
            done = new Trials.Trial(trial, round, steps(halving, round), point, values, Double.NaN, 0);
        } else {
            throw new TensorException("trial " + trial + " failed: " + said);
        }
        trials.add(done);
        if (!common.quiet) {
            output.note(line(done));
        }
    }

    private static long steps(Halving halving, int round) {
        return halving == null ? 0 : halving.steps().get(round);
    }

    private static String line(Trials.Trial t) {
        String values =
                t.trial() == Trials.DEFAULTS ? "the defaults" : t.values().toString();
        return "trial %3d  %6d updates  %s  %6.0f s  %s"
                .formatted(
                        t.trial(),
                        t.steps(),
                        Double.isNaN(t.loss()) ? "  failed" : "%8.4f".formatted(t.loss()),
                        t.seconds(),
                        values);
    }

    private int report() throws IOException {
        List<Trials.Trial> ranking = trials.ranking();
        if (ranking.isEmpty()) {
            throw new TensorException(options.out + ": no trial was run within the time");
        }
        Trials.Trial best = ranking.getFirst();
        List<Path> plots = TuneChart.write(options.out, options.space(), trials.all());
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("trials", ranking.size());
            line.put("best", new ObjectMapper().valueToTree(best.toJson()));
            line.put(
                    "folder",
                    options.out.resolve("trial-%03d".formatted(best.trial())).toString());
            line.put("plots", plots.stream().map(Path::toString).toList());
            output.json(line);
        } else {
            output.println("           updates  val loss    time");
            ranking.forEach(t -> output.println(line(t)));
        }
        return Main.OK;
    }
}
