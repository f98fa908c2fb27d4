package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.spi.Tunable;
import io.quern.train.TrainEvent;
import io.quern.train.TrainListener;
import io.quern.train.TrainResult;
import io.quern.train.Trainer;
import io.quern.transformer.hub.AdapterDir;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * What a training run was made from and came to, for its {@link Receipt}. Listens to the run, to note the weights of every
 * checkpoint.
 */
final class RunRecord implements TrainListener {
    /** Options that do not change what is computed, or are recorded elsewhere. */
    private static final Set<String> INCIDENTAL = Set.of(
            "--help",
            "--version",
            "--verbose",
            "--quiet",
            "--json",
            "--jfr",
            "--out",
            "--config",
            "--resume",
            "--find-lr",
            "--stop-after",
            "--tensorboard",
            "--device",
            "--threads");

    /** Of whole models and of adapters. */
    private static final List<String> WEIGHTS = List.of("model.safetensors", AdapterDir.WEIGHTS);

    private final Device device;
    private final Map<String, Object> settings = new LinkedHashMap<>();
    private final List<Map<String, Object>> checkpoints = new ArrayList<>();

    /**
     * Begins with what every run has.
     *
     * @param command such as {@code train gpt}
     * @param inputs files and folders that the run reads
     */
    RunRecord(String command, CommandSpec spec, Device device, int threads, Map<String, Path> inputs)
            throws IOException {
        settings.put("command", command);
        settings.put("quern", Version.text());
        settings.put("java", Runtime.version().toString());
        settings.put("vm", System.getProperty("java.vm.name") + ", " + System.getProperty("java.vendor"));
        settings.put("system", System.getProperty("os.name") + ", " + System.getProperty("os.arch"));
        settings.put("processor", processor());
        settings.put("device", device.toString());
        settings.put("kernels", device.backend().description());
        this.device = device;
        settings.put("threads", threads);
        List<Map<String, Object>> hashed = new ArrayList<>();
        for (Map.Entry<String, Path> e : inputs.entrySet()) {
            hashed.add(Hashes.input(e.getKey(), e.getValue()));
        }
        settings.put("data", hashed);
        settings.put("options", options(spec));
    }

    /** All options of a run that say what is computed, as {@link ConfigFile#apply} takes them. */
    private static Map<String, Object> options(CommandSpec spec) {
        List<String> names = spec.options().stream()
                .map(OptionSpec::longestName)
                .filter(n -> n.startsWith("--") && !INCIDENTAL.contains(n))
                .map(n -> n.substring(2))
                .toList();
        return ConfigFile.values(spec, names);
    }

    private static String processor() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/cpuinfo"))) {
            return lines.filter(l -> l.startsWith("model name"))
                    .map(l -> l.substring(l.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElse("unknown");
        } catch (IOException e) {
            return "unknown";
        }
    }

    /** Adds what is particular to the command. */
    RunRecord put(String name, Object value) {
        settings.put(name, value);
        return this;
    }

    @Override
    public void on(TrainEvent event) throws IOException {
        switch (event) {
            case TrainEvent.Started e when e.step() > 0 -> settings.put("resumed_at", e.step());
            case TrainEvent.Saved e
            when !e.best() -> {
                for (String name : WEIGHTS) {
                    if (Files.exists(e.folder().resolve(name))) {
                        Map<String, Object> m = new LinkedHashMap<>();
                        m.put("step", e.step());
                        m.put("sha256", Hashes.of(e.folder().resolve(name)));
                        checkpoints.add(m);
                    }
                }
            }
            default -> {}
        }
    }

    /** The settings and how the run ended. */
    Map<String, Object> with(TrainResult r) {
        Map<String, Object> m = new LinkedHashMap<>(settings);
        m.put("step", r.step());
        m.put("train_loss", finite(r.loss()));
        m.put("val_loss", finite(r.bestLoss()));
        m.put("val_step", r.bestStep());
        m.put("stopped", r.stopped());
        m.put("seconds", r.seconds());
        if (device.backend() instanceof Tunable tunable) {
            m.put("kernel_choices", tunable.choices());
        }
        return m;
    }

    private static Double finite(double x) {
        return Double.isFinite(x) ? x : null;
    }

    /** Writes the receipt of a run that has ended, with the hashes of its losses and weights. */
    void write(Path folder, TrainResult result) throws IOException {
        Map<String, Object> m = with(result);
        RunCurve curve = RunCurve.read(folder);
        m.put("losses", curve.points().size());
        m.put("losses_sha256", curve.sha256());
        m.put("weights", weights(folder));
        m.put("checkpoints", checkpoints);
        Receipt.write(folder, m);
    }

    /** Hashes of the weight files of a run: the last ones, and those with the smallest validation loss. */
    static Map<String, String> weights(Path folder) throws IOException {
        Map<String, String> m = new LinkedHashMap<>();
        for (String file : WEIGHTS) {
            for (String name : List.of(file, Trainer.BEST_FOLDER + "/" + file)) {
                if (Files.exists(folder.resolve(name))) {
                    m.put(name, Hashes.of(folder.resolve(name)));
                }
            }
        }
        return m;
    }
}
