package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.generate.Explanation;
import io.quern.transformer.generate.GeneratedSequence;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationListener;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.GenerationResult;
import io.quern.transformer.generate.Generator;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.text.Tokenizer;
import io.quern.transformer.text.TokenizerException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Continues a text. */
@Command(name = "generate", description = "Continue a text. Without -m, the embedded model does.", sortOptions = false)
final class GenerateCommand implements Callable<Integer> {
    private static final int EXPLAINED = 5;
    private static final String FIRST_TOKEN = "first token";

    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelOption model;

    @Mixin
    private AdapterOption adapter;

    @Mixin
    private PromptOptions prompt;

    @Mixin
    private GenerationOptions options;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private WeightOptions weightOptions;

    @Option(
            names = {"--no-stream"},
            description = "Print the text when it is complete.")
    private boolean noStream;

    @Option(
            names = {"--echo"},
            description = "Print the prompt before the text.")
    private boolean echo;

    @Option(
            names = {"--explain"},
            description =
                    "Say on stderr for each token what else could have come, and what each filter removed; the text"
                            + " comes when it is complete.")
    private boolean explain;

    private final Output output;

    GenerateCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        long start = System.nanoTime();
        StartUp.mark("command line");
        ModelDir dir = adapter.open(model);
        String text = prompt.text(output);
        // In a new process a large vocabulary takes as long as everything else.
        Background<Tokenizer> reading = Background.start("tokenizer", () -> tokenizer(dir, text));
        Device device = deviceOptions.open(output, common.verbose);
        StartUp.mark("device");
        GenerationConfig config = options.config(dir);
        if (common.verbose) {
            dir.generationJson()
                    .map(GenerationConfig::unsupported)
                    .filter(list -> !list.isEmpty())
                    .ifPresent(list -> output.note("generation_config.json: not supported and ignored: " + list));
            output.note("decoding: " + config);
        }
        try (CausalLanguageModel loaded = weightOptions.load(adapter.loader(dir), device, output, common.verbose)) {
            StartUp.mark("weights");
            Tokenizer tokenizer = reading.get();
            int[] ids = prompt.ids(text, tokenizer);
            double loadMillis = (System.nanoTime() - start) / 1e6;
            if (echo && text != null && !common.json) {
                output.print(text);
            }
            return generate(new Generator(loaded, tokenizer), ids, config, tokenizer, loadMillis);
        }
    }

    private int generate(
            Generator generator, int[] ids, GenerationConfig config, Tokenizer tokenizer, double loadMillis) {
        AtomicBoolean cancelled = new AtomicBoolean();
        boolean streams = !common.json && !noStream && !explain && config.numReturnSequences() == 1;
        Printer printer = new Printer(tokenizer, streams);
        try (Interrupt _ = Interrupt.install(() -> cancelled.set(true))) {
            GenerationResult result = generator.generate(
                    GenerationRequest.of(ids, config).withListener(printer).withCancellation(cancelled::get));
            print(result, printer, loadMillis, tokenizer);
        }
        return cancelled.get() ? Main.INTERRUPTED : Main.OK;
    }

    /** A model without a tokenizer can still continue ids. */
    private Tokenizer tokenizer(ModelDir dir, String text) {
        try {
            Tokenizer tokenizer = dir.tokenizer();
            StartUp.mark("tokenizer");
            return tokenizer;
        } catch (TokenizerException e) {
            if (text != null) {
                throw e.getMessage().contains("no tokenizer here")
                        ? new TokenizerException(e.getMessage() + "; without one, give --prompt-tokens", e)
                        : e;
            }
            if (common.verbose) {
                output.note("no tokenizer, so there is no text: " + e.getMessage());
            }
            return null;
        }
    }

    /** Shows text as it comes, and explanations. */
    private final class Printer implements GenerationListener {
        private final Tokenizer tokenizer;
        private final boolean streams;
        private boolean streamed;
        private boolean first;

        Printer(Tokenizer tokenizer, boolean streams) {
            this.tokenizer = tokenizer;
            this.streams = streams;
        }

        @Override
        public void onToken(int sequence, int token) {
            if (!first) {
                first = true;
                StartUp.mark(FIRST_TOKEN);
            }
        }

        @Override
        public void onText(int sequence, String piece) {
            if (streams) {
                output.print(piece);
                streamed = true;
            }
        }

        @Override
        public int explainedCandidates() {
            return explain ? EXPLAINED : 0;
        }

        @Override
        public void onExplanation(Explanation e) {
            StringBuilder line = new StringBuilder("%4d  %-12s  entropy %.2f bits, %.2f after the filters;"
                    .formatted(e.position(), shown(e.token()), e.entropy(), e.finalEntropy()));
            for (Explanation.Candidate c : e.candidates()) {
                line.append("  %s %.1f%%>%.1f%%"
                        .formatted(shown(c.token()), 100 * c.probability(), 100 * c.finalProbability()));
            }
            for (Explanation.Effect f : e.effects()) {
                line.append(
                        "; %s removed %d (%.1f%%)".formatted(f.processor(), f.removed(), 100 * f.removedProbability()));
            }
            output.note(line.toString());
        }

        private String shown(int token) {
            return tokenizer == null
                    ? Integer.toString(token)
                    : '"' + tokenizer.decode(token).replace("\n", "\\n") + '"';
        }
    }

    private void print(GenerationResult result, Printer printer, double loadMillis, Tokenizer tokenizer) {
        for (GeneratedSequence s : result.sequences()) {
            if (common.json) {
                output.json(json(s, result, loadMillis));
            } else if (printer.streamed) {
                output.print("\n");
            } else {
                output.println(tokenizer == null ? TokenIds.join(s.tokens()) : s.text());
            }
        }
        if (common.verbose) {
            output.note(StartUp.text());
            GenerationResult.Timings t = result.timings();
            output.note("load %.0f ms; prompt %d tokens, %.1f tokens/s; new %d tokens, %.1f tokens/s; finish: %s"
                    .formatted(
                            loadMillis,
                            t.prefillTokens(),
                            t.prefillTokensPerSecond(),
                            result.first().tokens().length,
                            t.decodeTokensPerSecond(),
                            result.first().finishReason().label()));
        }
    }

    private static Map<String, Object> json(GeneratedSequence s, GenerationResult result, double loadMillis) {
        Map<String, Object> timings = new LinkedHashMap<>();
        timings.put("load_ms", round(loadMillis));
        timings.put("prefill_tok_s", round(result.timings().prefillTokensPerSecond()));
        timings.put("first_token_ms", StartUp.millis(FIRST_TOKEN));
        timings.put("decode_tok_s", round(result.timings().decodeTokensPerSecond()));
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("text", s.text());
        List<Integer> tokens = new ArrayList<>();
        for (int id : s.tokens()) {
            tokens.add(id);
        }
        line.put("tokens", tokens);
        line.put("score", s.score().isPresent() ? s.score().getAsDouble() : null);
        line.put("finish_reason", s.finishReason().label());
        line.put("prompt_tokens", result.promptTokens());
        line.put("timings", timings);
        return line;
    }

    private static double round(double x) {
        return Math.round(x * 10) / 10.0;
    }
}
