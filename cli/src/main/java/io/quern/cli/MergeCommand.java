package io.quern.cli;

import io.quern.nn.Module;
import io.quern.tensor.DType;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.LoraLayers;
import io.quern.transformer.hub.AdapterDir;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.transformer.text.Tokenizer;
import io.quern.transformer.text.TokenizerException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Makes an ordinary model of a model and an adapter. */
@Command(
        name = "merge",
        description = "Add a LoRA adapter to the weights of its model, and save what comes out as an ordinary model.",
        sortOptions = false)
final class MergeCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = "The model. Default: the one that the adapter names.")
    private String model;

    @Option(
            names = {"--adapter"},
            paramLabel = "DIR",
            required = true,
            description = "The adapter, in PEFT's layout.")
    private Path adapter;

    @Option(
            names = {"--out"},
            paramLabel = "DIR",
            required = true,
            description = "Folder for the merged model; it must not hold one.")
    private Path out;

    @Option(
            names = {"--weights"},
            paramLabel = "f32|bf16|f16",
            defaultValue = "f32",
            description = "Type in which weights are saved. Default: ${DEFAULT-VALUE}.")
    private String weights;

    private final Output output;

    MergeCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        DType stored = TrainGptCommand.storedType(weights);
        for (String file : List.of("config.json", AdapterDir.CONFIG)) {
            if (Files.exists(out.resolve(file))) {
                throw new Errors.UsageException(out + " has a " + file + " already: choose another --out");
            }
        }
        String base = model == null ? LoraOptions.baseOf(adapter) : model;
        int layers = EncoderDir.isOne(EncoderDir.folder(base)) ? classifier(base, stored) : language(base, stored);
        report(layers);
        return Main.OK;
    }

    /** Merges into a language model; gives the number of layers. */
    private int language(String name, DType stored) throws IOException {
        ModelDir base = Models.open(name);
        try (CausalLanguageModel merged = base.load(Purpose.TRAINING)) {
            AdapterDir.open(adapter).attach(merged);
            int layers = merge(merged);
            saveTokenizer(base::tokenizer);
            ModelDir.save(out, merged, base.generationConfig(), stored);
            return layers;
        }
    }

    /** Merges into a classifier, whose classes are in the adapter's folder or in the model's. */
    private int classifier(String name, DType stored) throws IOException {
        EncoderDir base = EncoderDir.find(name);
        boolean known = EncoderDir.isOne(adapter);
        try (BertForSequenceClassification merged = known
                ? EncoderDir.open(adapter).loadAdapted(name, Purpose.TRAINING)
                : base.loadClassifier(Purpose.TRAINING, null)) {
            if (!known) {
                AdapterDir.open(adapter).attach(merged);
            }
            int layers = merge(merged);
            saveTokenizer(base::tokenizer);
            EncoderDir.save(out, merged, stored);
            return layers;
        }
    }

    private int merge(Module model) throws IOException {
        int layers = LoraLayers.adapted(model).size();
        LoraLayers.merge(model);
        Files.createDirectories(out);
        return layers;
    }

    private void saveTokenizer(Supplier<Tokenizer> tokenizer) {
        try {
            tokenizer.get().save(out);
        } catch (TokenizerException e) {
            if (!common.quiet) {
                output.note("no tokenizer: " + e.getMessage());
            }
        }
    }

    private void report(int layers) {
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("out", out.toString());
            line.put("layers", layers);
            output.json(line);
        } else {
            output.println(out + ": a model with the adapters of " + layers
                    + (layers == 1 ? " layer merged" : " layers merged"));
        }
    }
}
