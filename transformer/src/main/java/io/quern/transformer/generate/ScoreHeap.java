package io.quern.transformer.generate;

import java.util.function.IntConsumer;

/**
 * Indices in descending order of their scores, as far as they are asked for: built in linear time, so that taking the first
 * few of 50,000 is cheap. Among equal scores the lower index comes first.
 */
final class ScoreHeap {
    private int[] heap = new int[0];
    private float[] scores;
    private int size;

    /** Takes all indices whose score is not -inf. The scores must not change until the heap is filled again. */
    void fill(float[] all) {
        if (heap.length < all.length) {
            heap = new int[all.length];
        }
        scores = all;
        size = 0;
        for (int i = 0; i < all.length; i++) {
            if (all[i] != Float.NEGATIVE_INFINITY) {
                heap[size++] = i;
            }
        }
        for (int i = size / 2 - 1; i >= 0; i--) {
            siftDown(i);
        }
    }

    int size() {
        return size;
    }

    /** The index of the largest score left. */
    int peek() {
        return heap[0];
    }

    /** Takes out the index of the largest score left. */
    int poll() {
        int top = heap[0];
        heap[0] = heap[--size];
        siftDown(0);
        return top;
    }

    /** The indices that are left, in no order. */
    void forEachLeft(IntConsumer action) {
        for (int i = 0; i < size; i++) {
            action.accept(heap[i]);
        }
    }

    private boolean before(int a, int b) {
        return scores[a] > scores[b] || scores[a] == scores[b] && a < b;
    }

    private void siftDown(int from) {
        int i = from;
        int moving = heap[i];
        while (2 * i + 1 < size) {
            int child = 2 * i + 1;
            if (child + 1 < size && before(heap[child + 1], heap[child])) {
                child++;
            }
            if (!before(heap[child], moving)) {
                break;
            }
            heap[i] = heap[child];
            i = child;
        }
        heap[i] = moving;
    }
}
