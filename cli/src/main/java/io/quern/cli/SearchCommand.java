package io.quern.cli;

import io.quern.tensor.TensorException;
import io.quern.transformer.embed.EmbeddingIndex;
import io.quern.transformer.embed.Passage;
import io.quern.transformer.embed.PassageSplitter;
import io.quern.transformer.embed.TextEmbedder;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Finds the passages of texts that are nearest in meaning to a question. */
@Command(
        name = "search",
        description =
                "Find the passages of text files that are nearest in meaning to a question, and keep an index of them.")
final class SearchCommand implements Callable<Integer> {
    /** What sentence-transformers calls the prompt of a question, and those of what is searched. */
    private static final String QUESTION = "query";

    private static final List<String> PASSAGE = List.of("document", "passage", "corpus");

    private static final int SHOWN = 160;

    @Mixin
    private CommonOptions common;

    @Mixin
    private EmbedderOptions options;

    @Option(
            names = {"--in"},
            arity = "1",
            paramLabel = "PATH",
            description =
                    "A text file or a folder of them to search; may be repeated. Hidden files, and files that are not"
                            + " UTF-8 text, are left out of folders.")
    private List<Path> inputs = new ArrayList<>();

    @Option(
            names = {"--index"},
            paramLabel = "FOLDER",
            description = "With --in: save the index here. Without: search the index that was saved here.")
    private Path folder;

    @Option(
            names = {"--by"},
            paramLabel = "UNIT",
            description =
                    "lines, or a number of tokens: passages of at most so many, ending with sentences where possible."
                            + " Default: lines.")
    private String unit = "lines";

    @Option(
            names = {"--overlap"},
            paramLabel = "N",
            description = "Tokens that passages by tokens share with the one before. Default: 0.")
    private int overlap;

    @Option(
            names = {"--top"},
            paramLabel = "N",
            description = "Passages for each question. Default: 5.")
    private int top = 5;

    @Parameters(
            arity = "0..*",
            paramLabel = "QUESTION",
            description = "Questions. Without any, and unless an index is being saved: lines of stdin.")
    private List<String> questions = new ArrayList<>();

    private final Output output;

    SearchCommand(Output output) {
        this.output = output;
    }

    @Override
    public Integer call() throws IOException {
        if (top < 1) {
            throw new Errors.UsageException("--top must be 1 or more, not " + top);
        }
        if (inputs.isEmpty() && folder == null) {
            throw new Errors.UsageException(
                    "there is nothing to search: give --in PATH, or --index FOLDER of a saved index");
        }
        try (EmbeddingIndex saved = inputs.isEmpty() ? EmbeddingIndex.load(folder) : null;
                TextEmbedder embedder = options.open(saved == null ? null : saved.model(), output, common.verbose);
                EmbeddingIndex index = saved == null ? build(embedder) : null) {
            EmbeddingIndex all = saved == null ? index : saved;
            if (saved == null && folder != null) {
                all.save(folder);
            }
            for (String question : questions(saved == null && folder != null)) {
                String before = embedder.prompts().getOrDefault(QUESTION, embedder.defaultPrompt());
                float[] vector = embedder.embed(List.of(question), before, 1, done -> {})[0];
                print(question, all.search(vector, top));
            }
        }
        return Main.OK;
    }

    private List<String> questions(boolean optional) throws IOException {
        List<String> all = new ArrayList<>();
        if (!questions.isEmpty()) {
            questions.forEach(q -> all.add(TextInput.argument("QUESTION", q)));
        } else if (!optional) {
            TextInput.stdin(output.in()).lines().filter(q -> !q.isBlank()).forEach(all::add);
            if (all.isEmpty()) {
                throw new Errors.UsageException("there is no question: stdin is empty");
            }
        }
        return all;
    }

    private EmbeddingIndex build(TextEmbedder embedder) throws IOException {
        PassageSplitter splitter = splitter(embedder);
        List<Passage> passages = new ArrayList<>();
        for (Path input : inputs) {
            if (Files.isDirectory(input)) {
                addFolder(input, splitter, passages);
            } else {
                passages.addAll(splitter.split(input.toString(), TextInput.file(input)));
            }
        }
        if (passages.isEmpty()) {
            throw new TensorException("there is no text in " + inputs);
        }
        String before = PASSAGE.stream()
                .map(embedder.prompts()::get)
                .filter(p -> p != null)
                .findFirst()
                .orElse(embedder.defaultPrompt());
        long start = System.nanoTime();
        float[][] vectors = embedder.embed(
                passages.stream().map(Passage::text).toList(), before, options.batch, done -> progress(done, passages));
        if (!common.quiet) {
            double seconds = (System.nanoTime() - start) / 1e9;
            output.note("%d passages in %.1f s, %.0f a second"
                    .formatted(passages.size(), seconds, passages.size() / seconds));
        }
        return EmbeddingIndex.of(options.model, passages, vectors);
    }

    private void progress(int done, List<Passage> passages) {
        if (common.verbose) {
            output.note(done + " of " + passages.size() + " passages");
        }
    }

    private PassageSplitter splitter(TextEmbedder embedder) {
        if (unit.equals("lines")) {
            if (overlap != 0) {
                throw new Errors.UsageException(
                        "--overlap goes with --by and a number of tokens; lines do not overlap");
            }
            return PassageSplitter.lines();
        }
        int special = embedder.encode("").length();
        int room = embedder.maxTokens() - special;
        int tokens;
        try {
            tokens = Integer.parseInt(unit);
        } catch (NumberFormatException e) {
            throw new Errors.UsageException("--by is lines or a number of tokens, not '" + unit + "'");
        }
        if (tokens < 1 || tokens > room) {
            throw new Errors.UsageException(
                    "--by is lines or 1 to " + room + " tokens, what the model takes in at once; not " + unit);
        }
        try {
            return PassageSplitter.chunks(word -> embedder.tokenizer().encode(word, false).length, tokens, overlap);
        } catch (IllegalArgumentException e) {
            throw new Errors.UsageException("--overlap: " + e.getMessage());
        }
    }

    private void addFolder(Path input, PassageSplitter splitter, List<Passage> passages) throws IOException {
        List<Path> files;
        try (Stream<Path> walk = Files.walk(input)) {
            files = walk.filter(Files::isRegularFile)
                    .filter(f -> !hidden(input.relativize(f)))
                    .sorted()
                    .toList();
        }
        int left = 0;
        for (Path file : files) {
            String text;
            try {
                text = TextInput.file(file);
            } catch (CharacterCodingException e) {
                left++;
                continue;
            }
            if (text.indexOf('\0') >= 0) {
                left++;
                continue;
            }
            passages.addAll(splitter.split(file.toString(), text));
        }
        if (left > 0 && !common.quiet) {
            output.note(input + ": " + left + " of " + files.size() + " files are not UTF-8 text and were left out");
        }
    }

    private static boolean hidden(Path relative) {
        for (Path part : relative) {
            if (part.toString().startsWith(".")) {
                return true;
            }
        }
        return false;
    }

    private void print(String question, List<EmbeddingIndex.Hit> hits) {
        if (common.json) {
            List<Map<String, Object>> found = new ArrayList<>();
            for (EmbeddingIndex.Hit hit : hits) {
                Map<String, Object> one = new LinkedHashMap<>();
                one.put("score", hit.score());
                one.put("source", hit.passage().source());
                one.put("line", hit.passage().line());
                one.put("text", hit.passage().text());
                found.add(one);
            }
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("question", question);
            line.put("hits", found);
            output.json(line);
            return;
        }
        if (questions.size() != 1) {
            output.println(question);
        }
        for (EmbeddingIndex.Hit hit : hits) {
            String text = hit.passage().text().replaceAll("\\s+", " ");
            String shown = text.length() <= SHOWN ? text : text.substring(0, SHOWN) + "...";
            output.println("%7.4f  %s:%d  %s"
                    .formatted(
                            hit.score(), hit.passage().source(), hit.passage().line(), shown));
        }
    }
}
