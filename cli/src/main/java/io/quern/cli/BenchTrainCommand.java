package io.quern.cli;

import io.quern.nn.TrainingMode;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.spi.Backend;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.GradientClip;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.transformer.CausalLanguageModel;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures training steps. */
@Command(
        name = "train",
        description = "Measure training steps: forward, backward, clipping of the norm to 1, AdamW; on random tokens.",
        sortOptions = false)
final class BenchTrainCommand implements Callable<Integer> {
    private static final double LEARNING_RATE = 1e-4;

    @Mixin
    private CommonOptions common;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            defaultValue = "gpt2",
            description = BenchModels.HELP + " Default: ${DEFAULT-VALUE}.")
    private String model;

    @Option(
            names = {"--batch"},
            paramLabel = "N",
            defaultValue = "4",
            description = "Sequences in a batch. Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Option(
            names = {"--time"},
            paramLabel = "N",
            defaultValue = "128",
            description = "Tokens of a sequence. Default: ${DEFAULT-VALUE}.")
    private int time;

    @Option(
            names = {"-r", "--repetitions"},
            paramLabel = "N",
            defaultValue = "5",
            description = "Steps to measure, after two to warm up. Default: ${DEFAULT-VALUE}.")
    private int repetitions;

    @Option(
            names = {"--dtype"},
            paramLabel = "f32|bf16",
            defaultValue = "f32",
            description = "Type in which the loss is computed, as in train gpt. Default: ${DEFAULT-VALUE}.")
    private String dtype;

    @Mixin
    private DeviceOptions deviceOptions;

    private final Output output;

    BenchTrainCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        if (batch < 1 || time < 1 || repetitions < 1) {
            throw new Errors.UsageException("--batch, --time and --repetitions must be 1 or more");
        }
        Device device = deviceOptions.open(output, common.verbose);
        try (CausalLanguageModel loaded = BenchModels.forTraining(model)) {
            loaded.moveTo(device);
            loaded.computeLossIn(TrainGptCommand.computeType(dtype));
            if (time > loaded.contextLength()) {
                throw new Errors.UsageException(
                        "--time " + time + " is longer than the model's context of " + loaded.contextLength());
            }
            try (Optimizer optimizer = new AdamW(ParamGroup.decayMatrices(loaded, 0.1), 0.9, 0.95, 1e-8);
                    Tensor inputs = tokens(loaded, 1);
                    Tensor targets = tokens(loaded, 2)) {
                measure(loaded, optimizer, inputs.to(device), targets.to(device));
            }
        }
        return Main.OK;
    }

    private Tensor tokens(CausalLanguageModel loaded, int stream) {
        int[] ids = new int[batch * time];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) Long.remainderUnsigned(Rng.bits(1, stream, i), loaded.vocabSize());
        }
        return Tensor.of(ids, batch, time);
    }

    private void measure(CausalLanguageModel loaded, Optimizer optimizer, Tensor inputs, Tensor targets) {
        Backend backend = loaded.device().backend();
        double first = step(loaded, optimizer, inputs, targets, 0);
        double loss = step(loaded, optimizer, inputs, targets, 1);
        backend.resetPeak();
        HeapMeter heap = new HeapMeter();
        double[] rates = new double[repetitions];
        for (int i = 0; i < repetitions; i++) {
            long before = System.nanoTime();
            loss = step(loaded, optimizer, inputs, targets, i + 2);
            rates[i] = batch * time / ((System.nanoTime() - before) / 1e9);
        }
        report(new Samples(rates), backend.memory().peak(), heap, first, loss);
    }

    private static double step(
            CausalLanguageModel loaded, Optimizer optimizer, Tensor inputs, Tensor targets, long index) {
        return Scope.run(() -> {
            Gradients g = TrainingMode.with(1, index, () -> Tape.gradients(() -> loaded.loss(inputs, targets)));
            double norm = GradientClip.norm(g, optimizer.params().values());
            optimizer.step(g, LEARNING_RATE, GradientClip.scale(norm, 1));
            return g.loss().item();
        });
    }

    private void report(Samples rates, long peak, HeapMeter heap, double firstLoss, double lastLoss) {
        long heapBytes = heap.bytes() / repetitions;
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("model", model);
            line.put("batch", batch);
            line.put("time", time);
            line.put("dtype", TrainGptCommand.computeType(dtype).name());
            line.put("threads", deviceOptions.threads());
            line.put("tok_s", rates.mean());
            line.put("tok_s_sd", rates.deviation());
            line.put("tok_s_median", rates.median());
            line.put("peak_mib", peak / (double) (1 << 20));
            OptionalDouble resident = ProcessMemory.peakMib();
            line.put("rss_peak_mib", resident.isPresent() ? resident.getAsDouble() : null);
            line.put("heap_bytes_per_step", heapBytes);
            line.put("gc_count", heap.collections());
            line.put("first_loss", firstLoss);
            line.put("last_loss", lastLoss);
            output.json(line);
        } else {
            output.println(
                    "%s, %d x %d: %.1f ± %.1f tokens/s; peak %.0f MiB; %d heap bytes a step, %d collections; loss %.3f to %.3f"
                            .formatted(
                                    model,
                                    batch,
                                    time,
                                    rates.mean(),
                                    rates.deviation(),
                                    peak / (double) (1 << 20),
                                    heapBytes,
                                    heap.collections(),
                                    firstLoss,
                                    lastLoss));
        }
    }
}
