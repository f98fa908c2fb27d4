package io.quern.cli;

import io.quern.transformer.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** What the model is to continue. */
final class PromptOptions {
    @Option(
            names = {"-p", "--prompt"},
            paramLabel = "TEXT",
            description = "The text to continue.")
    private String prompt;

    @Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            description = "Read the prompt from a file. Without any prompt: from stdin.")
    private Path file;

    @Option(
            names = {"--prompt-tokens"},
            paramLabel = "ID,ID,...",
            description = "The prompt as token ids.")
    private String tokens;

    /** The text of the prompt; null if it was given as ids. */
    String text(Output output) throws IOException {
        int given = (prompt == null ? 0 : 1) + (file == null ? 0 : 1) + (tokens == null ? 0 : 1);
        if (given > 1) {
            throw new Errors.UsageException("--prompt, --file and --prompt-tokens exclude each other");
        }
        if (tokens != null) {
            return null;
        }
        if (prompt != null) {
            return TextInput.argument("--prompt", prompt);
        }
        if (file != null) {
            return TextInput.file(file);
        }
        if (output.inputIsTerminal()) {
            throw new Errors.UsageException("there is no prompt: give -p TEXT, -f FILE, --prompt-tokens or stdin");
        }
        return TextInput.stdin(output.in());
    }

    /**
     * The ids of the prompt; an empty prompt becomes the token that begins texts.
     *
     * @param tokenizer null if the model has none
     */
    int[] ids(String text, Tokenizer tokenizer) {
        int[] ids = text == null ? TokenIds.parse("--prompt-tokens", tokens) : tokenizer.encode(text);
        if (ids.length == 0) {
            var begin = tokenizer == null
                    ? java.util.OptionalInt.empty()
                    : tokenizer.specialTokens().bos();
            if (begin.isEmpty()) {
                throw new Errors.UsageException("the prompt is empty, and the model has no token that begins a text");
            }
            return new int[] {begin.getAsInt()};
        }
        return ids;
    }
}
