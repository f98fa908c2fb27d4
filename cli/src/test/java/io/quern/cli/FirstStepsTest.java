package io.quern.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a person meets who does not know the command yet, or mistypes. */
class FirstStepsTest {
    @TempDir
    Path folder;

    @Test
    void withoutArgumentsTheCommandsAreListed() {
        CommandRun.of().fails(2, "generate     Continue a text");
    }

    @Test
    void helpIsAWordToo() {
        assertEquals(CommandRun.of("--help"), CommandRun.of("help"));
        assertEquals(CommandRun.of("train", "gpt", "--help"), CommandRun.of("help", "train", "gpt"));
        CommandRun.of("help", "trian").fails(2, "did you mean 'quern train'?");
    }

    @Test
    void mistypedCommandsAreCorrected() {
        CommandRun.of("generat", "-p", "x").fails(2, "quern: 'generat' is not a command of quern; did you mean");
        CommandRun.of("tokeniser", "--help").fails(2, "did you mean 'quern tokenizer'?");
        CommandRun.of("train", "gtp", "--data", "x").fails(2, "did you mean 'quern train gpt'?");
        CommandRun nonsense = CommandRun.of("bogus");
        nonsense.fails(2, "'bogus' is not a command of quern");
        assertFalse(nonsense.err().contains("did you mean"), nonsense.err());
    }

    @Test
    void mistypedModelsAreCorrected() throws IOException {
        Path model = Files.createDirectory(folder.resolve("shakespeare"));
        Path config = Files.writeString(model.resolve("config.json"), "{}");
        CommandRun.of("show", "-m", folder.resolve("shakspeare").toString()).fails(1, "did you mean " + model + "?");
        CommandRun.of("show", "-m", config.toString()).fails(1, "is a file; a model is a folder");
        CommandRun.of("show", "-m", folder.toString()).fails(1, "there are such folders in it: shakespeare");
        CommandRun.of("embed", "-m", folder.toString(), "x").fails(1, "there are such folders in it: shakespeare");
        CommandRun.of("classify", "-m", folder.resolve("shakespear").toString(), "x.png")
                .fails(1, "did you mean " + model + "?");
    }

    @Test
    void filesThatCannotBeWrittenAreNamedWithoutExceptionsOfJava() throws IOException {
        String none = folder.resolve("none/x.npy").toString();
        CommandRun.of("logits", "-p", "x", "--out", none)
                .fails(1, none + ": cannot be written: there is no folder " + folder.resolve("none"));
        CommandRun.of("logits", "-p", "x", "--out", folder.toString()).fails(1, "is a folder, not a file");
        CommandRun.of("tokenizer", "train", "--data", folder.toString(), "--out", none)
                .fails(1, "cannot be read: is a folder, not a file");
        Path file = Files.writeString(folder.resolve("file"), "");
        CommandRun.of("train", "gpt", "--data", file.toString(), "--out", file.toString(), "-q")
                .fails(1, file + ": is a file, not a folder");
    }

    @Test
    void aFullDiskUnderStdoutIsAnErrorAndAReaderWhoHasGoneIsNot() {
        assertEquals(1, codeWhenStdoutFails("No space left on device"));
        assertEquals(0, codeWhenStdoutFails("Broken pipe"));
    }

    private static int codeWhenStdoutFails(String reason) {
        OutputStream broken = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException(reason);
            }
        };
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        Output output = new Output(new ByteArrayInputStream(new byte[0]), broken, err, false);
        int code = Main.execute(output, "tokenizer", "encode", "--text", "x");
        assertEquals(code != 0, err.toString(StandardCharsets.UTF_8).contains(reason), err.toString());
        return code;
    }

    @Test
    void bashUnderstandsTheCompletionScript() throws IOException, InterruptedException {
        CommandRun run = CommandRun.of("completion");
        assertEquals(0, run.code(), run.err());
        Path script = Files.writeString(folder.resolve("completion"), run.out());
        String ask = "source '" + script + "'; COMP_WORDS=(quern gen); COMP_CWORD=1; _complete_quern;"
                + " printf '%s ' \"${COMPREPLY[@]}\"; COMP_WORDS=(quern generate --top); COMP_CWORD=2; _complete_quern;"
                + " printf '%s ' \"${COMPREPLY[@]}\"";
        // On stderr bash says that it is not completing a line at a prompt right now.
        Process bash = new ProcessBuilder("bash", "-c", ask)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        String answer = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(bash.waitFor(10, TimeUnit.SECONDS));
        assertEquals("generate --top-k --top-p ", answer.replace("'", ""));
    }
}
