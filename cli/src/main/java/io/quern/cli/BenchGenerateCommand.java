package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.Rng;
import io.quern.tensor.spi.Backend;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.GenerationResult;
import io.quern.transformer.generate.Generator;
import io.quern.transformer.hub.Purpose;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Measures prompt processing and decoding, by the conventions of llama-bench. */
@Command(
        name = "generate",
        description = {
            "Measure prompt processing (pp) and decoding (tg, for text generation): greedy, on random tokens.",
            "pp512 is a prompt of 512 tokens, tg128 are 128 tokens after a prompt of --depth."
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
            split = ",",
            defaultValue = "512",
            description = "Lengths of prompts, 0 for none. Default: ${DEFAULT-VALUE}.")
    private List<Integer> prompts;

    @Option(
            names = {"-n", "--n-gen"},
            paramLabel = "N[,N]",
            split = ",",
            defaultValue = "128",
            description = "Numbers of tokens to decode, 0 for none. Default: ${DEFAULT-VALUE}.")
    private List<Integer> decodes;

    @Option(
            names = {"-d", "--depth"},
            paramLabel = "N",
            defaultValue = "1",
            description = "Tokens in the cache when decoding begins. Default: ${DEFAULT-VALUE}.")
    private int depth;

    @Option(
            names = {"--beams"},
            paramLabel = "N[,N]",
            split = ",",
            defaultValue = "1",
            description = "Beams to decode with; tokens of one sequence are counted. Default: ${DEFAULT-VALUE}.")
    private List<Integer> beams;

    @Option(
            names = {"-r", "--repetitions"},
            paramLabel = "N",
            defaultValue = "5",
            description = "Measurements of each test, after one to warm up. Default: ${DEFAULT-VALUE}.")
    private int repetitions;

    @Mixin
    private DeviceOptions deviceOptions;

    private final Output output;

    BenchGenerateCommand(Output output) {
        this.output = output;
    }

    /** One row: a prompt, and so many tokens after it. */
    private record Test(String name, int prompt, int decode, int beams) {}

    @Override
    public Integer call() {
        check();
        Device device = deviceOptions.open(output, common.verbose);
        try (CausalLanguageModel loaded = BenchModels.open(model, Purpose.INFERENCE)) {
            loaded.moveTo(device);
            List<Test> tests = tests(loaded.contextLength());
            if (!common.json) {
                output.println("%-16s %16s %12s %10s %14s %4s"
                        .formatted("test", "tokens/s", "first ms", "peak MiB", "heap B/token", "GCs"));
            }
            for (Test test : tests) {
                run(loaded, test);
            }
        }
        return Main.OK;
    }

    private void check() {
        if (repetitions < 1 || depth < 1) {
            throw new Errors.UsageException("--repetitions and --depth must be 1 or more");
        }
        if (prompts.stream().anyMatch(n -> n < 0)
                || decodes.stream().anyMatch(n -> n < 0)
                || beams.stream().anyMatch(n -> n < 1)) {
            throw new Errors.UsageException("lengths must be 0 or more, and --beams 1 or more");
        }
    }

    private List<Test> tests(int context) {
        List<Test> tests = new ArrayList<>();
        for (int p : prompts) {
            if (p > 0) {
                tests.add(new Test("pp" + p, p, 1, 1));
            }
        }
        for (int n : decodes) {
            for (int b : beams) {
                if (n > 0) {
                    String name = "tg" + n + (depth > 1 ? " @ d" + depth : "") + (b > 1 ? " b" + b : "");
                    tests.add(new Test(name, depth, n + 1, b));
                }
            }
        }
        for (Test test : tests) {
            int tokens = test.prompt + test.decode - 1;
            if (tokens > context) {
                throw new Errors.UsageException(
                        test.name + " takes " + tokens + " tokens of context, but the model has " + context);
            }
        }
        return tests;
    }

    private void run(CausalLanguageModel loaded, Test test) {
        Generator generator = new Generator(loaded, null);
        int[] ids = new int[test.prompt];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = (int) Long.remainderUnsigned(Rng.bits(1, 2, i), loaded.vocabSize());
        }
        GenerationConfig config = GenerationConfig.builder()
                .maxNewTokens(test.decode)
                .minNewTokens(test.decode)
                .numBeams(test.beams)
                .build();
        GenerationRequest request = GenerationRequest.of(ids, config);
        generator.generate(request);
        Backend backend = loaded.device().backend();
        backend.resetPeak();
        HeapMeter heap = new HeapMeter();
        double[] rates = new double[repetitions];
        double[] first = new double[repetitions];
        for (int i = 0; i < repetitions; i++) {
            GenerationResult.Timings t = generator.generate(request).timings();
            rates[i] = test.decode == 1 ? t.prefillTokensPerSecond() : t.decodeTokensPerSecond();
            first[i] = 1000 * t.prefillSeconds();
        }
        long tokens = (long) repetitions * (test.decode == 1 ? test.prompt : test.prompt + test.decode);
        report(
                test,
                loaded,
                new Samples(rates),
                new Samples(first),
                backend.memory().peak(),
                heap,
                tokens);
    }

    private void report(
            Test test,
            CausalLanguageModel loaded,
            Samples rates,
            Samples first,
            long peak,
            HeapMeter heap,
            long tokens) {
        long heapBytes = heap.bytes() / tokens;
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("test", test.name);
            line.put("model", model);
            line.put("dtype", dtype(loaded));
            line.put("threads", deviceOptions.threads());
            line.put("tok_s", rates.mean());
            line.put("tok_s_sd", rates.deviation());
            line.put("tok_s_median", rates.median());
            line.put("first_token_ms", first.median());
            line.put("peak_mib", peak / (double) (1 << 20));
            line.put("heap_bytes_per_token", heapBytes);
            line.put("gc_count", heap.collections());
            output.json(line);
        } else {
            output.println("%-16s %8.1f ± %5.1f %12.1f %10.0f %14d %4d"
                    .formatted(
                            test.name,
                            rates.mean(),
                            rates.deviation(),
                            first.median(),
                            peak / (double) (1 << 20),
                            heapBytes,
                            heap.collections()));
        }
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
