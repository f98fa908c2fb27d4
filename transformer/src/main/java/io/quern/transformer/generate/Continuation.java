package io.quern.transformer.generate;

import io.quern.tensor.Jfr;
import io.quern.tensor.Rng;
import io.quern.tensor.TensorException;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/**
 * Greedy decoding and sampling: every sequence grows by itself, all of them in one batch over the shared prompt. Each has a
 * random stream of its own, so that what it becomes does not depend on the others.
 */
final class Continuation {
    private final CausalLanguageModel model;
    private final GenerationConfig config;
    private final GenerationListener listener;
    private final Cancellation cancellation;
    private final List<LogitsProcessor> processors;
    private final int[] prompt;
    private final int limit;
    private final List<Growing> all = new ArrayList<>();
    private final Sampler sampler = new Sampler();
    private final Explainer explainer;
    private final Shortlist shortlist;
    private final float[] scores;

    /** A sequence, and what becomes of it. */
    private static final class Growing {
        private final int index;
        private final TokenSequence tokens;
        private final Rng rng;
        private final TextStream text;
        private FinishReason end;

        Growing(int index, TokenSequence tokens, Rng rng, TextStream text) {
            this.index = index;
            this.tokens = tokens;
            this.rng = rng;
            this.text = text;
        }
    }

    Continuation(CausalLanguageModel model, Tokenizer tokenizer, GenerationRequest request, int[] prompt, int limit) {
        this.model = model;
        this.config = request.config();
        this.listener = request.listener();
        this.cancellation = new Cancellation(request.cancelled());
        this.processors = LogitsProcessors.of(config, request.processors());
        this.prompt = prompt;
        this.limit = limit;
        this.explainer = listener.explainedCandidates() > 0 ? new Explainer(listener.explainedCandidates()) : null;
        this.shortlist = explainer == null ? Shortlist.of(config, request.processors(), model.vocabSize()) : null;
        this.scores = new float[model.vocabSize()];
        for (int i = 0; i < config.numReturnSequences(); i++) {
            TextStream text = tokenizer == null ? null : new TextStream(tokenizer, config.stopStrings());
            all.add(new Growing(i, new TokenSequence(prompt, limit), new Rng(config.seed(), i), text));
        }
    }

    GenerationResult run() {
        try (DecodingSession session = new DecodingSession(model, all.size(), false, shortlist)) {
            List<Growing> active = all;
            TokenEvent event = Jfr.isOn() ? TokenEvent.start() : null;
            if (session.prefill(prompt, limit, cancellation)) {
                int[] rows = new int[active.size()];
                active = grow(session, active, rows);
                if (event != null) {
                    event.finish(prompt.length, rows.length, prompt.length);
                }
                int position = prompt.length;
                while (!active.isEmpty() && !cancellation.isRequested()) {
                    event = Jfr.isOn() ? TokenEvent.start() : null;
                    int[] parents = new int[active.size()];
                    int[] tokens = new int[active.size()];
                    for (int i = 0; i < tokens.length; i++) {
                        Growing g = active.get(i);
                        parents[i] = rows[g.index];
                        tokens[i] = g.tokens.get(g.tokens.length() - 1);
                        rows[g.index] = i;
                    }
                    session.step(parents, tokens);
                    active = grow(session, active, rows);
                    position++;
                    if (event != null) {
                        event.finish(position, tokens.length, 0);
                    }
                }
            }
            active.forEach(g -> finish(g, FinishReason.CANCELLED));
            List<GeneratedSequence> results = all.stream()
                    .map(g -> new GeneratedSequence(
                            g.tokens.newTokens(), g.text == null ? null : g.text.text(), OptionalDouble.empty(), g.end))
                    .toList();
            return new GenerationResult(results, prompt.length, session.timings());
        }
    }

    /** Adds a token to each sequence; gives those that are not complete. */
    private List<Growing> grow(DecodingSession session, List<Growing> active, int[] rows) {
        List<Growing> left = new ArrayList<>(active.size());
        for (Growing g : active) {
            FinishReason end = accept(g, choose(session, rows[g.index], g));
            if (end == null) {
                left.add(g);
            } else {
                finish(g, end);
            }
        }
        return left;
    }

    private int choose(DecodingSession session, int row, Growing g) {
        if (shortlist != null) {
            session.shortlist(row);
            if (!config.doSample() || shortlist.hasBest(config.temperature())) {
                return chosen(chooseFromShortlist(g), g);
            }
        }
        session.scores(row, scores);
        if (explainer == null) {
            for (int i = 0; i < processors.size(); i++) {
                processors.get(i).process(scores, g.tokens);
            }
        } else {
            explainer.process(processors, scores, g.tokens);
        }
        int token = chosen(config.doSample() ? sampler.draw(scores, g.rng) : Sampler.argmax(scores), g);
        if (explainer != null) {
            listener.onExplanation(explainer.explain(g.index, g.tokens.newLength(), token, scores));
        }
        return token;
    }

    private int chooseFromShortlist(Growing g) {
        float[] few = shortlist.scores();
        for (int i = 0; i < processors.size(); i++) {
            processors.get(i).process(few, g.tokens);
        }
        int best = config.doSample() ? sampler.draw(few, g.rng) : Sampler.argmax(few);
        return best < 0 ? -1 : shortlist.token(best);
    }

    private int chosen(int token, Growing g) {
        if (token < 0) {
            throw new TensorException("no token is left to choose after " + LogitsProcessors.names(processors)
                    + " at new token " + (g.tokens.newLength() + 1) + "; loosen them");
        }
        return token;
    }

    /** Adds the token; gives why the sequence ends with it, or null. */
    private FinishReason accept(Growing g, int token) {
        g.tokens.add(token);
        listener.onToken(g.index, token);
        if (config.isEos(token)) {
            return FinishReason.EOS;
        }
        if (g.text != null) {
            emit(g, g.text.push(token));
            if (g.text.isStopped()) {
                return FinishReason.STOP;
            }
        }
        return g.tokens.newLength() == limit ? FinishReason.LENGTH : null;
    }

    private void finish(Growing g, FinishReason end) {
        if (g.text != null) {
            emit(g, g.text.end());
        }
        g.end = end;
        listener.onFinish(g.index, end);
    }

    private void emit(Growing g, String piece) {
        if (!piece.isEmpty()) {
            listener.onText(g.index, piece);
        }
    }
}
