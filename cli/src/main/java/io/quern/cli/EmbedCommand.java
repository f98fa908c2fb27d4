package io.quern.cli;

import io.quern.tensor.Shape;
import io.quern.tensor.file.AtomicFile;
import io.quern.tensor.file.Npy;
import io.quern.transformer.embed.TextEmbedder;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Vectors of texts. */
@Command(
        name = "embed",
        description = "Turn texts into vectors that are near each other where the texts mean the same.")
final class EmbedCommand implements Callable<Integer> {
    /** How vectors are written. */
    enum Format {
        /** An object a line: text and vector. */
        JSONL,
        /** One object with all vectors. */
        JSON,
        /** A float32 array [texts, dimension]. */
        NPY
    }

    @Mixin
    private CommonOptions common;

    @Mixin
    private EmbedderOptions options;

    @Parameters(
            arity = "0..*",
            paramLabel = "TEXT",
            description = "Texts. Without any, and without -f: lines of stdin.")
    private List<String> texts = new ArrayList<>();

    @Option(
            names = {"-f", "--file"},
            paramLabel = "FILE",
            description = "Embed every line of a file that is not blank.")
    private Path file;

    @Option(
            names = {"--prompt"},
            paramLabel = "NAME",
            description = "Put the model's prompt of this name, such as query, before each text. Default: the model's"
                    + " default.")
    private String prompt;

    @Option(
            names = {"--format"},
            paramLabel = "FORMAT",
            description = "jsonl: an object a line; json: one object; npy: float32 [texts, dimension], with --out."
                    + " Default: jsonl, or npy if the name of --out ends in .npy.")
    private Format format;

    @Option(
            names = {"--out"},
            paramLabel = "FILE",
            description = "Write to a file instead of stdout.")
    private Path out;

    private final Output output;

    EmbedCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        Format chosen = format();
        List<String> all = texts();
        try (TextEmbedder embedder = options.open(null, output, common.verbose)) {
            String before = null;
            if (prompt != null) {
                before = embedder.prompts().get(prompt);
                if (before == null) {
                    throw new Errors.UsageException("the model has no prompt '" + prompt + "'; it has "
                            + embedder.prompts().keySet());
                }
            }
            long start = System.nanoTime();
            float[][] vectors = before == null
                    ? embedder.embed(all, embedder.defaultPrompt(), options.batch, done -> {})
                    : embedder.embed(all, before, options.batch, done -> {});
            if (common.verbose) {
                double seconds = (System.nanoTime() - start) / 1e9;
                output.note("%d texts in %.2f s, %.1f texts/s".formatted(all.size(), seconds, all.size() / seconds));
            }
            write(chosen, all, vectors, embedder.dimension());
        }
        return Main.OK;
    }

    private Format format() {
        Format chosen = format != null
                ? format
                : out != null && out.toString().endsWith(".npy") && !common.json ? Format.NPY : Format.JSONL;
        if (chosen == Format.NPY && out == null) {
            throw new Errors.UsageException("--format npy needs --out FILE.npy");
        }
        return chosen;
    }

    private List<String> texts() throws IOException {
        if (!texts.isEmpty() && file != null) {
            throw new Errors.UsageException("texts on the command line and -f exclude each other");
        }
        List<String> all = new ArrayList<>();
        if (!texts.isEmpty()) {
            texts.forEach(t -> all.add(TextInput.argument("TEXT", t)));
        } else {
            String text = file != null ? TextInput.file(file) : TextInput.stdin(output.in());
            text.lines().filter(line -> !line.isBlank()).forEach(all::add);
        }
        if (all.isEmpty()) {
            throw new Errors.UsageException(
                    "there is no text to embed: " + (file != null ? file : "stdin") + " is empty");
        }
        return all;
    }

    private void write(Format chosen, List<String> all, float[][] vectors, int dimension) throws IOException {
        if (chosen == Format.NPY) {
            float[] rows = new float[Math.multiplyExact(vectors.length, dimension)];
            for (int i = 0; i < vectors.length; i++) {
                System.arraycopy(vectors[i], 0, rows, i * dimension, dimension);
            }
            Npy.write(out, Shape.of(vectors.length, dimension), rows);
            return;
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        Output to =
                out == null ? output : new Output(new ByteArrayInputStream(new byte[0]), bytes, output.err(), false);
        if (chosen == Format.JSON) {
            Map<String, Object> whole = new LinkedHashMap<>();
            whole.put("model", options.model);
            whole.put("dimension", dimension);
            whole.put("texts", all);
            whole.put("embeddings", vectors);
            to.json(whole);
        } else {
            for (int i = 0; i < vectors.length; i++) {
                Map<String, Object> line = new LinkedHashMap<>();
                line.put("text", all.get(i));
                line.put("embedding", vectors[i]);
                to.json(line);
            }
        }
        if (out != null) {
            AtomicFile.write(out, bytes.toByteArray());
        }
    }
}
