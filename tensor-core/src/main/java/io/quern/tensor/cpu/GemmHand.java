package io.quern.tensor.cpu;

import io.quern.tensor.TensorException;
import io.quern.tensor.cpu.x86.AmxTileCode;
import io.quern.tensor.cpu.x86.GemmTileCode;
import java.lang.foreign.ValueLayout;

/**
 * What one thread needs for its part of a product in machine code: memory off-heap for the arguments of
 * {@link GemmTileCode} and for packed panels, which grows as needed. Hands are used again from call to call, not bound to
 * threads, as kernels are called from virtual threads too; there are as many as products that ever ran at once.
 */
final class GemmHand {
    private static final FreeList<GemmHand> FREE = new FreeList<>(GemmHand::new);
    private static final int PAGE = 4096;

    private final Area arguments = new Area();
    private final Area left = new Area();
    private final Area right = new Area();
    private final Area stage = new Area();

    private GemmHand() {
        arguments.atLeast(Math.max(GemmTileCode.BYTES, AmxTileCode.BYTES));
    }

    static GemmHand take() {
        return FREE.take();
    }

    static void give(GemmHand hand) {
        if (!FREE.give(hand)) {
            for (Area area : new Area[] {hand.arguments, hand.left, hand.right, hand.stage}) {
                area.free();
            }
        }
    }

    /** Sets an argument of {@link GemmTileCode} or {@link AmxTileCode}, by its offset. */
    void set(int argument, long value) {
        OffHeap.ALL.set(ValueLayout.JAVA_LONG, arguments.address + argument, value);
    }

    long arguments() {
        return arguments.address;
    }

    /** Memory for A; its content is lost if it has to grow. */
    long left(long bytes) {
        return left.atLeast(bytes);
    }

    /** Memory for B, as {@link #left}. */
    long right(long bytes) {
        return right.atLeast(bytes);
    }

    /** Memory for what is on its way there, as {@link #left}. */
    long stage(long bytes) {
        return stage.atLeast(bytes);
    }

    /** Some memory, at the start of a page. */
    private static final class Area {
        private long raw;
        private long address;
        private long size;

        long atLeast(long bytes) {
            if (size < bytes) {
                free();
                long wanted = Math.max(PAGE, Long.highestOneBit(bytes - 1) << 1);
                raw = Malloc.malloc(wanted + PAGE);
                if (raw == 0) {
                    throw new TensorException("out of CPU memory: a matrix product asked for " + wanted
                            + " bytes to pack its operands; make the batch smaller, or raise the memory limit");
                }
                address = (raw + PAGE - 1) & -PAGE;
                size = wanted;
            }
            return address;
        }

        void free() {
            if (raw != 0) {
                Malloc.free(raw);
            }
            raw = 0;
            size = 0;
        }
    }
}
