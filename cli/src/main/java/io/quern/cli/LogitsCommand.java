package io.quern.cli;

import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tape;
import io.quern.tensor.Tensor;
import io.quern.tensor.file.Npy;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.hub.ModelDir;
import io.quern.transformer.text.Tokenizer;
import io.quern.transformer.text.TokenizerException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows what a model expects after each token of a prompt. */
@Command(name = "logits", description = "Print the likeliest next tokens after each position of a prompt.")
final class LogitsCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelOption model;

    @Mixin
    private AdapterOption adapter;

    @Mixin
    private DeviceOptions deviceOptions;

    @Mixin
    private WeightOptions weightOptions;

    @Mixin
    private PromptOptions prompt;

    @Option(
            names = {"--top"},
            paramLabel = "N",
            defaultValue = "10",
            description = "Candidates for each position. Default: ${DEFAULT-VALUE}.")
    private int top;

    @Option(
            names = {"--out"},
            paramLabel = "FILE.npy",
            description = "Write all logits as float32 [tokens, vocabulary].")
    private Path out;

    private final Output output;

    LogitsCommand(Output output) {
        this.output = output;
    }

    private record Candidate(int id, double logit, double probability) {}

    @Override
    public Integer call() throws IOException {
        if (top < 0) {
            throw new Errors.UsageException("--top must be 0 or more, not " + top);
        }
        Device device = deviceOptions.open(output, common.verbose);
        ModelDir dir = adapter.open(model);
        String text = prompt.text(output);
        Tokenizer tokenizer = tokenizer(dir, text);
        int[] ids = prompt.ids(text, tokenizer);
        try (CausalLanguageModel loaded = weightOptions.load(adapter.loader(dir), device, output, common.verbose)) {
            TokenIds.check(ids, loaded.vocabSize());
            float[] logits = Scope.run(() -> Tape.noGrad(
                    () -> loaded.logits(Tensor.of(ids, 1, ids.length)).toFloats()));
            if (out != null) {
                Npy.write(out, io.quern.tensor.Shape.of(ids.length, loaded.vocabSize()), logits);
            }
            for (int t = 0; t < ids.length; t++) {
                print(t, ids[t], candidates(logits, t * loaded.vocabSize(), loaded.vocabSize()), tokenizer);
            }
        }
        return Main.OK;
    }

    /** A model without a tokenizer can still be asked by ids. */
    private static Tokenizer tokenizer(ModelDir dir, String text) {
        try {
            return dir.tokenizer();
        } catch (TokenizerException e) {
            if (text != null) {
                throw e;
            }
            return null;
        }
    }

    private List<Candidate> candidates(float[] logits, int at, int vocabulary) {
        double max = Double.NEGATIVE_INFINITY;
        for (int i = 0; i < vocabulary; i++) {
            max = Math.max(max, logits[at + i]);
        }
        double sum = 0;
        PriorityQueue<Integer> best = new PriorityQueue<>((a, b) -> {
            int order = Float.compare(logits[at + a], logits[at + b]);
            return order != 0 ? order : Integer.compare(b, a);
        });
        for (int i = 0; i < vocabulary; i++) {
            sum += Math.exp(logits[at + i] - max);
            best.add(i);
            if (best.size() > top) {
                best.poll();
            }
        }
        List<Candidate> found = new ArrayList<>();
        while (!best.isEmpty()) {
            int id = best.poll();
            found.addFirst(new Candidate(id, logits[at + id], Math.exp(logits[at + id] - max) / sum));
        }
        return found;
    }

    private void print(int position, int id, List<Candidate> candidates, Tokenizer tokenizer) {
        if (common.json) {
            Map<String, Object> line = new LinkedHashMap<>();
            line.put("position", position);
            line.put("id", id);
            line.put("token", text(id, tokenizer));
            List<Map<String, Object>> next = new ArrayList<>();
            for (Candidate c : candidates) {
                Map<String, Object> m = new LinkedHashMap<>();
                m.put("id", c.id);
                m.put("token", text(c.id, tokenizer));
                m.put("logit", c.logit);
                m.put("probability", c.probability);
                next.add(m);
            }
            line.put("next", next);
            output.json(line);
            return;
        }
        output.println(position + " " + id + " " + quoted(id, tokenizer));
        for (Candidate c : candidates) {
            output.println("  %6.2f %%  %9.4f  %6d  %s"
                    .formatted(100 * c.probability, c.logit, c.id, quoted(c.id, tokenizer)));
        }
    }

    private static String text(int id, Tokenizer tokenizer) {
        return tokenizer == null ? null : tokenizer.decode(id);
    }

    private static String quoted(int id, Tokenizer tokenizer) {
        return tokenizer == null
                ? ""
                : '"'
                        + tokenizer
                                .decode(id)
                                .replace("\\", "\\\\")
                                .replace("\n", "\\n")
                                .replace("\"", "\\\"")
                        + '"';
    }
}
