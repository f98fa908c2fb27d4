package io.quern.cli;

import io.quern.tensor.DType;
import io.quern.tensor.file.WeightSource;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.Perplexity;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.text.Tokenizer;
import io.quern.transformer.text.TokenizerException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Writes a model with fewer bits for each weight. */
@Command(
        name = "quantize",
        description = "Write a model with its matrices in fewer bits, as a GGUF file or a folder of safetensors.",
        sortOptions = false)
final class QuantizeCommand implements Callable<Integer> {
    private static final String GGUF = ".gguf";

    @Mixin
    private CommonOptions common;

    @Parameters(
            index = "0",
            arity = "0..1",
            paramLabel = "MODEL",
            description =
                    "A folder in Hugging Face layout, a .gguf file, or org/name in the Hugging Face cache. Default: the"
                            + " embedded model.")
    private String model;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            description = "The same, as other commands name it.")
    private String option;

    @Option(
            names = {"--to"},
            required = true,
            paramLabel = "TYPE",
            description = "q8_0, q4_0, bf16, f16 or f32.")
    private String to;

    @Option(
            names = {"--out"},
            required = true,
            paramLabel = "PATH",
            description = "A file that ends in .gguf, or for bf16, f16 and f32 a folder.")
    private Path out;

    @Option(
            names = {"--force"},
            description = "Replace what is there.")
    private boolean force;

    @Option(
            names = {"--text-file"},
            paramLabel = "FILE",
            description = "Measure the perplexity on this text, in UTF-8, before and after.")
    private Path textFile;

    @Mixin
    private DeviceOptions deviceOptions;

    private final Output output;

    QuantizeCommand(Output output) {
        this.output = output;
    }

    /** A model as it is on disk. */
    private record State(String name, String types, long bytes, Perplexity perplexity) {}

    @Override
    public Integer call() throws IOException {
        if (option != null && model != null) {
            throw new Errors.UsageException("name the model once, by -m or without");
        }
        model = option != null ? option : model;
        DType type = WeightOptions.parse("--to", to);
        if (type == null) {
            throw new Errors.UsageException("--to is f32, bf16, f16, q8_0 or q4_0, not '" + to + "'");
        }
        boolean gguf = out.toString().endsWith(GGUF);
        if (type.isQuantized() && !gguf) {
            throw new Errors.UsageException("--to " + to + " is written as GGUF only: let --out end in " + GGUF);
        }
        refuseToReplace(gguf);
        deviceOptions.open(output, common.verbose);
        ModelDir dir = Models.open(model);
        Tokenizer tokenizer = tokenizer(dir);
        int[] ids = textFile == null ? null : tokenizer.encode(TextInput.file(textFile));
        State before = state(dir, ids);
        try (CausalLanguageModel loaded = dir.load(Purpose.INFERENCE, type)) {
            if (gguf) {
                ModelDir.saveGguf(out, loaded, tokenizer);
            } else {
                ModelDir.save(out, loaded, dir.generationConfig(), type);
                if (tokenizer != null) {
                    tokenizer.save(out);
                }
            }
        }
        print(before, state(ModelDir.open(out), ids));
        return Main.OK;
    }

    private void refuseToReplace(boolean gguf) throws IOException {
        if (Files.isDirectory(out) == gguf && Files.exists(out)) {
            throw new Errors.UsageException(
                    out + " is a " + (gguf ? "folder" : "file") + "; --out must name a " + (gguf ? "file" : "folder"));
        }
        boolean there = Files.exists(out);
        if (there && !gguf) {
            try (Stream<Path> files = Files.list(out)) {
                there = files.findAny().isPresent();
            }
        }
        if (there && !force) {
            throw new Errors.UsageException(out + " is there already; --force replaces it");
        }
    }

    /** A model without a tokenizer can be written, but not measured. */
    private Tokenizer tokenizer(ModelDir dir) {
        try {
            return dir.tokenizer();
        } catch (TokenizerException e) {
            if (textFile != null) {
                throw e;
            }
            output.note("the model is written without a tokenizer: " + e.getMessage());
            return null;
        }
    }

    private static State state(ModelDir dir, int[] ids) {
        long bytes = 0;
        try (WeightSource weights = dir.weights()) {
            for (String name : weights.names()) {
                bytes += weights.get(name).data().byteSize();
            }
        }
        try (CausalLanguageModel loaded = dir.load(Purpose.INFERENCE)) {
            Perplexity p = ids == null ? null : Perplexity.of(loaded, ids, loaded.contextLength());
            return new State(dir.name(), WeightOptions.held(loaded), bytes, p);
        }
    }

    private void print(State before, State after) {
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("model", before.name);
            line.put("out", out.toString());
            line.put("to", to.toLowerCase(Locale.ROOT));
            line.put("bytes_before", before.bytes);
            line.put("bytes_after", after.bytes);
            if (before.perplexity != null) {
                line.put("tokens", before.perplexity.tokens());
                line.put("loss_before", before.perplexity.loss());
                line.put("loss_after", after.perplexity.loss());
                line.put("perplexity_before", before.perplexity.perplexity());
                line.put("perplexity_after", after.perplexity.perplexity());
            }
            output.json(line);
            return;
        }
        output.println("%-7s %10s %12s  %s".formatted("", "MiB", "perplexity", "weights"));
        row("before", before);
        row("after", after);
    }

    private void row(String label, State s) {
        String perplexity = s.perplexity == null ? "-" : "%.4f".formatted(s.perplexity.perplexity());
        output.println("%-7s %10.2f %12s  %s: %s".formatted(label, s.bytes / 1048576.0, perplexity, s.name, s.types));
    }
}
