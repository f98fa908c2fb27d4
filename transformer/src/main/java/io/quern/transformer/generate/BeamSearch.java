package io.quern.transformer.generate;

import io.quern.tensor.Jfr;
import io.quern.tensor.TensorException;
import io.quern.transformer.CausalLanguageModel;
import io.quern.transformer.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalDouble;

/**
 * Beam search as transformers does it.
 *
 * <p>It starts with the prompt as the only beam. In each step the logarithms of the probabilities go through the processors
 * and are added to the beam's sum; of all continuations of all beams, the best 2 * beams are candidates (more with several
 * end tokens, so that enough candidates go on in any case). A candidate that ends is a result if it is among the first
 * {@code beams}; the best others are the next beams. The results kept are the best {@code beams} by sum / length ^ penalty.
 * The search ends as {@link EarlyStopping} says, or at the token limit, where all candidates end.
 */
final class BeamSearch {
    private final CausalLanguageModel model;
    private final Tokenizer tokenizer;
    private final GenerationConfig config;
    private final GenerationListener listener;
    private final Cancellation cancellation;
    private final List<LogitsProcessor> processors;
    private final StopStrings stops;
    private final int[] prompt;
    private final int limit;
    private final int width;
    private final float[] scores;
    private final TopScores candidates;
    private final Shortlist shortlist;
    private final List<Result> results = new ArrayList<>();

    private Beam[] beams;
    private Beam[] next;
    private int running = 1;
    private int length;

    /** A sequence that goes on, and the sum of its log probabilities. */
    private static final class Beam {
        private final TokenSequence tokens;
        private double sum;

        Beam(TokenSequence tokens) {
            this.tokens = tokens;
        }
    }

    private record Result(int[] tokens, double score, FinishReason end) {}

    BeamSearch(CausalLanguageModel model, Tokenizer tokenizer, GenerationRequest request, int[] prompt, int limit) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.config = request.config();
        this.listener = request.listener();
        this.cancellation = new Cancellation(request.cancelled());
        this.processors = LogitsProcessors.of(config, request.processors());
        this.stops = new StopStrings(tokenizer, config.stopStrings());
        this.prompt = prompt;
        this.limit = limit;
        this.width = config.numBeams();
        this.scores = new float[model.vocabSize()];
        long wanted = (long) Math.max(2, 1 + config.eosTokenIds().size()) * width;
        long most = Math.multiplyExact((long) width, model.vocabSize());
        if (most > Integer.MAX_VALUE) {
            throw new TensorException("num_beams " + width + " is too many for a vocabulary of " + model.vocabSize());
        }
        this.candidates = new TopScores((int) Math.min(wanted, most));
        this.shortlist =
                processors.isEmpty() ? Shortlist.ofBest((int) Math.min(wanted, most), model.vocabSize()) : null;
        this.beams = beams();
        this.next = beams();
    }

    private Beam[] beams() {
        Beam[] all = new Beam[width];
        for (int i = 0; i < width; i++) {
            all[i] = new Beam(new TokenSequence(prompt, limit));
        }
        return all;
    }

    GenerationResult run() {
        try (DecodingSession session = new DecodingSession(model, width, true, shortlist)) {
            TokenEvent event = Jfr.isOn() ? TokenEvent.start() : null;
            boolean cancelled = !session.prefill(prompt, limit, cancellation);
            int[] parents = new int[width];
            int[] tokens = new int[width];
            while (!cancelled) {
                int working = running;
                findCandidates(session);
                divide(parents, tokens);
                if (event != null) {
                    event.finish(prompt.length + length - 1, working, length == 1 ? prompt.length : 0);
                }
                if (isOver()) {
                    break;
                }
                cancelled = cancellation.isRequested();
                if (!cancelled) {
                    event = Jfr.isOn() ? TokenEvent.start() : null;
                    session.step(java.util.Arrays.copyOf(parents, running), java.util.Arrays.copyOf(tokens, running));
                }
            }
            if (cancelled) {
                for (int i = 0; i < running; i++) {
                    keep(beams[i].tokens.newTokens(), beams[i].sum, FinishReason.CANCELLED);
                }
            }
            return new GenerationResult(sequences(), prompt.length, session.timings());
        }
    }

    private void findCandidates(DecodingSession session) {
        candidates.clear();
        for (int b = 0; b < running; b++) {
            if (shortlist != null && offerShortlist(session, b)) {
                continue;
            }
            session.scores(b, scores);
            for (int i = 0; i < processors.size(); i++) {
                processors.get(i).process(scores, beams[b].tokens);
            }
            double sum = beams[b].sum;
            for (int v = 0; v < scores.length; v++) {
                if (scores[v] != Float.NEGATIVE_INFINITY) {
                    candidates.offer(sum + scores[v], b * scores.length + v);
                }
            }
        }
        candidates.sort();
        if (candidates.size() == 0) {
            throw new TensorException("no token is left to choose after " + LogitsProcessors.names(processors)
                    + " at new token " + (length + 1) + "; loosen them");
        }
    }

    /** Offers the best continuations of a beam if others cannot be among the best of all; ties may need all. */
    private boolean offerShortlist(DecodingSession session, int b) {
        session.shortlist(b);
        double sum = beams[b].sum;
        if (!shortlist.hasBestAfter(sum)) {
            return false;
        }
        float[] few = shortlist.scores();
        for (int i = 0; i < few.length; i++) {
            if (few[i] != Float.NEGATIVE_INFINITY) {
                candidates.offer(sum + few[i], b * scores.length + shortlist.token(i));
            }
        }
        return true;
    }

    /** Puts candidates that end into the results, and makes the others the next beams. */
    private void divide(int[] parents, int[] tokens) {
        boolean full = results.size() == width;
        boolean last = length + 1 == limit;
        int going = 0;
        for (int rank = 0; rank < candidates.size(); rank++) {
            int parent = candidates.index(rank) / scores.length;
            int token = candidates.index(rank) % scores.length;
            double sum = candidates.score(rank);
            FinishReason end = end(beams[parent].tokens, token, last);
            if (end == null) {
                if (going < width) {
                    next[going].tokens.continueFrom(beams[parent].tokens, token);
                    next[going].sum = sum;
                    parents[going] = parent;
                    tokens[going] = token;
                    going++;
                }
            } else if (rank < width && !(full && config.earlyStopping() == EarlyStopping.TRUE)) {
                keep(appended(beams[parent].tokens, token), sum, end);
            }
        }
        Beam[] old = beams;
        beams = next;
        next = old;
        running = going;
        length++;
    }

    private FinishReason end(TokenSequence before, int token, boolean last) {
        if (config.isEos(token)) {
            return FinishReason.EOS;
        }
        if (stops.completedBy(before, token)) {
            return FinishReason.STOP;
        }
        return last ? FinishReason.LENGTH : null;
    }

    private static int[] appended(TokenSequence before, int token) {
        int[] all = java.util.Arrays.copyOf(before.newTokens(), before.newLength() + 1);
        all[before.newLength()] = token;
        return all;
    }

    /** Adds to the results if it is among the best; an earlier one of equal score stays ahead. */
    private void keep(int[] tokens, double sum, FinishReason end) {
        double score = sum / Math.pow(Math.max(1, tokens.length), config.lengthPenalty());
        int at = results.size();
        while (at > 0 && results.get(at - 1).score < score) {
            at--;
        }
        results.add(at, new Result(tokens, score, end));
        if (results.size() > width) {
            results.removeLast();
        }
    }

    private boolean isOver() {
        if (running == 0) {
            return true;
        }
        if (results.size() < width) {
            return false;
        }
        if (config.earlyStopping() == EarlyStopping.TRUE) {
            return true;
        }
        boolean hopeful = config.earlyStopping() == EarlyStopping.NEVER && config.lengthPenalty() > 0;
        double best = beams[0].sum / Math.pow(hopeful ? limit : length, config.lengthPenalty());
        return !(best > results.getLast().score);
    }

    private List<GeneratedSequence> sequences() {
        List<GeneratedSequence> all = new ArrayList<>();
        for (int i = 0; i < Math.min(results.size(), config.numReturnSequences()); i++) {
            Result r = results.get(i);
            String text = tokenizer == null ? null : text(r);
            all.add(new GeneratedSequence(r.tokens, text, OptionalDouble.of(r.score), r.end));
            for (int token : r.tokens) {
                listener.onToken(i, token);
            }
            if (text != null && !text.isEmpty()) {
                listener.onText(i, text);
            }
            listener.onFinish(i, r.end);
        }
        return all;
    }

    private String text(Result r) {
        TextStream stream = new TextStream(tokenizer, config.stopStrings());
        int count = r.end == FinishReason.EOS ? r.tokens.length - 1 : r.tokens.length;
        for (int i = 0; i < count && !stream.isStopped(); i++) {
            stream.push(r.tokens[i]);
        }
        stream.end();
        return stream.text();
    }
}
