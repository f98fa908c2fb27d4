package io.quern.examples;

import io.quern.nn.Init;
import io.quern.tensor.DType;
import io.quern.train.EventLog;
import io.quern.train.Progress;
import io.quern.train.TrainEvent;
import io.quern.train.TrainResult;
import io.quern.train.Trainer;
import io.quern.train.data.Batch;
import io.quern.train.data.TokenDataset;
import io.quern.train.optim.AdamW;
import io.quern.train.optim.ParamGroup;
import io.quern.train.optim.Schedule;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.Generator;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.model.Gpt2;
import io.quern.transformer.model.Gpt2Config;
import io.quern.transformer.text.BpeTrainer;
import io.quern.transformer.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.style.lines.SeriesLines;

/** From a text to a GPT that continues it: tokens, batches, training, sampling, a folder that other programs load. */
public final class ShakespeareGpt {
    static final int CONTEXT = 64;
    static final int BATCH = 16;
    static final long SEED = 1337;

    private ShakespeareGpt() {}

    /**
     * What came of it.
     *
     * @param training loss of each update, nats a token
     * @param validation loss on the last tenth of the text, every tenth of the run
     * @param perCharacter the smallest of these, in nats a character
     */
    record Run(List<Double> training, List<Double> validation, double perCharacter, String sample) {}

    static Run run(String text, int vocabulary, int width, int steps, Path folder) throws IOException {
        int cut = text.length() * 9 / 10;
        BpeTrainer bpe = BpeTrainer.builder().vocabSize(vocabulary).build();
        bpe.add(text.substring(0, cut));
        Tokenizer tokenizer = bpe.train();
        TokenDataset train = TokenDataset.of(tokenizer.encode(text.substring(0, cut)));
        TokenDataset held = TokenDataset.of(tokenizer.encode(text.substring(cut)));

        List<Double> training = new ArrayList<>();
        List<Double> validation = new ArrayList<>();
        Gpt2Config config = Gpt2Config.of(tokenizer.vocabSize(), CONTEXT, width, 2, 4);
        Files.createDirectories(folder);
        try (Gpt2 model = config.build(Init.gpt2(SEED, 2));
                AdamW adamW = new AdamW(ParamGroup.decayMatrices(model, 0.1), 0.9, 0.95, 1e-8);
                EventLog log = new EventLog(folder.resolve("log.jsonl"))) {
            TrainResult result = Trainer.of(
                            model,
                            (Batch b) -> model.loss(b.inputs(), b.targets()),
                            train.randomCrops(BATCH, CONTEXT, SEED),
                            adamW,
                            Schedule.cosine(3e-3, 3e-4, steps - steps / 20).warmup(steps / 20))
                    .steps(steps)
                    .clip(1)
                    .validate(held.windows(BATCH, CONTEXT), 20, Math.max(1, steps / 10))
                    .listen(log)
                    .listen(Progress.onStderr(10))
                    .listen(event -> {
                        if (event instanceof TrainEvent.Step s) {
                            training.add(s.loss());
                            if (s.isValidated()) {
                                validation.add(s.validationLoss());
                            }
                        }
                    })
                    .run();
            GenerationConfig speech = GenerationConfig.builder()
                    .doSample(true)
                    .temperature(0.8)
                    .topK(50)
                    .maxNewTokens(CONTEXT - 8)
                    .seed(7)
                    .build();
            String sample = new Generator(model, tokenizer)
                    .generate(GenerationRequest.of(tokenizer.encode("ROMEO:"), speech))
                    .first()
                    .text();
            tokenizer.save(folder);
            ModelDir.save(folder, model, speech, DType.F32);
            double tokensPerCharacter = (double) held.size() / (text.length() - cut);
            return new Run(training, validation, result.bestLoss() * tokensPerCharacter, sample);
        }
    }

    public static void main(String[] args) throws IOException {
        if (args.length == 0) {
            System.err.println("usage: ShakespeareGpt TEXT [FOLDER]");
            System.exit(2);
        }
        Path folder = args.length > 1 ? Path.of(args[1]) : Path.of("target/examples/shakespeare");
        Run run = run(Files.readString(Path.of(args[0])), 512, 128, 1000, folder);
        System.out.printf(Locale.ROOT, "%.3f nats a character%nROMEO:%s%n", run.perCharacter, run.sample);
        XYChart chart = Plot.chart("a small GPT on Shakespeare", "step", "nats a token");
        Plot.line(chart, "training", Plot.upTo(run.training.size()), run.training)
                .setLineWidth(0.7f)
                .setLineStyle(SeriesLines.SOLID);
        List<Integer> at = Plot.upTo(run.validation.size()).stream()
                .map(i -> i * run.training.size() / run.validation.size())
                .toList();
        Plot.line(chart, "validation", at, run.validation);
        Plot.save(folder.resolve("shakespeare-gpt.png"), 1, List.of(chart));
    }
}
