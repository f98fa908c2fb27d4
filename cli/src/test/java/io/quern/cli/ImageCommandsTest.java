package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.awt.image.BufferedImage;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Training on class folders, classifying and measuring, from end to end. */
class ImageCommandsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path folder;

    private record Run(int code, String out, String err) {
        JsonNode json() throws IOException {
            return JSON.readTree(out);
        }
    }

    private static Run quern(String... args) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), out, err, false);
        int code = Main.execute(output, args);
        return new Run(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
    }

    /** Bars that lie or stand somewhere, on noise. */
    @BeforeEach
    void draw() throws IOException {
        Random random = new Random(5);
        for (int i = 0; i < 60; i++) {
            boolean lies = i % 2 == 0;
            BufferedImage image = new BufferedImage(12, 12, BufferedImage.TYPE_BYTE_GRAY);
            int at = 1 + random.nextInt(10);
            for (int k = 0; k < 144; k++) {
                boolean bar = (lies ? k / 12 : k % 12) == at;
                image.getRaster().setSample(k % 12, k / 12, 0, random.nextInt(60) + (bar ? 180 : 0));
            }
            Path file = folder.resolve("data/" + (lies ? "lying" : "standing") + "/" + i + ".png");
            Files.createDirectories(file.getParent());
            ImageIO.write(image, "png", file.toFile());
        }
    }

    private String path(String name) {
        return folder.resolve(name).toString();
    }

    private Run train(String model, String... more) {
        String[] args = {
            "train",
            model,
            "--data",
            path("data"),
            "--out",
            path("out"),
            "--image-size",
            "12",
            "--channels",
            "1",
            "--batch",
            "9",
            "--lr",
            "3e-3",
            "--warmup",
            "5",
            "--seed",
            "1",
            "--json",
            "-q"
        };
        String[] all = java.util.Arrays.copyOf(args, args.length + more.length);
        System.arraycopy(more, 0, all, args.length, more.length);
        return quern(all);
    }

    @Test
    void aTrainedNetworkClassifiesAndIsMeasured() throws IOException {
        Run trained = train("cnn", "--epochs", "12");
        assertEquals(0, trained.code, trained.err);
        assertEquals(1, trained.json().get("test_accuracy").asDouble(), trained.out);
        assertEquals(6, trained.json().get("test_pictures").asInt());
        for (String file :
                new String[] {"config.json", "preprocessor_config.json", "model.safetensors", "run.json", "log.jsonl"
                }) {
            assertTrue(Files.exists(folder.resolve("out/" + file)), file);
        }
        assertTrue(Files.readString(folder.resolve("out/report.html")).contains("cross-entropy (nats per picture)"));
        Run one = quern("classify", "-m", path("out"), "--json", path("data/standing/1.png"));
        assertEquals(0, one.code, one.err);
        assertEquals("standing", one.json().get("label").asText());
        assertEquals(1, one.json().get("index").asInt());
        assertEquals(2, one.json().get("logits").size());
        double sum = one.json().get("probabilities").get(0).asDouble()
                + one.json().get("probabilities").get(1).asDouble();
        assertEquals(1, sum, 1e-9);
        Run all = quern("classify", "-m", path("out"), "--top-k", "2", path("data"));
        assertEquals(60, all.out.lines().count());
        assertTrue(all.out.lines().findFirst().orElseThrow().contains("lying "), all.out);
        JsonNode measured = quern("eval", "-m", path("out"), "--images", path("data"), "--json")
                .json();
        assertTrue(measured.get("accuracy").asDouble() > 0.95, measured::toString);
        assertEquals(60, measured.get("images").asInt());
        assertEquals(
                30,
                measured.get("confusion").get(0).get(0).asInt()
                        + measured.get("confusion").get(0).get(1).asInt());
        Run table = quern("eval", "-m", path("out"), "--images", path("data"));
        assertTrue(table.out.contains("macro F1") && table.out.contains("confusion matrix"), table.out);
    }

    /** One of each, as MNIST has them, or larger and as ink on paper. */
    @Test
    void theEmbeddedModelReadsDigits() throws Exception {
        Path digits = Path.of(ImageCommandsTest.class.getResource("/digits").toURI());
        Run run = quern("classify", "--json", digits.toString());
        assertEquals(0, run.code, run.err);
        assertEquals(10, run.out.lines().count());
        for (String line : run.out.lines().toList()) {
            JsonNode said = JSON.readTree(line);
            assertTrue(said.get("input").asText().endsWith(said.get("label").asText() + ".png"), line);
        }
    }

    @Test
    void aTransformerTrainsAndResumes() throws IOException {
        Run first = train(
                "vit",
                "--epochs",
                "2",
                "--patch",
                "4",
                "--layers",
                "2",
                "--hidden",
                "16",
                "--pooling",
                "mean",
                "--mixup",
                "0.2");
        assertEquals(0, first.code, first.err);
        assertTrue(train("vit").err.contains("--resume"));
        Run more = train("vit", "--resume", "--epochs", "3");
        assertEquals(0, more.code, more.err);
        assertEquals(
                3 * first.json().get("step").asInt() / 2,
                more.json().get("step").asInt());
        JsonNode config = JSON.readTree(folder.resolve("out/config.json").toFile());
        assertEquals("vit", config.get("model_type").asText());
        assertEquals("mean", config.get("pooling").asText());
        assertEquals("standing", config.get("id2label").get("1").asText());
    }

    @Test
    void aResidualNetworkTrainsOnChangedPictures() throws IOException {
        Run trained = train("cnn", "--arch", "resnet", "--epochs", "2", "--randaugment", "1", "--magnitude", "0.1");
        assertEquals(0, trained.code, trained.err);
        assertEquals(
                "quern_resnet", trained.json().get("model").get("model_type").asText());
        Run measured = quern("eval", "-m", path("out"), "--images", path("data"), "--json");
        assertEquals(0, measured.code, measured.err);
        assertEquals(2, train("cnn", "--arch", "resnet", "--tanh").code);
    }

    @Test
    void anAutoencoderIsTrainedMeasuredAndShown() throws IOException {
        Run trained = train("autoencoder", "--epochs", "4", "--hidden", "32,16", "--codes", "2");
        assertEquals(0, trained.code, trained.err);
        assertEquals("deep", trained.json().get("model").get("kind").asText());
        double error = trained.json().get("test_error").asDouble();
        assertTrue(trained.json().get("test_error_of_pca").asDouble() > 0, trained.out);
        Run measured = quern("eval", "-m", path("out"), "--images", path("data"), "--json");
        assertEquals(error, measured.json().get("test_error").asDouble(), 1e-6);
        Run shown = quern(
                "reconstruct",
                "-m",
                path("out"),
                "--data",
                path("data"),
                "--count",
                "5",
                "--pca",
                "--codes",
                path("codes.png"),
                "--out",
                path("grid.png"));
        assertEquals(0, shown.code, shown.err);
        assertEquals(5, shown.out.lines().count());
        // Three rows of five pictures, each of 12 pixels 5 times as large.
        BufferedImage grid = ImageIO.read(folder.resolve("grid.png").toFile());
        assertEquals(5 * 62 + 2, grid.getWidth());
        assertEquals(3 * 62 + 2, grid.getHeight());
        BufferedImage plot = ImageIO.read(folder.resolve("codes.png").toFile());
        assertEquals(2 * plot.getHeight(), plot.getWidth());
    }

    @Test
    void aDenoisingOneShowsTheNoise() throws IOException {
        Run trained = train("autoencoder", "--kind", "denoising", "--epochs", "2", "--hidden", "4,8", "--noise", "0.5");
        assertEquals(0, trained.code, trained.err);
        assertTrue(Files.readString(folder.resolve("out/report.html")).contains("mean squared error"));
        assertTrue(trained.json().get("test_error_of_input").asDouble() > 0.02, trained.out);
        Run shown = quern("reconstruct", "-m", path("out"), "--out", path("grid.png"), "--json", path("data/lying"));
        assertEquals(0, shown.code, shown.err);
        assertEquals(30, shown.out.lines().count());
        JsonNode first = JSON.readTree(shown.out.lines().findFirst().orElseThrow());
        assertTrue(first.get("error_before").asDouble() > 0.02, shown.out);
        // Bands of ten pictures: as they are, with noise, and made.
        assertEquals(
                9 * 62 + 2, ImageIO.read(folder.resolve("grid.png").toFile()).getHeight());
        Run more = train("autoencoder", "--resume", "--epochs", "3");
        assertEquals(0, more.code, more.err);
        assertEquals("denoising", more.json().get("model").get("kind").asText());
        Run components =
                quern("reconstruct", "-m", path("out"), "--out", path("x.png"), "--data", path("data"), "--pca");
        assertEquals(2, components.code);
        assertTrue(components.err.contains("denoising"), components.err);
        assertFalse(Files.exists(folder.resolve("x.png")));
        assertEquals(2, quern("reconstruct", "-m", path("out"), "--out", path("x.png")).code);
        Run none = quern("classify", "-m", path("out"), path("data/lying/0.png"));
        assertEquals(1, none.code);
        assertTrue(none.err.contains("model_type"), none.err);
    }

    @Test
    void attentionIsAHeatMap() throws IOException {
        assertEquals(
                0,
                train("vit", "--epochs", "1", "--patch", "3", "--layers", "2", "--hidden", "16", "--pooling", "mean")
                        .code);
        Run run =
                quern("attention", "-m", path("out"), "--out", path("heat.png"), "--json", path("data/standing/1.png"));
        assertEquals(0, run.code, run.err);
        assertEquals(16, run.json().get("rollout").size());
        double sum = 0;
        for (JsonNode w : run.json().get("rollout")) {
            sum += w.asDouble();
        }
        assertTrue(sum > 0.5 && sum < 1.001, run.out);
        BufferedImage map = ImageIO.read(folder.resolve("heat.png").toFile());
        assertEquals(336, map.getWidth());
        assertEquals(3, map.getRaster().getNumBands());
    }

    @Test
    void theEmbeddedTransformerLooksAtDigits() throws Exception {
        Path digits = Path.of(ImageCommandsTest.class.getResource("/digits").toURI());
        for (int digit = 0; digit < 10; digit++) {
            String file = digits.resolve(digit + ".png").toString();
            Run run = quern("attention", "--out", path("heat.png"), "--json", file);
            assertEquals(0, run.code, run.err);
            assertEquals(Integer.toString(digit), run.json().get("label").asText());
            assertEquals(16, run.json().get("rollout").size());
        }
    }

    @Test
    void attentionNeedsATransformer() throws IOException {
        assertEquals(0, train("cnn", "--epochs", "1").code);
        Run run = quern("attention", "-m", path("out"), "--out", path("heat.png"), path("data/standing/1.png"));
        assertEquals(2, run.code);
        assertTrue(run.err.contains("no vision transformer"), run.err);
        assertFalse(Files.exists(folder.resolve("heat.png")));
    }

    @Test
    void wrongInputIsNamed() throws IOException {
        assertEquals(2, quern("train", "cnn", "--data", path("data")).code);
        assertEquals(2, quern("eval").code);
        Files.createDirectories(folder.resolve("empty"));
        Run empty = quern("train", "cnn", "--data", path("empty"), "--out", path("out"));
        assertEquals(1, empty.code);
        assertTrue(empty.err.contains("there are no pictures"), empty.err);
        assertFalse(empty.err.contains("\tat "), empty.err);
        assertEquals(0, train("cnn", "--epochs", "1").code);
        Path text = Files.writeString(folder.resolve("text.png"), "hello");
        Run mixed = quern("classify", "-m", path("out"), text.toString(), path("data/lying/0.png"));
        assertEquals(1, mixed.code);
        assertTrue(mixed.err.contains("text.png is not a picture"), mixed.err);
        assertTrue(mixed.out.contains("0.png:"), mixed.out);
        assertEquals(1, quern("classify", "-m", path("out"), path("empty")).code);
    }
}
