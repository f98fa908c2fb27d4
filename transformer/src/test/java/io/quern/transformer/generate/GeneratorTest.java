package io.quern.transformer.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.nn.Param;
import io.quern.tensor.TensorException;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.LeakChecked;
import io.quern.transformer.TestModels;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class GeneratorTest extends LeakChecked {
    private static final int CONTEXT = 128;

    private CausalLanguageModel model;
    private Tokenizer tokenizer;
    private Generator generator;
    private int[] prompt;

    @BeforeEach
    void load() {
        model = TestModels.gpt2Tiny();
        tokenizer = Tokenizer.load(TestModels.folder("gpt2-tiny"));
        generator = new Generator(model, tokenizer);
        prompt = tokenizer.encode("ROMEO:\n");
    }

    @AfterEach
    void close() {
        model.close();
    }

    private static GenerationConfig.Builder sampling(long seed) {
        return GenerationConfig.builder()
                .maxNewTokens(20)
                .doSample(true)
                .topK(0)
                .temperature(0.9)
                .seed(seed);
    }

    private GenerationResult run(GenerationConfig config) {
        return generator.generate(GenerationRequest.of(prompt, config));
    }

    /** Records what a listener is told. */
    private static final class Recorder implements GenerationListener {
        private final List<StringBuilder> texts = new ArrayList<>();
        private final List<List<Integer>> tokens = new ArrayList<>();
        private final List<FinishReason> ends = new ArrayList<>();
        private final List<String> pieces = new ArrayList<>();

        Recorder(int sequences) {
            for (int i = 0; i < sequences; i++) {
                texts.add(new StringBuilder());
                tokens.add(new ArrayList<>());
                ends.add(null);
            }
        }

        @Override
        public void onToken(int sequence, int token) {
            tokens.get(sequence).add(token);
        }

        @Override
        public void onText(int sequence, String piece) {
            assertFalse(piece.isEmpty());
            texts.get(sequence).append(piece);
            pieces.add(piece);
        }

        @Override
        public void onFinish(int sequence, FinishReason reason) {
            assertNull(ends.set(sequence, reason), "finished once");
        }

        void assertMatches(GenerationResult result) {
            for (int i = 0; i < result.sequences().size(); i++) {
                GeneratedSequence s = result.sequences().get(i);
                assertEquals(s.text(), texts.get(i).toString());
                assertEquals(Arrays.stream(s.tokens()).boxed().toList(), tokens.get(i));
                assertEquals(s.finishReason(), ends.get(i));
            }
        }
    }

    // ---- sampling

    @Test
    void theSameSeedGivesTheSameTextAndAnotherSeedAnother() {
        String text = run(sampling(1).build()).first().text();
        assertEquals(text, run(sampling(1).build()).first().text());
        assertNotEquals(text, run(sampling(2).build()).first().text());
    }

    @Test
    void sequencesOfABatchAreThoseThatTheyAreAlone() {
        GenerationConfig.Builder config = sampling(5).eosTokenIds(likely());
        List<GeneratedSequence> five = run(config.numReturnSequences(5).build()).sequences();
        List<GeneratedSequence> two = run(config.numReturnSequences(2).build()).sequences();
        Set<List<Integer>> distinct = new HashSet<>();
        for (GeneratedSequence s : five) {
            distinct.add(Arrays.stream(s.tokens()).boxed().toList());
        }
        assertEquals(5, distinct.size());
        assertArrayEquals(five.get(0).tokens(), two.get(0).tokens());
        assertArrayEquals(five.get(1).tokens(), two.get(1).tokens());
        // Sequences that end early leave the batch while others go on.
        assertTrue(five.stream().map(s -> s.tokens().length).distinct().count() > 1);
    }

    /** Tokens that end some sequences early. */
    private List<Integer> likely() {
        int[] tokens = run(sampling(5).build()).first().tokens();
        return List.of(tokens[7], tokens[11]);
    }

    @Test
    void tokensAreDrawnInProportionToTheirProbabilities() {
        float[] scores = {0, Float.NEGATIVE_INFINITY, (float) Math.log(2), (float) Math.log(7)};
        int[] counts = new int[4];
        Sampler sampler = new Sampler();
        io.quern.tensor.Rng rng = new io.quern.tensor.Rng(3);
        int n = 20_000;
        for (int i = 0; i < n; i++) {
            counts[sampler.draw(scores, rng)]++;
        }
        double[] expected = {0.1, 0, 0.2, 0.7};
        for (int i = 0; i < 4; i++) {
            // five standard deviations of a binomial count
            double deviation = Math.sqrt(expected[i] * (1 - expected[i]) / n);
            assertEquals(expected[i], counts[i] / (double) n, 5 * deviation + 1e-12);
        }
        assertEquals(-1, sampler.draw(new float[] {Float.NEGATIVE_INFINITY}, rng));
    }

    @Test
    void samplingKeepsToWhatTheFiltersLeave() {
        int greedy =
                run(GenerationConfig.builder().maxNewTokens(20).build()).first().tokens()[0];
        for (GenerationConfig.Builder one : List.of(
                sampling(9).topK(1),
                sampling(9).topP(1e-6),
                sampling(9).minP(1),
                sampling(9).temperature(1e-3))) {
            assertEquals(greedy, run(one.build()).first().tokens()[0]);
        }
    }

    // ---- ends

    @Test
    void anyOfSeveralEndTokensEndsASequence() {
        int[] free =
                run(GenerationConfig.builder().maxNewTokens(12).build()).first().tokens();
        IntPredicate fresh = i -> IntStream.range(0, i).noneMatch(j -> free[j] == free[i]);
        int at = IntStream.range(2, 12).filter(fresh).findFirst().orElseThrow();
        int unused = IntStream.range(0, 512)
                .filter(t -> Arrays.stream(free).noneMatch(f -> f == t))
                .findFirst()
                .orElseThrow();
        GeneratedSequence s = run(GenerationConfig.builder()
                        .maxNewTokens(12)
                        .eosTokenIds(List.of(unused, free[at]))
                        .build())
                .first();
        assertArrayEquals(Arrays.copyOf(free, at + 1), s.tokens());
        assertEquals(FinishReason.EOS, s.finishReason());
        assertEquals(tokenizer.decode(Arrays.copyOf(free, at)), s.text(), "the end token is no text");
    }

    @Test
    void theContextEndsASequence() {
        int[] long120 = new int[120];
        Arrays.fill(long120, 5);
        for (int beams : new int[] {1, 3}) {
            GenerationResult r = generator.generate(GenerationRequest.of(
                    long120,
                    GenerationConfig.builder().maxNewTokens(50).numBeams(beams).build()));
            assertEquals(CONTEXT - 120, r.first().tokens().length);
            assertEquals(FinishReason.LENGTH, r.first().finishReason());
            assertEquals(120, r.promptTokens());
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void aStopStringEndsTheTextBeforeIt(int beams) {
        GenerationConfig.Builder config =
                GenerationConfig.builder().maxNewTokens(30).numBeams(beams);
        GeneratedSequence free = run(config.build()).first();
        String text = free.text();
        // a string that begins inside a token and spans others
        String stop = text.substring(9, 16);
        int at = text.indexOf(stop);
        Recorder recorder = new Recorder(1);
        GenerationResult result = generator.generate(GenerationRequest.of(
                        prompt,
                        config.stopStrings(List.of("not in the text", stop)).build())
                .withListener(recorder));
        GeneratedSequence s = result.first();
        recorder.assertMatches(result);
        assertEquals(FinishReason.STOP, s.finishReason());
        if (beams == 1) {
            assertEquals(text.substring(0, at), s.text());
            assertArrayEquals(Arrays.copyOf(free.tokens(), s.tokens().length), s.tokens());
        }
        assertFalse(s.text().contains(stop));
        assertTrue(tokenizer.decode(s.tokens()).contains(stop), "the tokens have all of it");
    }

    @Test
    void whatMayBeginAStopStringIsHeldBackUntilDecided() {
        TextStream stream = new TextStream(tokenizer, List.of("abcd", "bx"));
        List<String> pieces = new ArrayList<>();
        for (String s : "zabcababcd".split("")) {
            pieces.add(stream.push(tokenizer.encode(s)[0]));
        }
        assertEquals(List.of("z", "", "", "", "abc", "", "ab", "", "", ""), pieces);
        assertTrue(stream.isStopped());
        assertEquals("", stream.end());
        assertEquals("zabcab", stream.text());

        stream = new TextStream(tokenizer, List.of("abcd"));
        for (String s : "zabc".split("")) {
            stream.push(tokenizer.encode(s)[0]);
        }
        assertEquals("z", stream.text());
        assertEquals("abc", stream.end());
        assertFalse(stream.isStopped());
    }

    @Test
    void stopStringsAreFoundAcrossTokensOfBeams() {
        int[] ids = tokenizer.encode("First Citizen");
        TokenSequence tokens = new TokenSequence(new int[] {1, 2}, 20);
        StopStrings stops = new StopStrings(tokenizer, List.of("t Cit", "zen"));
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            String before = text.toString();
            text.append(tokenizer.decode(id));
            boolean expected = List.of("t Cit", "zen").stream()
                    .anyMatch(s -> text.indexOf(s) >= 0 && text.indexOf(s) + s.length() > before.length());
            assertEquals(expected, stops.completedBy(tokens, id), text.toString());
            tokens.add(id);
        }
    }

    // ---- streaming

    @ParameterizedTest
    @CsvSource({"greedy", "sample", "beam"})
    void piecesJoinToTheTextAndTokensToTheTokens(String mode) {
        GenerationConfig config = switch (mode) {
            case "greedy" -> GenerationConfig.builder().maxNewTokens(30).build();
            case "sample" -> sampling(4).numReturnSequences(3).build();
            default ->
                GenerationConfig.builder()
                        .maxNewTokens(10)
                        .numBeams(4)
                        .numReturnSequences(3)
                        .build();
        };
        Recorder recorder = new Recorder(3);
        GenerationResult result =
                generator.generate(GenerationRequest.of(prompt, config).withListener(recorder));
        recorder.assertMatches(result);
        if (mode.equals("greedy")) {
            assertTrue(recorder.pieces.size() > 10, "text comes as it is generated");
        }
    }

    @Test
    void anExceptionOfTheListenerReachesTheCallerAndFreesEverything() {
        GenerationListener broken = new GenerationListener() {
            @Override
            public void onToken(int sequence, int token) {
                throw new IllegalStateException("full");
            }
        };
        GenerationRequest request =
                GenerationRequest.of(prompt, GenerationConfig.greedy()).withListener(broken);
        assertThrows(IllegalStateException.class, () -> generator.generate(request));
    }

    // ---- cancellation

    @ParameterizedTest
    @ValueSource(ints = {1, 3})
    void cancellingGivesWhatThereIs(int beams) {
        int[] asked = {0};
        GenerationConfig config =
                GenerationConfig.builder().maxNewTokens(50).numBeams(beams).build();
        GenerationResult r =
                generator.generate(GenerationRequest.of(prompt, config).withCancellation(() -> ++asked[0] > 6));
        assertEquals(FinishReason.CANCELLED, r.first().finishReason());
        assertEquals(6, r.first().tokens().length);
        GenerationResult none =
                generator.generate(GenerationRequest.of(prompt, config).withCancellation(() -> true));
        assertEquals(0, none.first().tokens().length);
        assertEquals("", none.first().text());
        assertEquals(FinishReason.CANCELLED, none.first().finishReason());
    }

    @Test
    void anInterruptCancelsAndStaysSet() {
        Thread.currentThread().interrupt();
        try {
            GenerationResult r = run(GenerationConfig.greedy());
            assertEquals(FinishReason.CANCELLED, r.first().finishReason());
            assertTrue(Thread.currentThread().isInterrupted());
        } finally {
            assertTrue(Thread.interrupted());
        }
    }

    // ---- the prompt

    @Test
    void anEmptyPromptIsTheBeginToken() {
        GenerationConfig config =
                GenerationConfig.builder().maxNewTokens(5).bosTokenId(0).build();
        GenerationResult empty = generator.generate(GenerationRequest.of(new int[0], config));
        GenerationResult begin = generator.generate(GenerationRequest.of(new int[] {0}, config));
        assertArrayEquals(begin.first().tokens(), empty.first().tokens());
        assertMessage(
                () -> generator.generate(GenerationRequest.of(new int[0], GenerationConfig.greedy())),
                "the prompt is empty");
    }

    @Test
    void promptsThatDoNotFitAreErrors() {
        GenerationConfig config = GenerationConfig.greedy();
        assertMessage(
                () -> generator.generate(GenerationRequest.of(new int[129], config)),
                "the prompt has 129 tokens, but the model's context is 128");
        assertMessage(
                () -> generator.generate(GenerationRequest.of(new int[128], config)), "fills the model's context");
        assertMessage(
                () -> generator.generate(GenerationRequest.of(new int[] {1, 512}, config)),
                "token 512 at position 1 of the prompt is outside the model's vocabulary of 512");
        assertMessage(() -> generator.generate(GenerationRequest.of(new int[] {-1}, config)), "token -1 at position 0");
        assertMessage(() -> run(GenerationConfig.builder().maxLength(3).build()), "max_length 3 leaves no room");
    }

    @Test
    void withoutATokenizerThereAreTokensAndNoText() {
        Generator bare = new Generator(model, null);
        GeneratedSequence s = bare.generate(GenerationRequest.of(prompt, GenerationConfig.greedy()))
                .first();
        assertArrayEquals(run(GenerationConfig.greedy()).first().tokens(), s.tokens());
        assertNull(s.text());
        assertThrows(
                IllegalArgumentException.class,
                () -> bare.generate(GenerationRequest.of(
                        prompt,
                        GenerationConfig.builder().stopStrings(List.of("x")).build())));
    }

    // ---- processors and explanations

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void aCustomProcessorRules(int beams) {
        LogitsProcessor evenOnly = new LogitsProcessor() {
            @Override
            public String name() {
                return "even";
            }

            @Override
            public void process(float[] scores, TokenSequence tokens) {
                for (int i = 1; i < scores.length; i += 2) {
                    scores[i] = Float.NEGATIVE_INFINITY;
                }
            }
        };
        GenerationConfig config =
                GenerationConfig.builder().maxNewTokens(10).numBeams(beams).build();
        int[] tokens = generator
                .generate(GenerationRequest.of(prompt, config).withProcessors(List.of(evenOnly)))
                .first()
                .tokens();
        assertEquals(10, tokens.length);
        assertTrue(Arrays.stream(tokens).allMatch(t -> t % 2 == 0));
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2})
    void banningEveryTokenIsAnError(int beams) {
        LogitsProcessor none = new LogitsProcessor() {
            @Override
            public String name() {
                return "ban_all";
            }

            @Override
            public void process(float[] scores, TokenSequence tokens) {
                Arrays.fill(scores, Float.NEGATIVE_INFINITY);
            }
        };
        GenerationConfig config = GenerationConfig.builder().numBeams(beams).build();
        assertMessage(
                () -> generator.generate(GenerationRequest.of(prompt, config).withProcessors(List.of(none))),
                "no token is left to choose after ban_all at new token 1");
    }

    @Test
    void weightsThatAreNotNumbersAreAnError() {
        try (CausalLanguageModel broken =
                ModelDir.open(TestModels.folder("gpt2-tiny")).load(Purpose.TRAINING)) {
            Param bias = broken.parameters().get("transformer.ln_f.bias");
            bias.value().fill(Double.NaN);
            assertMessage(
                    () -> new Generator(broken, null).generate(GenerationRequest.of(prompt, GenerationConfig.greedy())),
                    "not numbers (NaN)");
        }
    }

    @Test
    void anExplanationAccountsForTheWholeDistribution() {
        List<Explanation> all = new ArrayList<>();
        GenerationListener listener = new GenerationListener() {
            @Override
            public int explainedCandidates() {
                return 5;
            }

            @Override
            public void onExplanation(Explanation e) {
                all.add(e);
            }
        };
        GenerationConfig config = sampling(3)
                .maxNewTokens(4)
                .topK(20)
                .repetitionPenalty(1.2)
                .topP(0.9)
                .build();
        GenerationResult result =
                generator.generate(GenerationRequest.of(prompt, config).withListener(listener));
        assertArrayEquals(run(config).first().tokens(), result.first().tokens(), "explaining changes nothing");
        assertEquals(4, all.size());
        for (int i = 0; i < 4; i++) {
            Explanation e = all.get(i);
            assertEquals(i, e.position());
            assertEquals(result.first().tokens()[i], e.token());
            assertEquals(
                    List.of("repetition_penalty", "temperature", "top_k", "top_p"),
                    e.effects().stream().map(Explanation.Effect::processor).toList());
            assertEquals(0, e.effects().get(0).removed());
            assertEquals(
                    Arrays.stream(prompt).distinct().count()
                            + distinctNew(result.first().tokens(), i),
                    e.effects().get(0).changed());
            assertEquals(512 - 20, e.effects().get(2).removed());
            assertTrue(e.effects().get(2).removedProbability() > 0);
            assertTrue(e.finalEntropy() < e.entropy() && e.entropy() < 9, "at most log2(512) bits");
            assertTrue(e.candidates().size() == 5 || e.candidates().size() == 6);
            Explanation.Candidate chosen = e.candidates().stream()
                    .filter(c -> c.token() == e.token())
                    .findFirst()
                    .orElseThrow();
            assertTrue(chosen.finalProbability() > 0);
            for (int k = 1; k < 5; k++) {
                assertTrue(e.candidates().get(k - 1).probability()
                        >= e.candidates().get(k).probability());
            }
        }
    }

    /** How many of the first n tokens differ from each other and from the prompt's. */
    private long distinctNew(int[] tokens, int n) {
        return Arrays.stream(tokens, 0, n)
                .distinct()
                .filter(t -> Arrays.stream(prompt).noneMatch(p -> p == t))
                .count();
    }

    // ---- beam search beyond the golden cases

    @Test
    void moreBeamsThanTokensFindWhatThereIs() {
        try (CausalLanguageModel small = TestModels.small(2)) {
            GenerationConfig config = GenerationConfig.builder()
                    .maxNewTokens(3)
                    .numBeams(64)
                    .numReturnSequences(64)
                    .build();
            List<GeneratedSequence> all = new Generator(small, null)
                    .generate(GenerationRequest.of(new int[] {1}, config))
                    .sequences();
            assertEquals(64, all.size());
            for (int i = 1; i < all.size(); i++) {
                assertTrue(all.get(i - 1).score().getAsDouble()
                        >= all.get(i).score().getAsDouble());
            }
        }
    }

    @Test
    void aSearchOfAllSequencesFindsTheBest() {
        // 40 beams of 40 tokens: nothing is pruned in two steps, so the sums are those of all 1600 continuations.
        try (CausalLanguageModel small = TestModels.small(2)) {
            GenerationConfig config =
                    GenerationConfig.builder().maxNewTokens(2).numBeams(40).build();
            GeneratedSequence best = new Generator(small, null)
                    .generate(GenerationRequest.of(new int[] {1, 2}, config))
                    .first();
            double expected = Double.NEGATIVE_INFINITY;
            for (int first = 0; first < 40; first++) {
                double sum = logProbability(small, first, 1, 2);
                for (int second = 0; second < 40; second++) {
                    expected = Math.max(expected, sum + logProbability(small, second, 1, 2, first));
                }
            }
            assertEquals(expected / 2, best.score().getAsDouble(), 1e-5);
        }
    }

    private static double logProbability(CausalLanguageModel model, int token, int... before) {
        return io.quern.tensor.Scope.run(
                () -> (double) model.logits(io.quern.tensor.Tensor.of(before, 1, before.length))
                        .logSoftmax()
                        .toFloats()[(before.length - 1) * 40 + token]);
    }

    @Test
    void timingsCountTokens() {
        GenerationResult r = run(GenerationConfig.builder().maxNewTokens(9).build());
        assertEquals(prompt.length, r.timings().prefillTokens());
        assertEquals(8, r.timings().decodeTokens(), "the first token comes from the prompt");
        assertTrue(r.timings().prefillTokensPerSecond() > 0 && r.timings().decodeTokensPerSecond() > 0);
    }

    private static void assertMessage(org.junit.jupiter.api.function.Executable code, String part) {
        String message = assertThrows(TensorException.class, code).getMessage();
        assertTrue(message.contains(part), message);
    }

    @Test
    void threadsThatGenerateAtOnceGetWhatEachWouldGetAlone() throws Exception {
        List<GenerationConfig> configs = List.of(
                GenerationConfig.builder().maxNewTokens(30).build(),
                GenerationConfig.builder().maxNewTokens(20).numBeams(3).build(),
                sampling(1).build(),
                sampling(2).build());
        List<int[]> alone = new ArrayList<>();
        for (GenerationConfig c : configs) {
            alone.add(
                    generator.generate(GenerationRequest.of(prompt, c)).first().tokens());
        }
        try (ExecutorService threads = Executors.newFixedThreadPool(6)) {
            List<Future<int[]>> together = new ArrayList<>();
            for (int i = 0; i < 24; i++) {
                GenerationConfig config = configs.get(i % configs.size());
                together.add(threads.submit(() -> generator
                        .generate(GenerationRequest.of(prompt, config))
                        .first()
                        .tokens()));
            }
            for (int i = 0; i < together.size(); i++) {
                assertArrayEquals(alone.get(i % configs.size()), together.get(i).get(), "generation " + i);
            }
        }
    }
}
