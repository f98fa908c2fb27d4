package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Options that would do nothing, or mislead, are errors that say what to do instead. */
class MeaninglessOptionsTest {
    @TempDir
    Path folder;

    @Test
    void ofGenerate() {
        CommandRun.of("generate", "-p", "x", "--length-penalty", "2").fails(2, "is for beam search; add --beams N");
        CommandRun.of("generate", "-p", "x", "--early-stopping", "true").fails(2, "is for beam search");
        CommandRun.of("generate", "-p", "x", "--min-new-tokens", "9", "-n", "3")
                .fails(2, "--min-new-tokens 9 is more than --max-new-tokens 3");
        CommandRun.of("generate", "-p", "x", "--eos-token-id", "99999").fails(2, "outside the model's vocabulary");
        CommandRun.of("generate", "-p", "x", "--temperature", "0").fails(2, "; --greedy takes the most likely token");
        assertEquals(
                0,
                CommandRun.of("generate", "-p", "x", "-n", "2", "--eos-token-id", "-1")
                        .code());
    }

    @Test
    void ofTuneBeforeTheFirstTrial() {
        String out = folder.resolve("tuned").toString();
        CommandRun.of("tune", "--out", out, "--search", "dropuot=0..1", "--", "gpt", "--data", "x", "--steps", "3")
                .fails(2, "quern train gpt has no option --dropuot; did you mean dropout?");
        CommandRun.of("tune", "--out", out, "--search", "lr=0..1", "--", "gtp").fails(2, "'gtp' is none of gpt");
        assertFalse(Files.exists(folder.resolve("tuned")));
    }

    @Test
    void idsOutsideTheVocabularyAreNotSilentlyNoText() {
        CommandRun.of("tokenizer", "decode", "1", "99999").fails(1, "token 99999 at position 1");
    }

    @Test
    void picturesAreNotWrittenUnderTheEndingOfAnotherFormat() {
        CommandRun.of("attention", "x.png", "--out", "heat.jpg").fails(2, "name the file heat.png");
        CommandRun.of("reconstruct", "-m", "x", "a.png", "--out", "grid.gif").fails(2, "name the file grid.png");
    }

    @Test
    void aTokenizerSmallerThanAskedForSaysWhy() throws IOException {
        Path data = Files.writeString(folder.resolve("data"), "abc");
        CommandRun run = CommandRun.of(
                "tokenizer", "train", "--data", data.toString(), "--out", folder.toString(), "--vocab-size", "300");
        assertEquals(0, run.code(), run.err());
        assertTrue(run.err().contains("fewer than --vocab-size 300"), run.err());
    }

    @Test
    void aRunKnowsItsData() throws IOException {
        Path data = Files.writeString(folder.resolve("data.txt"), "one two three four five six. ".repeat(100));
        Path out = folder.resolve("run");
        String[] first = ("train gpt --data " + data + " --out " + out + " --vocab-size 270 --layers 1 --heads 1"
                        + " --hidden 8 --context 8 --batch 2 --steps 3"
                        + " --stop-after 2 --eval-every 100"
                        + " --sample-every 0")
                .split(" ");
        CommandRun stopped = CommandRun.of(first);
        assertTrue(stopped.out().contains("step 2, no validation yet"), stopped.out() + stopped.err());
        assertFalse(stopped.err().contains("memory on cpu"), stopped.err());
        CommandRun resumed = CommandRun.of("train", "gpt", "--out", out.toString(), "--resume", "--json", "-q");
        assertEquals(3, resumed.json().get("step").asInt());
        CommandRun.of("train", "gpt", "--out", folder.resolve("none").toString(), "--resume")
                .fails(2, "--resume knows the data only where --out holds a run");
        Path empty = Files.writeString(folder.resolve("empty"), " ");
        CommandRun.of(
                        "train",
                        "gpt",
                        "--data",
                        empty.toString(),
                        "--out",
                        folder.resolve("b").toString(),
                        "-q")
                .fails(1, "there is no text in");
    }
}
