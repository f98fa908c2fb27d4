package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelDir;
import io.quern.vision.data.ImageFile;
import io.quern.vision.data.ImageFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Says what pictures show, or what kind a text is of. */
@Command(
        name = "classify",
        description =
                "Classify pictures, or with --text texts. The embedded model knows handwritten digits, one a picture.")
final class ClassifyCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private DeviceOptions deviceOptions;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = "A folder of an image model in Hugging Face layout, or org/name in the Hugging Face cache."
                    + " Default: the embedded digit classifier.")
    private String model;

    @Option(
            names = {"--top-k"},
            paramLabel = "N",
            defaultValue = "1",
            description = "Print so many classes, the likeliest first. Default: ${DEFAULT-VALUE}.")
    private int topK;

    @Option(
            names = {"--text"},
            paramLabel = "TEXT",
            description = "A text to classify with a BERT; may be repeated. - reads lines from stdin.")
    private List<String> texts = new ArrayList<>();

    @Option(
            names = {"--pair"},
            paramLabel = "TEXT",
            description = "A second text that goes with every --text, for models of pairs.")
    private String pair;

    @Parameters(
            arity = "0..*",
            paramLabel = "FILE",
            description = "PNG, JPEG, BMP, GIF or WebP files, or folders of them.")
    private List<Path> inputs = new ArrayList<>();

    private final Output output;

    ClassifyCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        if (topK < 1) {
            throw new Errors.UsageException("--top-k must be 1 or more, not " + topK);
        }
        if (texts.isEmpty() == inputs.isEmpty()) {
            throw new Errors.UsageException("give either picture files or --text TEXT to classify");
        }
        if (!texts.isEmpty()) {
            Device device = deviceOptions.open(output, common.verbose);
            new TextClassification(model, device).run(texts, pair, output, this::print);
            return Main.OK;
        }
        List<Path> files = new ArrayList<>();
        for (Path p : inputs) {
            if (Files.isDirectory(p)) {
                List<Path> found = ImageFolder.files(p);
                if (found.isEmpty()) {
                    throw new TensorException(p + ": there are no PNG, JPEG, BMP, GIF or WebP files in this folder");
                }
                files.addAll(found);
            } else {
                files.add(p);
            }
        }
        Device device = deviceOptions.open(output, common.verbose);
        ImageModelDir dir = ImageModels.open(model);
        int failed = 0;
        try (ImageModel loaded = dir.load()) {
            loaded.moveTo(device);
            for (Path file : files) {
                try {
                    float[] logits = logits(dir, loaded, file, device);
                    print(file.toString(), logits, dir.config().labels());
                } catch (TensorException e) {
                    // The others can still be told.
                    output.note("quern: " + e.getMessage());
                    failed++;
                }
            }
        }
        return failed == 0 ? Main.OK : Main.FAILURE;
    }

    private static float[] logits(ImageModelDir dir, ImageModel model, Path file, Device device) {
        return Scope.run(() -> Tape.noGrad(() -> {
            Tensor pixels = dir.preprocessor()
                    .apply(ImageFile.read(file), model.config().channels());
            return model.forward(pixels.to(device)).toFloats();
        }));
    }

    private void print(String input, float[] logits, List<String> labels) {
        double[] p = softmax(logits);
        int[] best = IntStream.range(0, p.length)
                .boxed()
                .sorted((a, b) -> Double.compare(p[b], p[a]))
                .limit(topK)
                .mapToInt(i -> i)
                .toArray();
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("input", input);
            line.put("label", labels.get(best[0]));
            line.put("index", best[0]);
            line.put("logits", logits);
            line.put("probabilities", p);
            if (topK > 1) {
                line.put("top", IntStream.of(best).mapToObj(labels::get).toList());
            }
            output.json(line);
            return;
        }
        StringBuilder s = new StringBuilder(input).append(':');
        for (int i : best) {
            s.append("  ").append(labels.get(i)).append(" %.1f %%".formatted(100 * p[i]));
        }
        output.println(s.toString());
    }

    private static double[] softmax(float[] logits) {
        if (logits.length == 1) { // yes or no, as rerankers say it
            return new double[] {1 / (1 + Math.exp(-logits[0]))};
        }
        double max = Double.NEGATIVE_INFINITY;
        for (float x : logits) {
            max = Math.max(max, x);
        }
        double[] p = new double[logits.length];
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            p[i] = Math.exp(logits[i] - max);
            sum += p[i];
        }
        for (int i = 0; i < p.length; i++) {
            p[i] /= sum;
        }
        return p;
    }
}
