package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.quern.tensor.Gradients;
import io.quern.tensor.Rng;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.spi.LeakTracker;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.EncoderBatch;
import io.quern.transformer.embed.TextEmbedder;
import io.quern.transformer.generate.GenerationConfig;
import io.quern.transformer.generate.GenerationListener;
import io.quern.transformer.generate.GenerationRequest;
import io.quern.transformer.generate.Generator;
import io.quern.transformer.hub.EncoderDir;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.hub.Purpose;
import io.quern.transformer.model.BertForSequenceClassification;
import io.quern.transformer.text.Encoding;
import io.quern.transformer.text.Tokenizer;
import io.quern.vision.ImageModel;
import io.quern.vision.ImageModelDir;
import io.quern.vision.data.ImageFile;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The Java on README and docs: each piece runs here, word for word but for the names of models and files, and leaks nothing. */
class JavaPagesTest {
    private static final Pattern JAVA = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
    private static final Path ROOT =
            Path.of(System.getProperty("basedir", "")).toAbsolutePath().getParent();
    private static final Path MODELS = ROOT.resolve("transformer/src/test/resources/models");
    private static final String GPT2 = MODELS.resolve("gpt2-tiny").toString();
    private static final Path VIT = ROOT.resolve("vision/src/test/resources/models/vit-tiny");
    private static final String BERT = MODELS.resolve("bert-tiny").toString();

    private final ByteArrayOutputStream printed = new ByteArrayOutputStream();
    private final PrintStream out = new PrintStream(printed, true, StandardCharsets.UTF_8);
    private List<?> before;

    @BeforeEach
    void countBuffers() {
        before = LeakTracker.live();
        assertTrue(LeakTracker.ENABLED);
    }

    @AfterEach
    void nothingLeaks() {
        assertEquals(before.size(), LeakTracker.live().size());
    }

    private String printed() {
        return printed.toString(StandardCharsets.UTF_8);
    }

    @Test
    void everyPieceOnAPageIsHere() throws IOException {
        String here = plain(Files.readString(ROOT.resolve("cli/src/test/java/io/quern/cli/JavaPagesTest.java")));
        int pieces = 0;
        List<Path> pages;
        try (Stream<Path> docs = Files.list(ROOT.resolve("docs"))) {
            pages = Stream.concat(
                            Stream.of(ROOT.resolve("README.md")),
                            docs.filter(p -> p.toString().endsWith(".md")))
                    .toList();
        }
        for (Path page : pages) {
            for (MatchResult m : JAVA.matcher(Files.readString(page)).results().toList()) {
                String piece = plain(m.group(1));
                assertTrue(here.contains(piece), page.getFileName() + " has what does not run here:\n" + piece);
                pieces++;
            }
        }
        assertTrue(pieces >= 9, "only " + pieces + " pieces were found");
    }

    /** Without white space, and with the names of this test for models, files and stdout. */
    private static String plain(String code) {
        return code.replaceAll("\\s+", "")
                .replace("System.out", "out")
                .replaceAll("\"(gpt2-folder|openai-community/gpt2)\"", "GPT2")
                .replaceAll("\"(bert-folder|sentence-transformers/all-MiniLM-L6-v2)\"", "BERT")
                .replace("Path.of(\"runs/lenet\")", "VIT");
    }

    @Test
    void generate() {
        ModelDir dir = ModelDir.find(GPT2);
        try (CausalLanguageModel model = dir.load(Purpose.INFERENCE)) {
            Tokenizer tokenizer = dir.tokenizer();
            GenerationConfig config = dir.generationConfig().toBuilder()
                    .maxNewTokens(40)
                    .numBeams(4)
                    .build();
            Generator generator = new Generator(model, tokenizer);
            out.println(generator
                    .generate(GenerationRequest.of(tokenizer.encode("Once"), config))
                    .first()
                    .text());
        }
        assertTrue(printed().length() > 10, printed());
    }

    @Test
    void generateAsAStream() {
        ModelDir dir = ModelDir.find(GPT2);
        try (CausalLanguageModel model = dir.load(Purpose.INFERENCE)) {
            Tokenizer tokenizer = dir.tokenizer();
            GenerationConfig config = GenerationConfig.builder()
                    .maxNewTokens(40)
                    .doSample(true)
                    .temperature(0.8)
                    .seed(7)
                    .build();
            GenerationListener printer = new GenerationListener() {
                @Override
                public void onText(int sequence, String piece) {
                    out.print(piece);
                }
            };
            new Generator(model, tokenizer)
                    .generate(GenerationRequest.of(tokenizer.encode("Once"), config)
                            .withListener(printer));
        }
        assertTrue(printed().length() > 10, printed());
    }

    @Test
    void generateWithTheDefaultsOfTheModel() {
        ModelDir dir = ModelDir.find(GPT2);
        try (CausalLanguageModel model = dir.load(Purpose.INFERENCE)) {
            Tokenizer tokenizer = dir.tokenizer();
            GenerationConfig config =
                    dir.generationConfig().toBuilder().maxNewTokens(40).build();
            Generator generator = new Generator(model, tokenizer);
            out.println(generator
                    .generate(GenerationRequest.of(tokenizer.encode("Once"), config))
                    .first()
                    .text());
        }
        assertTrue(printed().length() > 10, printed());
    }

    @Test
    void score() {
        ModelDir dir = ModelDir.find(GPT2);
        Tokenizer tokenizer = dir.tokenizer();
        try (CausalLanguageModel model = dir.load(Purpose.INFERENCE)) {
            int[] ids = tokenizer.encode("To be, or not to be");
            int n = ids.length - 1;
            double loss = Scope.run(() -> Tape.noGrad(() -> model.loss(
                            Tensor.of(Arrays.copyOf(ids, n), 1, n), Tensor.of(Arrays.copyOfRange(ids, 1, n + 1), 1, n))
                    .item()));
            // Random weights know nothing: worse than all 512 tokens being equally likely.
            assertTrue(loss > Math.log(512) && loss < 12, "loss " + loss);
        }
    }

    @Test
    void embed() {
        try (TextEmbedder embedder = TextEmbedder.find(BERT, null)) {
            float[][] v = embedder.embed(List.of("The cat sits on the mat.", "A feline is resting on a rug."));
            out.println(TextEmbedder.cosine(v[0], v[1]));
        }
        double similarity = Double.parseDouble(printed());
        assertTrue(similarity > 0 && similarity < 1, printed());
    }

    @Test
    void classify() {
        EncoderDir dir = EncoderDir.find(BERT);
        try (BertForSequenceClassification model = dir.loadClassifier(Purpose.INFERENCE, null)) {
            List<Encoding> texts = List.of(
                    dir.tokenizer().encode("a very good film", null, 128),
                    dir.tokenizer().encode("dull", null, 128));
            float[] logits = Scope.run(() -> Tape.noGrad(
                    () -> model.logits(EncoderBatch.of(texts, dir.config().padTokenId()))
                            .toFloats()));
            out.println(dir.config().labels() + " " + Arrays.toString(logits));
        }
        assertTrue(printed().startsWith("[LABEL_0, LABEL_1, LABEL_2] ["), printed());
        assertEquals(2 * 3, printed().split("] \\[")[1].split(",").length, printed());
    }

    @Test
    void classifyAPicture() {
        Path file = ROOT.resolve("docs/vision/attention.png");
        ImageModelDir dir = ImageModelDir.open(VIT);
        try (ImageModel model = dir.load()) {
            float[] logits = Scope.run(() -> Tape.noGrad(() -> model.forward(dir.preprocessor()
                            .apply(ImageFile.read(file), dir.config().channels()))
                    .toFloats()));
            out.println(Arrays.toString(logits));
        }
        assertEquals(10, printed().split(",").length, printed());
    }

    @Test
    void gradients() {
        Tensor w = Tensor.randn(new Rng(1), 0.1, 3, 2).keep().requireGrad();
        Gradients g = Tape.gradients(() ->
                Tensor.of(new float[] {1, 2, 3}, 1, 3).matmul(w).tanh().square().mean());
        out.println(g.loss().item() + " " + g.of(w).preview(6));
        g.close();
        w.close();
        assertTrue(printed().startsWith("0.2003"), printed());
    }
}
