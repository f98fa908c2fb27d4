package io.quern.tensor.cpu;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.Function;

/**
 * Shares the boxes of a matrix product out to threads. An item is a group of columns of B by one stretch of k by a block of
 * boxes of A's rows. Each thread takes the next item that nobody has begun, stretch after stretch. When there are none, it
 * helps with the boxes of the others' items, for which it packs the columns once more. A box waits for its own stretch
 * before, so that each element is summed over k in rising order.
 */
final class GemmShare {
    private final int stretches;
    private final int boxes;
    private final int perBlock;
    private final int groups;
    private final int items;
    private final AtomicInteger begun = new AtomicInteger();
    private final AtomicIntegerArray taken; // for each item, boxes that a thread has taken
    private final AtomicIntegerArray reached; // for each group and box, stretches done; null if there is but one
    private volatile boolean failed;

    /** What one thread does. */
    interface Part {
        /** Multiplies one box of an item, whose block begins with box {@code first}. */
        void multiply(int item, int first, int box);
    }

    /** @param perBlock boxes of a block, which threads keep packed for one group after the other */
    GemmShare(int stretches, int boxes, int perBlock, int groups) {
        this.stretches = stretches;
        this.boxes = boxes;
        this.perBlock = perBlock;
        this.groups = groups;
        int blocks = Math.ceilDiv(boxes, perBlock);
        items = Math.multiplyExact(Math.multiplyExact(blocks, stretches), groups);
        taken = new AtomicIntegerArray(items);
        reached = stretches > 1 ? new AtomicIntegerArray(Math.multiplyExact(boxes, groups)) : null;
    }

    /** Multiplies all boxes; each thread that finds some to do makes its part of it. */
    void run(int threads, Function<GemmHand, Part> parts) {
        if (threads == 1) {
            work(parts);
        } else {
            Workers.parallelFor(threads, i -> work(parts));
        }
    }

    int stretch(int item) {
        return item / groups % stretches;
    }

    int group(int item) {
        return item % groups;
    }

    /** Items with the same number here have the same boxes by the same stretch. */
    int block(int item) {
        return item / groups;
    }

    int boxesOf(int item) {
        int block = item / groups / stretches;
        return Math.min(perBlock, boxes - block * perBlock);
    }

    /** Takes items that nobody has begun, then boxes of those that others have. */
    private void work(Function<GemmHand, Part> parts) {
        int mine = begun.getAndIncrement();
        if (mine >= items && open(0) == items) {
            return;
        }
        GemmHand hand = GemmHand.take();
        try {
            Part part = parts.apply(hand);
            for (; mine < items; mine = begun.getAndIncrement()) {
                boxes(part, mine);
            }
            for (int i = open(0); i < items; i = open(i + 1)) {
                boxes(part, i);
            }
        } catch (Throwable e) {
            failed = true;
            throw e;
        } finally {
            GemmHand.give(hand);
        }
    }

    /** The first item from here on with boxes that nobody has taken, or their number. */
    private int open(int from) {
        int i = from;
        while (i < items && taken.get(i) >= boxesOf(i)) {
            i++;
        }
        return i;
    }

    /** Multiplies boxes of an item as long as there are any. */
    private void boxes(Part part, int item) {
        int all = boxesOf(item);
        int first = item / groups / stretches * perBlock;
        int stretch = stretch(item);
        for (int t = taken.getAndIncrement(item); t < all; t = taken.getAndIncrement(item)) {
            int index = group(item) * boxes + first + t;
            if (stretch > 0) {
                await(index, stretch);
            }
            part.multiply(item, first, t);
            if (reached != null) {
                reached.set(index, stretch + 1);
            }
        }
    }

    private void await(int index, int count) {
        for (int spins = 0; reached.get(index) < count; spins++) {
            if (failed) {
                throw new IllegalStateException("another task of this matrix product failed");
            }
            if (spins < 1000) {
                Thread.onSpinWait();
            } else {
                Thread.yield();
            }
        }
    }
}
