package io.quern.cli;

import io.quern.nn.Module;
import io.quern.tensor.Device;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.KvCache;
import java.util.ArrayList;
import java.util.List;

/** A prompt at once, and then, from a cache, the tokens that the first device finds likeliest one by one. */
final class VerifyLanguage implements VerifySubject {
    private final CausalLanguageModel model;
    private final int[] prompt;
    private final int decode;
    private final List<Integer> chosen = new ArrayList<>();

    VerifyLanguage(CausalLanguageModel model, int[] prompt, int decode) {
        this.model = model;
        this.prompt = prompt;
        this.decode = decode;
    }

    @Override
    public Module model() {
        return model;
    }

    @Override
    public String input() {
        return "a prompt of " + prompt.length + " and then " + decode + " tokens";
    }

    @Override
    public int classes() {
        return model.vocabSize();
    }

    @Override
    public List<float[]> run(Device device, Runner runner) {
        List<float[]> logits = new ArrayList<>();
        Scope.run(() -> {
            Tensor ids = Tensor.of(prompt, 1, prompt.length).to(device);
            logits.add(runner.run("prompt", () -> model.logits(ids)));
            return null;
        });
        if (decode == 0) {
            return logits;
        }
        try (KvCache cache = model.newCache(1)) {
            for (int i = 0; i < decode; i++) {
                int[] next = i == 0 ? prompt : new int[] {chosen.get(i - 1)};
                String pass = "token " + (i + 1);
                float[] row = Scope.run(() -> {
                    Tensor ids = Tensor.of(next, 1, next.length).to(device);
                    return runner.run(pass, () -> model.lastLogits(ids, cache));
                });
                logits.add(row);
                if (chosen.size() == i) {
                    chosen.add(likeliest(row));
                }
            }
        }
        return logits;
    }

    private static int likeliest(float[] row) {
        int best = 0;
        for (int i = 1; i < row.length; i++) {
            best = row[i] > row[best] ? i : best;
        }
        return best;
    }
}
