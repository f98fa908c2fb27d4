package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.hub.AdapterDir;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import java.nio.file.Path;
import java.util.function.Function;
import picocli.CommandLine.Option;

/** An adapter on top of the model. */
final class AdapterOption {
    @Option(
            names = {"--adapter"},
            paramLabel = "DIR",
            description =
                    "LoRA adapter in PEFT's layout, for the model of -m. Without -m, for the model that it names.")
    private Path adapter;

    /** The model: the one that the user names, or else the adapter. */
    ModelDir open(ModelOption model) {
        return adapter != null && model.name() == null ? Models.open(LoraOptions.baseOf(adapter)) : model.open();
    }

    /** Loads that model for inference, with its matrices in a dtype, and attaches the adapter. */
    Function<DType, CausalLanguageModel> loader(ModelDir dir) {
        return wanted -> {
            CausalLanguageModel model = dir.load(Purpose.INFERENCE, wanted);
            if (adapter != null) {
                try {
                    AdapterDir.open(adapter).attach(model);
                } catch (RuntimeException | Error e) {
                    model.close();
                    throw e;
                }
            }
            return model;
        };
    }
}
