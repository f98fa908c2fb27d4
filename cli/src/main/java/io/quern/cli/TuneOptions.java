package io.quern.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.quern.tensor.file.AtomicFile;
import io.quern.train.search.Dimension;
import io.quern.train.search.Halving;
import io.quern.train.search.SearchSpace;
import io.quern.train.search.Searcher;
import io.quern.train.search.TpeSearch;
import io.quern.transformer.Spelling;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** What {@code tune} can be told. */
final class TuneOptions {
    /** How the next trial is chosen; lower case as on the command line. */
    enum Method {
        grid,
        random,
        tpe
    }

    static final String FILE = "tune.json";

    /** What a resumed search takes over; its budget may be another one. */
    private static final List<String> LASTING = List.of(
            "search", "method", "grid-points", "start-trials", "halving", "rounds", "seed", "skip-defaults", "trials");

    @Option(
            names = {"--out"},
            required = true,
            paramLabel = "DIR",
            description = "Folder for the trials, trials.jsonl, tune.json and the plots.")
    Path out;

    @Option(
            names = {"--search"},
            paramLabel = "SPEC",
            description = "An option to search, repeatable: lr=log:1e-4..1e-2, dropout=0..0.3, layers=int:2..6,"
                    + " schedule=cosine,linear.")
    List<String> search;

    @Option(
            names = {"--method"},
            paramLabel = "NAME",
            defaultValue = "tpe",
            description = "${COMPLETION-CANDIDATES}; tpe is Bayesian. Default: ${DEFAULT-VALUE}.")
    Method method;

    @Option(
            names = {"--trials"},
            paramLabel = "N",
            defaultValue = "20",
            description = "Trials at most, besides that of the defaults. Default: ${DEFAULT-VALUE}.")
    int trials;

    @Option(
            names = {"--minutes"},
            paramLabel = "X",
            description = "Begin no training after so many minutes. Default: no limit.")
    Double minutes;

    @Option(
            names = {"--grid-points"},
            paramLabel = "N",
            defaultValue = "5",
            description = "Values of each range in a grid. Default: ${DEFAULT-VALUE}.")
    int gridPoints;

    @Option(
            names = {"--start-trials"},
            paramLabel = "N",
            defaultValue = "5",
            description = "Random trials before tpe begins to choose. Default: ${DEFAULT-VALUE}.")
    int startTrials;

    @Option(
            names = {"--halving"},
            paramLabel = "N",
            description =
                    "Successive halving: train all trials a little and the best 1/N of them N times as long, until"
                            + " the last are trained whole. Needs --steps in the training's options.")
    Integer halving;

    @Option(
            names = {"--rounds"},
            paramLabel = "N",
            defaultValue = "3",
            description = "Rounds of --halving. Default: ${DEFAULT-VALUE}.")
    int rounds;

    @Option(
            names = {"--seed"},
            paramLabel = "N",
            defaultValue = "1",
            description = "Of the search; that of the training is its own option. Default: ${DEFAULT-VALUE}.")
    long seed;

    @Option(
            names = {"--skip-defaults"},
            description = "Do not begin with a trial of the training's options as they are.")
    boolean skipDefaults;

    @Option(
            names = {"--resume"},
            description = "Go on with the search in --out.")
    boolean resume;

    @Parameters(
            paramLabel = "TRAINING",
            arity = "0..*",
            description = "After --: what follows 'quern train', such as: gpt --data input.txt --steps 300.")
    List<String> training;

    /**
     * Takes over what the search in the folder was told, or checks and keeps what this one is.
     *
     * @param quern knows the options of what can be trained
     */
    void prepare(CommandSpec spec, CommandLine quern) throws IOException {
        Path file = out.resolve(FILE);
        if (resume) {
            if (!Files.exists(file)) {
                throw new Errors.UsageException("--resume: there is no search in " + out);
            }
            if (training != null || search != null) {
                throw new Errors.UsageException("--resume goes on with the same search and training: name neither");
            }
            ObjectNode saved = (ObjectNode) new ObjectMapper().readTree(Files.readAllBytes(file));
            training = texts(saved.remove("training"));
            ConfigFile.apply(file.toString(), saved, spec, spec.commandLine().getParseResult());
            return;
        }
        if (Files.exists(file)) {
            throw new Errors.UsageException(
                    "there is a search in " + out + " already: go on with it by --resume, or choose another --out");
        }
        if (training == null || search == null) {
            throw new Errors.UsageException("tune needs --search, and after -- what to train, such as:"
                    + " quern tune --out tuned --search lr=log:1e-4..1e-2 -- gpt --data input.txt --steps 300");
        }
        for (String own : List.of("--out", "--resume", "--stop-after")) {
            if (training.stream().anyMatch(a -> a.equals(own) || a.startsWith(own + "="))) {
                throw new Errors.UsageException("tune gives the training its " + own + "; leave it out");
            }
        }
        searcher();
        halving();
        checkNames(quern.getSubcommands().get("train").getSubcommands());
        Files.createDirectories(out);
        Map<String, Object> values = ConfigFile.values(spec, LASTING);
        values.put("training", training);
        AtomicFile.write(
                file, new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsBytes(values));
    }

    /** Before the first trial, which may take long, rather than at the second. */
    private void checkNames(Map<String, CommandLine> trainings) {
        String what = training.getFirst();
        CommandLine command = trainings.get(what);
        if (command == null) {
            throw new Errors.UsageException("the training cannot be run: '" + what + "' is none of gpt, vit, cnn,"
                    + " autoencoder and classifier");
        }
        Set<String> known = command.getCommandSpec().optionsMap().keySet();
        for (Dimension d : space().dimensions()) {
            String option = "--" + d.name();
            if (!known.contains(option)) {
                String near = Spelling.nearest(option, known)
                        .map(n -> "; did you mean " + n.substring(2) + "?")
                        .orElse("");
                throw new Errors.UsageException("--search: quern train " + what + " has no option " + option + near);
            }
        }
    }

    private static List<String> texts(JsonNode list) {
        List<String> all = new ArrayList<>();
        list.forEach(n -> all.add(n.asText()));
        return all;
    }

    SearchSpace space() {
        try {
            return new SearchSpace(search.stream().map(Dimension::parse).toList());
        } catch (IllegalArgumentException e) {
            throw new Errors.UsageException("--search: " + e.getMessage());
        }
    }

    Searcher searcher() {
        SearchSpace space = space();
        if (trials < 1 || gridPoints < 1 || startTrials < 2) {
            throw new Errors.UsageException("--trials and --grid-points must be 1 or more, --start-trials 2 or more");
        }
        return switch (method) {
            case grid -> Searcher.grid(space, gridPoints);
            case random -> Searcher.random(space, seed);
            case tpe -> new TpeSearch(space, seed, startTrials);
        };
    }

    /** The rounds; null where every trial is trained whole. */
    Halving halving() {
        if (halving == null) {
            return null;
        }
        int at = training.indexOf("--steps");
        if (at < 0 || at + 1 == training.size()) {
            throw new Errors.UsageException("--halving needs --steps N among the training's options");
        }
        try {
            return Halving.of(Long.parseLong(training.get(at + 1)), halving, rounds);
        } catch (IllegalArgumentException e) {
            throw new Errors.UsageException("--halving: " + e.getMessage());
        }
    }

    /** The training's command line, without the options that a trial sets. */
    List<String> command(Set<String> without) {
        List<String> args = new ArrayList<>(List.of("train"));
        for (int i = 0; i < training.size(); i++) {
            String arg = training.get(i);
            if (without.stream().anyMatch(name -> arg.equals("--" + name))) {
                i++; // its value
            } else if (without.stream().noneMatch(name -> arg.startsWith("--" + name + "="))) {
                args.add(arg);
            }
        }
        return args;
    }
}
