package io.quern.cli;

import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Option;

/** A text: given, from a file, or from stdin. */
final class TextOptions {
    @Option(
            names = {"--text"},
            paramLabel = "TEXT",
            description = "The text.")
    private String text;

    @Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            description = "Read the text from a file. Without both: from stdin.")
    private Path file;

    String read(Output output) throws IOException {
        if (text != null && file != null) {
            throw new Errors.UsageException("--text and --file exclude each other");
        }
        if (text != null) {
            return TextInput.argument("--text", text);
        }
        return file != null ? TextInput.file(file) : TextInput.stdin(output.in());
    }
}
