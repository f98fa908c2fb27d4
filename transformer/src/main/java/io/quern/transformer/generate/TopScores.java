package io.quern.transformer.generate;

import java.util.Arrays;

/**
 * The largest of many scores, with their indices, in one pass: a heap of bounded size whose root is the worst one kept.
 * Most scores cost one comparison with it. Among equal scores the one offered first wins.
 */
final class TopScores {
    private final double[] scores;
    private final int[] indices;
    private int size;

    /** Keeps the {@code capacity} largest. */
    TopScores(int capacity) {
        scores = new double[capacity];
        indices = new int[capacity];
    }

    void clear() {
        size = 0;
    }

    int size() {
        return size;
    }

    /** The worst score kept; there must be one. */
    float worst() {
        return (float) scores[0];
    }

    /** Offers {@code n} scores, of indices from {@code firstIndex} on; those that are -inf are left out. */
    void offerAll(float[] all, int n, int firstIndex) {
        for (int i = 0; i < n; i++) {
            float s = all[i];
            if (s != Float.NEGATIVE_INFINITY && (size < scores.length || s > scores[0])) {
                offer(s, firstIndex + i);
            }
        }
    }

    void offer(double score, int index) {
        if (size < scores.length) {
            scores[size] = score;
            indices[size] = index;
            siftUp(size++);
        } else if (score > scores[0]) {
            scores[0] = score;
            indices[0] = index;
            siftDown(size);
        }
    }

    /** Sorts what is kept, best first, so that {@link #score} and {@link #index} go down; then only clear() is allowed. */
    void sort() {
        for (int n = size - 1; n > 0; n--) {
            swap(0, n);
            siftDown(n);
        }
    }

    double score(int rank) {
        return scores[rank];
    }

    int index(int rank) {
        return indices[rank];
    }

    int[] indices() {
        return Arrays.copyOf(indices, size);
    }

    /** Whether entry i goes before entry j when the worst one goes first. */
    private boolean worse(int i, int j) {
        return scores[i] < scores[j] || scores[i] == scores[j] && indices[i] > indices[j];
    }

    private void siftUp(int from) {
        int i = from;
        while (i > 0 && worse(i, (i - 1) / 2)) {
            swap(i, (i - 1) / 2);
            i = (i - 1) / 2;
        }
    }

    private void siftDown(int n) {
        int i = 0;
        while (2 * i + 1 < n) {
            int child = 2 * i + 1;
            if (child + 1 < n && worse(child + 1, child)) {
                child++;
            }
            if (!worse(child, i)) {
                return;
            }
            swap(i, child);
            i = child;
        }
    }

    private void swap(int i, int j) {
        double s = scores[i];
        scores[i] = scores[j];
        scores[j] = s;
        int index = indices[i];
        indices[i] = indices[j];
        indices[j] = index;
    }
}
