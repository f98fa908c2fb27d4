package io.quern.cli;

import io.quern.nn.Init;
import io.quern.tensor.Scope;
import io.quern.tensor.Tensor;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.KvCache;
import io.quern.transformer.model.Gpt2Config;
import java.util.Arrays;
import java.util.Set;

/**
 * Lets the JIT compile the kernels of a decoder while the command line and files are still being read. Until then the
 * Vector API runs in interpreted code, a hundred times slower, which on very small operands does no harm. The launcher has the JIT compile
 * these methods at their first calls, and the calls wait for it; without such flags this only helps a little.
 */
final class WarmUp {
    private static final Set<String> COMMANDS = Set.of("generate", "logits");

    /** Options that decide where kernels run and on how many threads: these must be read first. */
    private static final Set<String> DECIDING = Set.of("--device", "--threads");

    /** Enough for the thresholds that the launcher sets. */
    private static final int PRODUCT_ROUNDS = 10;

    private static final int MODEL_ROUNDS = 3;

    private WarmUp() {}

    /** Starts beside the caller, if the arguments ask for a decoder on the CPU with all its threads. */
    static void begin(String[] args) {
        boolean plain = Arrays.stream(args).noneMatch(a -> DECIDING.contains(a.replaceFirst("=.*", "")));
        if (args.length > 0 && COMMANDS.contains(args[0]) && plain) {
            Background.start("warm-up", WarmUp::run);
        }
    }

    private static Void run() {
        products();
        try (CausalLanguageModel tiny = Gpt2Config.of(256, 64, 128, 1, 2).build(Init.constant(0.01))) {
            for (int i = 0; i < MODEL_ROUNDS; i++) {
                try (KvCache cache = tiny.newCache(1)) {
                    step(tiny, cache, 31);
                    step(tiny, cache, 1);
                    step(tiny, cache, 1);
                }
            }
        }
        StartUp.mark("warm-up");
        return null;
    }

    /** With few steps of the inner loop, so that whole methods are compiled, and not first a loop alone. */
    private static void products() {
        try (Tensor a = Tensor.ones(31, 32).keep();
                Tensor b = Tensor.ones(32, 128).keep()) {
            for (int i = 0; i < PRODUCT_ROUNDS; i++) {
                Scope.run(() -> {
                    a.matmul(b);
                    return null;
                });
            }
        }
    }

    private static void step(CausalLanguageModel model, KvCache cache, int tokens) {
        Scope.run(() ->
                model.lastLogits(Tensor.of(new int[tokens], 1, tokens), cache).toFloats().length);
    }
}
