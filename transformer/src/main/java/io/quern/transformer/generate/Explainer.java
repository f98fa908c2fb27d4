package io.quern.transformer.generate;

import java.util.ArrayList;
import java.util.List;

/** Watches processors at work on one row of scores. */
final class Explainer {
    private static final float BANNED = Float.NEGATIVE_INFINITY;

    private final int candidates;
    private float[] logits;
    private double[] probabilities;
    private List<Explanation.Effect> effects;

    Explainer(int candidates) {
        this.candidates = candidates;
    }

    /** Runs the processors on the scores. */
    void process(List<LogitsProcessor> processors, float[] scores, TokenSequence tokens) {
        logits = scores.clone();
        probabilities = probabilities(scores);
        effects = new ArrayList<>();
        for (LogitsProcessor p : processors) {
            float[] before = scores.clone();
            p.process(scores, tokens);
            int removed = 0;
            int changed = 0;
            double mass = 0;
            for (int i = 0; i < scores.length; i++) {
                if (scores[i] != before[i]) {
                    if (scores[i] == BANNED) {
                        removed++;
                        mass += probabilities[i];
                    } else {
                        changed++;
                    }
                }
            }
            effects.add(new Explanation.Effect(p.name(), removed, mass, changed));
        }
    }

    /** The explanation of a choice from the processed scores. */
    Explanation explain(int sequence, int position, int token, float[] scores) {
        double[] last = probabilities(scores);
        TopScores top = new TopScores(Math.min(candidates, logits.length));
        top.offerAll(logits, logits.length, 0);
        top.sort();
        List<Explanation.Candidate> list = new ArrayList<>();
        boolean listed = false;
        for (int index : top.indices()) {
            list.add(candidate(index, last));
            listed |= index == token;
        }
        if (!listed) {
            list.add(candidate(token, last));
        }
        return new Explanation(sequence, position, token, entropy(probabilities), entropy(last), list, effects);
    }

    private Explanation.Candidate candidate(int token, double[] last) {
        return new Explanation.Candidate(token, logits[token], probabilities[token], last[token]);
    }

    private static double[] probabilities(float[] scores) {
        double[] p = new double[scores.length];
        int best = Sampler.argmax(scores);
        if (best >= 0) {
            double sum = Sampler.softmax(scores, scores[best], p);
            for (int i = 0; i < p.length; i++) {
                p[i] /= sum;
            }
        }
        return p;
    }

    private static double entropy(double[] p) {
        double bits = 0;
        for (double x : p) {
            bits -= x > 0 ? x * Math.log(x) / Math.log(2) : 0;
        }
        return bits;
    }
}
