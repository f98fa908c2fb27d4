package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.quern.tensor.file.Safetensors;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Fine-tuning by LoRA, from a base model to a merged one. */
class TrainLoraTest {
    private static final String ADAPTER = "adapter_model.safetensors";
    private static final String LORA =
            "--lora-rank 2 --lora-alpha 8 --lora-dropout 0.1 --lora-targets c_attn,mlp.c_proj --batch 2"
                    + " --eval-batches 1 --eval-every 2 --warmup 0 --schedule constant ";

    @TempDir
    Path folder;

    private Path base;
    private Path out;

    private record Run(int code, String out, String err) {
        Run good() {
            assertEquals(0, code, err);
            return this;
        }
    }

    private static Run quern(String... args) {
        ByteArrayOutputStream stdout = new ByteArrayOutputStream();
        ByteArrayOutputStream stderr = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), stdout, stderr, false);
        int code = Main.execute(output, args);
        return new Run(code, stdout.toString(StandardCharsets.UTF_8), stderr.toString(StandardCharsets.UTF_8));
    }

    private Run train(Path to, String more) {
        List<String> args = new ArrayList<>(List.of("train", "gpt", "-q", "--json", "--data"));
        args.addAll(List.of(folder.resolve("data.txt").toString(), "--out", to.toString()));
        args.addAll(List.of(more.strip().split(" +")));
        return quern(args.toArray(String[]::new));
    }

    private Run adapt(String more) {
        return train(out, "-m " + base + " " + LORA + more);
    }

    @BeforeEach
    void trainBase() throws IOException {
        base = folder.resolve("base");
        out = folder.resolve("run");
        Files.writeString(folder.resolve("data.txt"), "one two three four five six seven\n".repeat(40));
        train(base, "--vocab-size 270 --layers 2 --hidden 8 --heads 2 --context 8 --batch 2 --eval-batches 1 --steps 3")
                .good();
        Files.writeString(folder.resolve("data.txt"), "seven six five four three two one\n".repeat(40));
    }

    private byte[] adapter() throws IOException {
        return Files.readAllBytes(out.resolve(ADAPTER));
    }

    @Test
    void aResumedRunEndsWithTheBitsOfOneThatWasNot() throws IOException {
        adapt("--steps 4 --ema 0.9 --keep 1").good();
        byte[] whole = adapter();
        assertTrue(Files.exists(out.resolve("adapter_config.json")));
        assertTrue(Files.exists(out.resolve("best").resolve(ADAPTER)));
        assertTrue(Files.exists(out.resolve("average").resolve(ADAPTER)));
        assertFalse(Files.exists(out.resolve("model.safetensors")));
        try (Safetensors state = Safetensors.open(out.resolve("train_state.safetensors"))) {
            assertTrue(
                    state.names().stream().allMatch(n -> n.contains(".lora_")),
                    state.names().toString());
            // Two matrices of four layers, each with two moments and an average.
            assertEquals(8 * 4, state.names().size());
        }

        out = folder.resolve("other");
        adapt("--steps 4 --ema 0.9 --keep 1 --stop-after 2").good();
        train(out, "--resume").good();
        assertArrayEquals(whole, adapter());
    }

    @Test
    void anotherBaseIsRefusedWhenResuming() throws IOException {
        adapt("--steps 4 --stop-after 2").good();
        Path config = base.resolve("generation_config.json");
        Files.writeString(config, Files.readString(config) + "\n");
        Run run = train(out, "--resume");
        assertEquals(1, run.code);
        assertTrue(run.err.contains("were trained on another model"), run.err);
    }

    @Test
    void theReceiptOfAnAdapterCanBeReplayed() throws IOException {
        adapt("--steps 4").good();
        JsonNode weights = Receipt.read(out).get("weights");
        assertEquals(2, weights.size(), weights.toString());
        Run again = quern("replay", out.toString(), "--json", "-q").good();
        assertTrue(again.out.contains("\"identical\":true"), again.out);
        byte[] bytes = adapter();
        bytes[bytes.length - 1] ^= 1;
        Files.write(out.resolve(ADAPTER), bytes);
        assertTrue(quern("replay", out.toString()).err.contains("the weights were changed"));
    }

    @Test
    void anAdaptedAndAMergedModelSayTheSame() throws IOException {
        adapt("--steps 12 --lr 0.1 --lora-bias all").good();
        Path merged = folder.resolve("merged");
        String adapter = out.toString();
        quern("merge", "--adapter", adapter, "--out", merged.toString()).good();
        assertEquals(2, quern("merge", "--adapter", adapter, "--out", merged.toString()).code);
        String file = folder.resolve("data.txt").toString();
        double plain = loss("-m", base.toString(), "--text-file", file);
        double adapted = loss("--adapter", adapter, "--text-file", file);
        assertTrue(adapted < plain - 0.05, adapted + " and " + plain);
        assertEquals(adapted, loss("-m", merged.toString(), "--text-file", file), 1e-5);
        assertEquals(adapted, loss("-m", base.toString(), "--adapter", adapter, "--text-file", file));

        String[] greedy = {"-p", "seven", "-n", "8", "--greedy", "--no-stream"};
        assertEquals(
                quern(join("generate", "-m", merged.toString(), greedy)).good().out,
                quern(join("generate", "--adapter", adapter, greedy)).good().out);
        assertTrue(quern("generate", "-m", adapter, "-p", "x").err.contains("--adapter"));
    }

    private static double loss(String... args) throws IOException {
        Run run = quern(join("eval", "--json", "-q", args)).good();
        return new ObjectMapper().readTree(run.out).get("loss").asDouble();
    }

    private static String[] join(String command, String a, String b, String... more) {
        List<String> all = new ArrayList<>(List.of(command, a, b));
        all.addAll(List.of(more));
        return all.toArray(String[]::new);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--lora-alpha 4",
                "--lora-rank 2",
                "-m BASE --lora-rank 0",
                "-m BASE --lora-rank 2 --lora-dropout 1",
                "-m BASE --lora-rank 2 --lora-bias some"
            })
    void settingsWithoutASenseAreUsageErrors(String options) {
        Run run = train(out, options.replace("BASE", base.toString()) + " --steps 1");
        assertEquals(2, run.code, run.err);
    }

    @Test
    void aLayerThatIsNotThereIsNamed() {
        Run run = train(out, "-m " + base + " --lora-rank 2 --lora-targets q_proj --steps 1");
        assertEquals(1, run.code);
        assertTrue(run.err.contains("'q_proj'") && run.err.contains("c_attn"), run.err);
    }
}
