package io.quern.cli;

import io.quern.nn.TrainingMode;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.spi.Backend;
import io.quern.train.RecordedStep;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.GradientClip;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.transformer.CausalLanguageModel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures training steps. */
@Command(
        name = "train",
        description = {
            "Measure training steps: forward, backward, clipping of the norm to 1, AdamW; on random tokens.",
            "Lists are measured in all combinations, each with fresh weights."
        },
        sortOptions = false)
final class BenchTrainCommand implements Callable<Integer> {
    private static final double LEARNING_RATE = 1e-4;

    @Mixin
    private CommonOptions common;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL[,MODEL]",
            hideParamSyntax = true,
            split = ",",
            defaultValue = "gpt2",
            description = BenchModels.HELP + " Default: ${DEFAULT-VALUE}.")
    private List<String> models;

    @Option(
            names = {"--batch"},
            paramLabel = "N[,N]",
            hideParamSyntax = true,
            split = ",",
            defaultValue = "4",
            description = "Sequences in a batch. Default: ${DEFAULT-VALUE}.")
    private List<Integer> batches;

    @Option(
            names = {"--time"},
            paramLabel = "N[,N]",
            hideParamSyntax = true,
            split = ",",
            defaultValue = "128",
            description = "Tokens of a sequence. Default: ${DEFAULT-VALUE}.")
    private List<Integer> times;

    @Option(
            names = {"-r", "--repetitions"},
            paramLabel = "N",
            defaultValue = "5",
            description = "Steps to measure, after two to warm up. Default: ${DEFAULT-VALUE}.")
    private int repetitions;

    @Option(
            names = {"--dtype"},
            paramLabel = "f32|bf16[,...]",
            hideParamSyntax = true,
            split = ",",
            defaultValue = "f32",
            description = "Type in which the loss is computed, as in train gpt. Default: ${DEFAULT-VALUE}.")
    private List<String> dtypes;

    @Mixin
    private DeviceOptions deviceOptions;

    private final Output output;

    BenchTrainCommand(Output output) {
        this.output = output;
    }

    /** A combination of what was asked for. */
    private record Test(String model, String dtype, int batch, int time) {
        int tokens() {
            return batch * time;
        }
    }

    @Override
    public Integer call() {
        if (Stream.of(batches, times).flatMap(List::stream).anyMatch(n -> n < 1) || repetitions < 1) {
            throw new Errors.UsageException("--batch, --time and --repetitions must be 1 or more");
        }
        dtypes.forEach(TrainGptCommand::computeType);
        List<Test> tests = new ArrayList<>();
        for (String model : models) {
            for (String dtype : dtypes) {
                for (int batch : batches) {
                    times.forEach(time -> tests.add(new Test(model, dtype, batch, time)));
                }
            }
        }
        Device device = deviceOptions.open(output, common.verbose);
        for (Test test : tests) {
            // Each with weights of its own, so that none depends on those before it.
            run(test, device);
            device.backend().trim();
        }
        return Main.OK;
    }

    private void run(Test test, Device device) {
        try (CausalLanguageModel loaded = BenchModels.forTraining(test.model)) {
            loaded.moveTo(device);
            loaded.computeLossIn(TrainGptCommand.computeType(test.dtype));
            if (test.time > loaded.contextLength()) {
                throw new Errors.UsageException(
                        "--time " + test.time + " is longer than the model's context of " + loaded.contextLength());
            }
            try (Optimizer optimizer = new AdamW(ParamGroup.decayMatrices(loaded, 0.1), 0.9, 0.95, 1e-8)) {
                Scope.run(() -> {
                    Tensor inputs = tokens(test, loaded, 1).to(device);
                    measure(
                            test,
                            loaded,
                            optimizer,
                            inputs,
                            tokens(test, loaded, 2).to(device));
                    return null;
                });
            }
        }
    }

    private static Tensor tokens(Test test, CausalLanguageModel loaded, int stream) {
        int[] ids = new int[test.tokens()];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) Long.remainderUnsigned(Rng.bits(1, stream, i), loaded.vocabSize());
        }
        return Tensor.of(ids, test.batch, test.time);
    }

    private void measure(Test test, CausalLanguageModel loaded, Optimizer optimizer, Tensor inputs, Tensor targets) {
        Backend backend = loaded.device().backend();
        double first = step(loaded, optimizer, inputs, targets, 0);
        double loss = step(loaded, optimizer, inputs, targets, 1);
        backend.resetPeak();
        HeapMeter heap = new HeapMeter();
        double[] rates = new double[repetitions];
        for (int i = 0; i < repetitions; i++) {
            long before = System.nanoTime();
            loss = step(loaded, optimizer, inputs, targets, i + 2);
            rates[i] = test.tokens() / ((System.nanoTime() - before) / 1e9);
        }
        report(test, new Samples(rates), backend, heap, first, loss);
    }

    private static double step(
            CausalLanguageModel loaded, Optimizer optimizer, Tensor inputs, Tensor targets, long index) {
        return RecordedStep.of(
                        index + 1,
                        () -> Scope.run(() -> {
                            Gradients g = TrainingMode.with(
                                    1, index, () -> Tape.gradients(() -> loaded.loss(inputs, targets)));
                            double norm =
                                    GradientClip.norm(g, optimizer.params().values());
                            optimizer.step(g, LEARNING_RATE, GradientClip.scale(norm, 1));
                            double loss = g.loss().item();
                            return new RecordedStep.Update(loss, LEARNING_RATE, norm, inputs.size(), "tokens");
                        }))
                .loss();
    }

    private void report(Test test, Samples rates, Backend backend, HeapMeter heap, double firstLoss, double lastLoss) {
        long peak = backend.memory().peak();
        long heapBytes = heap.bytes() / repetitions;
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("model", test.model);
            line.put("batch", test.batch);
            line.put("time", test.time);
            line.put("dtype", TrainGptCommand.computeType(test.dtype).name());
            line.put("threads", deviceOptions.threads());
            line.put("impl", backend.description());
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
                    "%s, %s, %d x %d: %.1f ± %.1f tokens/s; peak %.0f MiB; %d heap bytes a step, %d collections; loss %.3f to %.3f"
                            .formatted(
                                    test.model,
                                    test.dtype,
                                    test.batch,
                                    test.time,
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
