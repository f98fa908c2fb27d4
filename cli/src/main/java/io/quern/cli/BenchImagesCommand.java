package io.quern.cli;

import io.quern.nn.Losses;
import io.quern.nn.TrainingMode;
import io.quern.tensor.Device;
import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.Optimizer;
import io.quern.train.optim.ParamGroup;
import io.quern.vision.ImageModel;
import io.quern.vision.model.VitConfig;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import java.util.function.LongConsumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures vision transformers. */
@Command(
        name = "images",
        description = "Measure vision transformers of random weights on random pictures: classifying, or with --train"
                + " training steps (forward, backward, AdamW).",
        sortOptions = false)
final class BenchImagesCommand implements Callable<Integer> {
    private static final double LEARNING_RATE = 1e-3;
    private static final int WARM_UP = 5;

    /** Sizes that papers and other frameworks give figures for. */
    private enum Size {
        /** 28 x 28 grey, patches of 4, width 64, 6 layers, 4 heads, 10 classes. */
        TINY(28, 4, 1, 64, 6, 4, 10),
        /** ViT-B/16: 224 x 224 in colour, width 768, 12 layers, 12 heads, 1000 classes. */
        BASE(224, 16, 3, 768, 12, 12, 1000);

        private final VitConfig config;

        Size(int side, int patch, int channels, int hidden, int layers, int heads, int classes) {
            config = VitConfig.of(side, patch, channels, hidden, layers, heads, Collections.nCopies(classes, "class"));
        }
    }

    @Mixin
    private CommonOptions common;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "tiny|base",
            defaultValue = "TINY",
            description =
                    "tiny (28 x 28 grey, patch 4, width 64, 6 layers) or base (ViT-B/16, 224 x 224). Default: tiny.")
    private Size size;

    @Option(
            names = {"--train"},
            description = "Measure training steps.")
    private boolean train;

    @Option(
            names = {"--batch"},
            paramLabel = "N",
            defaultValue = "64",
            description = "Pictures in a batch. Default: ${DEFAULT-VALUE}.")
    private int batch;

    @Option(
            names = {"-r", "--repetitions"},
            paramLabel = "N",
            defaultValue = "8",
            description = "Batches to measure, after " + WARM_UP + " to warm up. Default: ${DEFAULT-VALUE}.")
    private int repetitions;

    @Mixin
    private DeviceOptions deviceOptions;

    private final Output output;

    BenchImagesCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        if (batch < 1 || repetitions < 1) {
            throw new Errors.UsageException("--batch and --repetitions must be 1 or more");
        }
        Device device = deviceOptions.open(output, common.verbose);
        VitConfig config = size.config;
        try (ImageModel model = config.build(config.init(1));
                Optimizer optimizer = new AdamW(ParamGroup.decayMatrices(model, 0.01), 0.9, 0.999, 1e-8)) {
            model.moveTo(device);
            Scope.run(() -> {
                Tensor pixels = Tensor.randn(
                                new Rng(1), 1, batch, config.channels(), config.imageSize(), config.imageSize())
                        .to(device);
                Tensor targets = targets(config.labels().size()).to(device);
                measure(
                        device,
                        train
                                ? step -> step(model, optimizer, pixels, targets, step)
                                : step -> Scope.run(() ->
                                        Tape.noGrad(() -> model.forward(pixels).toFloats())));
                return null;
            });
        }
        return Main.OK;
    }

    private Tensor targets(int classes) {
        Rng rng = new Rng(2);
        int[] all = new int[batch];
        for (int i = 0; i < batch; i++) {
            all[i] = rng.nextInt(classes);
        }
        return Tensor.of(all, batch);
    }

    private static void step(ImageModel model, Optimizer optimizer, Tensor pixels, Tensor targets, long index) {
        Scope.run(() -> {
            Gradients g = TrainingMode.with(
                    1, index, () -> Tape.gradients(() -> Losses.crossEntropy(model.forward(pixels), targets)));
            optimizer.step(g, LEARNING_RATE, 1);
            return g.loss().item(); // which waits for the device
        });
    }

    private void measure(Device device, LongConsumer work) {
        for (int i = 0; i < WARM_UP; i++) {
            work.accept(i);
        }
        double[] rates = new double[repetitions];
        for (int i = 0; i < repetitions; i++) {
            long before = System.nanoTime();
            work.accept(WARM_UP + i);
            rates[i] = batch / ((System.nanoTime() - before) / 1e9);
        }
        report(device, new Samples(rates));
    }

    private void report(Device device, Samples rates) {
        String name = size.name().toLowerCase(java.util.Locale.ROOT);
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("model", name);
            line.put("train", train);
            line.put("batch", batch);
            line.put("threads", deviceOptions.threads());
            line.put("impl", device.backend().description());
            line.put("img_s", rates.mean());
            line.put("img_s_sd", rates.deviation());
            line.put("img_s_median", rates.median());
            OptionalDouble resident = ProcessMemory.peakMib();
            line.put("rss_peak_mib", resident.isPresent() ? resident.getAsDouble() : null);
            output.json(line);
        } else {
            output.println("%s, %s, batch %d: %.1f ± %.1f images/s, median %.1f"
                    .formatted(
                            name,
                            train ? "training" : "classifying",
                            batch,
                            rates.mean(),
                            rates.deviation(),
                            rates.median()));
        }
    }
}
