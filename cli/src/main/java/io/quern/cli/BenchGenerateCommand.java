package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.transformer.CausalLanguageModel;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures prompt processing and decoding, by the conventions of llama-bench. */
@Command(
        name = "generate",
        description = {
            "Measure prompt processing (pp) and decoding (tg, for text generation): greedy, on random tokens.",
            "pp512 is a prompt of 512 tokens, tg128 are 128 tokens after a prompt of --depth; pp512 @ d256 is a prompt"
                    + " behind 256 tokens. Lists are measured in all combinations. More tokens than the context holds"
                    + " are decoded in several windows."
        },
        sortOptions = false)
final class BenchGenerateCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Option(
            names = {"-m", "--model"},
            paramLabel = "MODEL",
            defaultValue = "gpt2",
            description = BenchModels.HELP + " Default: ${DEFAULT-VALUE}.")
    private String model;

    @Option(
            names = {"-p", "--n-prompt"},
            paramLabel = "N[,N]",
            hideParamSyntax = true,
            split = ",",
            defaultValue = "512",
            description = "Lengths of prompts, 0 for none. Default: ${DEFAULT-VALUE}.")
    private List<Integer> prompts;

    @Option(
            names = {"-n", "--n-gen"},
            paramLabel = "N[,N]",
            hideParamSyntax = true,
            split = ",",
            defaultValue = "128",
            description = "Numbers of tokens to decode, 0 for none. Default: ${DEFAULT-VALUE}.")
    private List<Integer> decodes;

    @Option(
            names = {"-d", "--depth"},
            paramLabel = "N[,N]",
            hideParamSyntax = true,
            split = ",",
            defaultValue = "1",
            description = "Tokens in the cache when a test begins; 1 is none for prompts. Default: ${DEFAULT-VALUE}.")
    private List<Integer> depths;

    @Option(
            names = {"--beams"},
            paramLabel = "N[,N]",
            hideParamSyntax = true,
            split = ",",
            defaultValue = "1",
            description = "Beams to decode with; tokens of one sequence are counted. Default: ${DEFAULT-VALUE}.")
    private List<Integer> beams;

    @Option(
            names = {"-r", "--repetitions"},
            paramLabel = "N",
            defaultValue = "5",
            description = "Measurements of each test. Default: ${DEFAULT-VALUE}.")
    private int repetitions;

    @Option(
            names = {"--warm-up"},
            paramLabel = "SECONDS",
            defaultValue = "3",
            description =
                    "How long each test runs before it is measured, and up to four times as long until it is steady."
                            + " Default: ${DEFAULT-VALUE}.")
    private double warmUp;

    @Mixin
    private WeightOptions weightOptions;

    @Mixin
    private DeviceOptions deviceOptions;

    private final Output output;

    BenchGenerateCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() {
        check();
        Device device = deviceOptions.open(output, common.verbose);
        try (CausalLanguageModel loaded = weightOptions.load(
                matrices -> BenchModels.forInference(model, matrices), device, output, common.verbose)) {
            List<GenerateMeter.Test> tests = tests(loaded.contextLength());
            if (tests.isEmpty()) {
                throw new Errors.UsageException("nothing to measure: --n-prompt and --n-gen are both 0");
            }
            if (!common.json) {
                output.println("%-16s %16s %10s %10s %10s %10s %14s %4s"
                        .formatted(
                                "test",
                                "tokens/s",
                                "first ms",
                                "cold ms",
                                "peak MiB",
                                "RSS MiB",
                                "heap B/token",
                                "GCs"));
            }
            GenerateMeter meter = new GenerateMeter(loaded, warmUp, repetitions);
            for (GenerateMeter.Test test : tests) {
                report(test, loaded, meter.run(test));
            }
        }
        return Main.OK;
    }

    private void check() {
        if (repetitions < 1 || depths.stream().anyMatch(n -> n < 1)) {
            throw new Errors.UsageException("--repetitions and --depth must be 1 or more");
        }
        if (!(warmUp >= 0)) {
            throw new Errors.UsageException("--warm-up must be 0 or more");
        }
        if (prompts.stream().anyMatch(n -> n < 0)
                || decodes.stream().anyMatch(n -> n < 0)
                || beams.stream().anyMatch(n -> n < 1)) {
            throw new Errors.UsageException("lengths must be 0 or more, and --beams 1 or more");
        }
    }

    private List<GenerateMeter.Test> tests(int context) {
        List<GenerateMeter.Test> tests = new ArrayList<>();
        for (int depth : depths) {
            String at = depth > 1 ? " @ d" + depth : "";
            for (int p : prompts) {
                if (p > 0) {
                    tests.add(new GenerateMeter.Test("pp" + p + at, depth > 1 ? depth : 0, p, 0, 1));
                }
            }
            for (int n : decodes) {
                for (int b : beams) {
                    if (n > 0) {
                        String name = "tg" + n + at + (b > 1 ? " b" + b : "");
                        tests.add(new GenerateMeter.Test(name, depth, 0, n, b));
                    }
                }
            }
        }
        for (GenerateMeter.Test test : tests) {
            // A prompt needs room for one new token; what is decoded, for that and one more at a time.
            int tokens = test.depth() + test.prompt() + (test.decode() == 0 ? 1 : 2);
            if (tokens > context) {
                throw new Errors.UsageException(
                        test.name() + " takes " + tokens + " tokens of context, but the model has " + context);
            }
        }
        return tests;
    }

    private void report(GenerateMeter.Test test, CausalLanguageModel loaded, GenerateMeter.Result r) {
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("test", test.name());
            line.put("model", model);
            line.put("dtype", dtype(loaded));
            line.put("threads", deviceOptions.threads());
            line.put("impl", loaded.device().backend().description());
            line.put("tok_s", r.rates().mean());
            line.put("tok_s_sd", r.rates().deviation());
            line.put("tok_s_median", r.rates().median());
            line.put("first_token_ms", orNull(r.firstMillis()));
            line.put("cold_first_token_ms", orNull(r.coldMillis()));
            line.put("peak_mib", mib(r.peak()));
            line.put("rss_peak_mib", orNull(r.residentPeakMib()));
            line.put("native_growth_mib", mib(r.reservedGrowth()));
            line.put("rss_growth_mib", orNull(r.residentGrowthMib()));
            line.put("heap_bytes_per_token", Math.round(r.heapBytesPerToken()));
            line.put("gc_count", r.collections());
            output.json(line);
        } else {
            output.println("%-16s %8.1f ± %5.1f %10s %10s %10.0f %10s %14.0f %4d"
                    .formatted(
                            test.name(),
                            r.rates().mean(),
                            r.rates().deviation(),
                            shown(r.firstMillis()),
                            shown(r.coldMillis()),
                            mib(r.peak()),
                            shown(r.residentPeakMib()),
                            r.heapBytesPerToken(),
                            r.collections()));
        }
    }

    private static double mib(long bytes) {
        return bytes / (double) (1 << 20);
    }

    private static Double orNull(OptionalDouble x) {
        return x.isPresent() ? x.getAsDouble() : null;
    }

    private static String shown(OptionalDouble x) {
        return x.isPresent() ? "%.1f".formatted(x.getAsDouble()) : "-";
    }

    /** Of the weight that most bytes are read of, an embedding or output layer. */
    private static String dtype(CausalLanguageModel loaded) {
        return loaded.parameters().values().stream()
                .max(java.util.Comparator.comparingLong(p -> p.shape().size()))
                .orElseThrow()
                .value()
                .dtype()
                .name();
    }
}
