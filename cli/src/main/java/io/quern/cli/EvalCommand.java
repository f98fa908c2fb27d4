package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.Perplexity;
import io.quern.transformer.hub.ModelDir;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures how well a model predicts a text, or classifies pictures. */
@Command(
        name = "eval",
        description =
                "Print a model's loss and perplexity on a text, or accuracy and confusion matrix on pictures or texts"
                        + " with classes.")
final class EvalCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelOption model;

    @Mixin
    private AdapterOption adapter;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private WeightOptions weightOptions;

    @Mixin
    private TextEval texts;

    @Option(
            names = {"--text-file"},
            paramLabel = "FILE",
            description = "The text, in UTF-8.")
    private Path textFile;

    @Option(
            names = {"--images"},
            paramLabel = "DIR",
            description = "Pictures: MNIST's or CIFAR-10's test files, or a folder for each class.")
    private Path images;

    @Option(
            names = {"--context"},
            paramLabel = "N",
            description = "Tokens in a window. Default: the model's context.")
    private Integer context;

    private final Output output;

    EvalCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        if (Stream.of(textFile, images, texts.file).filter(Objects::nonNull).count() != 1) {
            throw new Errors.UsageException("eval needs one of --text-file, --images and --texts");
        }
        Device device = deviceOptions.open(output, common.verbose);
        if (images != null) {
            ImageEval.run(model.name(), images, device, output, common.json);
            return Main.OK;
        }
        if (texts.file != null) {
            texts.run(model.name(), context, device, output, common.json);
            return Main.OK;
        }
        ModelDir dir = adapter.open(model);
        String text = TextInput.file(textFile);
        int[] ids = dir.tokenizer().encode(text);
        try (CausalLanguageModel loaded = weightOptions.load(adapter.loader(dir), device, output, common.verbose)) {
            int window = context == null ? loaded.contextLength() : context;
            Perplexity p = Perplexity.of(loaded, ids, window);
            if (common.json) {
                Map<String, Object> line = new LinkedHashMap<>();
                line.put("loss", p.loss());
                line.put("perplexity", p.perplexity());
                line.put("tokens", p.tokens());
                output.json(line);
            } else {
                output.println(
                        "loss %.6f, perplexity %.4f over %d tokens".formatted(p.loss(), p.perplexity(), p.tokens()));
            }
        }
        return Main.OK;
    }
}
