package io.quern.cli;

import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.tensor.spi.Backend;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.KvCache;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationListener;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.GenerationResult;
import io.quern.transformer.generate.Generator;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;

/**
 * Measures a prompt or decoding by {@link Generator}, on random tokens and without end tokens. The time of decoding runs from
 * the first new token to the last, so that choosing tokens is in it. More tokens than the context holds are generated in
 * several windows, each of which begins again at the depth.
 */
final class GenerateMeter {
    private static final double STABLE = 0.05;
    private static final int LONGEST_WARM_UP = 4;

    /** Tokens that a generation reads at once. */
    private static final int PIECE = 512;

    private final CausalLanguageModel model;
    private final Backend backend;
    private final double warmUpSeconds;
    private final int repetitions;

    /**
     * What is measured.
     *
     * @param depth tokens in the cache before what is measured begins; 0 only for prompts
     * @param prompt tokens of the prompt; 0 where decoding is measured
     * @param decode tokens to decode after the first new one; with 0 the prompt is measured
     * @param beams 1 is greedy decoding
     */
    record Test(String name, int depth, int prompt, int decode, int beams) {}

    /**
     * What came of it.
     *
     * @param rates tokens a second, of the one sequence that beams work on
     * @param firstMillis from the request to the first token; not known of beams, which bring all tokens at the end
     * @param coldMillis that of the very first run, which finds nothing compiled
     * @param heapBytesPerToken allocated on the Java heap for each token that is counted
     * @param peak largest device memory in use, in bytes
     * @param residentPeakMib largest memory of the process
     * @param reservedGrowth device memory obtained from the system while repetitions were counted, in bytes
     * @param residentGrowthMib growth of the process meanwhile
     */
    record Result(
            Samples rates,
            OptionalDouble firstMillis,
            OptionalDouble coldMillis,
            double heapBytesPerToken,
            long collections,
            long peak,
            OptionalDouble residentPeakMib,
            long reservedGrowth,
            OptionalDouble residentGrowthMib) {}

    /** One repetition. The heap bytes and the seconds are those of the counted tokens. */
    private record Pass(double seconds, long heapBytes, OptionalDouble first) {
        Pass plus(Pass next) {
            return new Pass(seconds + next.seconds, heapBytes + next.heapBytes, first);
        }
    }

    /**
     * @param warmUpSeconds how long a test runs before it counts; up to {@value #LONGEST_WARM_UP} times as long where two runs
     *     in a row still differ by more than a twentieth
     */
    GenerateMeter(CausalLanguageModel model, double warmUpSeconds, int repetitions) {
        this.model = model;
        this.backend = model.device().backend();
        this.warmUpSeconds = warmUpSeconds;
        this.repetitions = repetitions;
    }

    Result run(Test test) {
        ProcessMemory.resetPeak();
        backend.resetPeak();
        Pass cold = warmUp(test);
        OptionalDouble resident = ProcessMemory.residentMib();
        long reserved = backend.memory().reserved();
        HeapMeter heap = new HeapMeter();
        Pass[] passes = new Pass[repetitions];
        for (int i = 0; i < repetitions; i++) {
            passes[i] = pass(test);
        }
        int counted = test.decode == 0 ? test.prompt : test.decode;
        return new Result(
                new Samples(each(passes, p -> counted / p.seconds)),
                cold.first.isPresent()
                        ? OptionalDouble.of(new Samples(each(passes, p -> 1000 * p.first.getAsDouble())).median())
                        : OptionalDouble.empty(),
                cold.first.isPresent() ? OptionalDouble.of(1000 * cold.first.getAsDouble()) : OptionalDouble.empty(),
                Arrays.stream(passes).mapToLong(Pass::heapBytes).sum() / ((double) counted * repetitions),
                heap.collections(),
                backend.memory().peak(),
                ProcessMemory.peakMib(),
                backend.memory().reserved() - reserved,
                resident.isPresent()
                        ? OptionalDouble.of(ProcessMemory.residentMib().orElseThrow() - resident.getAsDouble())
                        : OptionalDouble.empty());
    }

    private static double[] each(Pass[] passes, ToDoubleFunction<Pass> value) {
        return Arrays.stream(passes).mapToDouble(value).toArray();
    }

    /** Gives the first run. */
    private Pass warmUp(Test test) {
        long start = System.nanoTime();
        Pass cold = pass(test);
        double last = cold.seconds;
        boolean stable = false;
        while (true) {
            double spent = (System.nanoTime() - start) / 1e9;
            if (spent >= warmUpSeconds && (stable || spent >= LONGEST_WARM_UP * warmUpSeconds)) {
                return cold;
            }
            double now = pass(test).seconds;
            stable = Math.abs(now - last) < STABLE * last;
            last = now;
        }
    }

    private Pass pass(Test test) {
        if (test.decode == 0) {
            return test.depth == 0 ? generate(test.prompt, 0, 1) : prompt(test.depth, test.prompt);
        }
        int window = model.contextLength() - test.depth - 1; // the generator lets the last token be in the context too
        Pass sum = null;
        for (int left = test.decode; left > 0; left -= window) {
            Pass one = generate(test.depth, Math.min(left, window), test.beams);
            sum = sum == null ? one : sum.plus(one);
        }
        return sum;
    }

    /** A prompt after {@code depth} tokens that are in the cache already, in the pieces in which a generation reads it. */
    private Pass prompt(int depth, int length) {
        int[] ids = tokens(depth + length);
        try (KvCache cache = model.newCache(1)) {
            cache.reserve(ids.length);
            read(cache, ids, 0, depth);
            HeapMeter heap = new HeapMeter();
            long start = System.nanoTime();
            read(cache, ids, depth, ids.length);
            double seconds = (System.nanoTime() - start) / 1e9;
            return new Pass(seconds, heap.bytes(), OptionalDouble.of(seconds));
        }
    }

    private void read(KvCache cache, int[] ids, int from, int to) {
        for (int at = from; at < to; at += PIECE) {
            int[] some = Arrays.copyOfRange(ids, at, Math.min(to, at + PIECE));
            Scope.run(() ->
                    model.lastLogits(Tensor.of(some, 1, some.length), cache).toFloats().length);
        }
    }

    /** Generates the prompt's token and {@code decode} more. */
    private Pass generate(int prompt, int decode, int beams) {
        GenerationConfig config = GenerationConfig.builder()
                .maxNewTokens(decode + 1)
                .numBeams(beams)
                .eosTokenIds(List.of())
                .build();
        Clock clock = new Clock();
        HeapMeter heap = new HeapMeter();
        long start = System.nanoTime();
        GenerationResult result = new Generator(model, null)
                .generate(GenerationRequest.of(tokens(prompt), config).withListener(clock));
        long end = System.nanoTime();
        if (result.first().tokens().length != decode + 1) {
            throw new IllegalStateException("expected " + (decode + 1) + " new tokens, found "
                    + result.first().tokens().length);
        }
        double prefill = result.timings().prefillSeconds();
        if (beams > 1) {
            return new Pass((end - start) / 1e9 - prefill, heap.bytes(), OptionalDouble.empty());
        }
        OptionalDouble first = OptionalDouble.of((clock.first - start) / 1e9);
        return decode == 0
                ? new Pass(prefill, heap.bytes(), first)
                : new Pass((clock.last - clock.first) / 1e9, clock.heap.bytes(), first);
    }

    /** When the first and the last token came, and what was allocated since the first. */
    private static final class Clock implements GenerationListener {
        private HeapMeter heap;
        private long first;
        private long last;

        @Override
        public void onToken(int sequence, int token) {
            if (heap == null) {
                heap = new HeapMeter();
                first = System.nanoTime();
            }
            last = System.nanoTime();
        }
    }

    private int[] tokens(int count) {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++) {
            ids[i] = (int) Long.remainderUnsigned(Rng.bits(1, 2, i), model.vocabSize());
        }
        return ids;
    }
}
