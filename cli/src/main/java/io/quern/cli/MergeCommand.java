package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.LoraLayers;
import io.quern.transformer.hub.AdapterDir;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.text.TokenizerException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
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
        AdapterDir dir = AdapterDir.open(adapter);
        ModelDir base = Models.open(model == null ? LoraOptions.baseOf(adapter) : model);
        try (CausalLanguageModel merged = base.load(Purpose.TRAINING)) {
            dir.attach(merged);
            int layers = LoraLayers.adapted(merged).size();
            LoraLayers.merge(merged);
            Files.createDirectories(out);
            saveTokenizer(base);
            ModelDir.save(out, merged, base.generationConfig(), stored);
            report(layers);
        }
        return Main.OK;
    }

    private void saveTokenizer(ModelDir base) {
        try {
            base.tokenizer().save(out);
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
            output.println(out + ": a model with the adapters of " + layers + " layers merged");
        }
    }
}
