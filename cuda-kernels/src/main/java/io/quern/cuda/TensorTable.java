package io.quern.cuda;

import io.quern.tensor.DType;
import io.quern.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Tensors that one launch treats together: the {@code Tensors} of {@code tensors.cuh}. */
final class TensorTable {
    /** As in {@code tensors.cuh}. */
    private static final int CHUNK = 4096;

    private static final int WORDS = 490;
    private static final int HEADER = 2;
    private static final int ADDRESS = 3;

    private final long[] members = new long[HEADER + WORDS];
    private final int stride;
    private int count;
    private long chunks;
    private long elements;

    /** An empty one. */
    TensorTable(int addresses) {
        this.stride = ADDRESS + addresses;
        members[1] = stride;
    }

    /** What goes with tensor {@code i} in the kernel: its own address and those of others of its shape; 0 for none. */
    interface Addresses {
        long[] of(int i);
    }

    /**
     * Tables of these tensors, in their order, as few as hold them; empty tensors are left out.
     *
     * @param decay of each tensor, or null
     */
    static Map<DType, List<TensorTable>> of(List<Tensor> tensors, double[] decay, Addresses addresses) {
        Map<DType, List<TensorTable>> all = new LinkedHashMap<>();
        for (int i = 0; i < tensors.size(); i++) {
            Tensor t = tensors.get(i);
            if (t.size() == 0) {
                continue;
            }
            long[] at = addresses.of(i);
            List<TensorTable> same = all.computeIfAbsent(t.dtype(), d -> new ArrayList<>());
            if (same.isEmpty() || same.getLast().isFull()) {
                same.add(new TensorTable(at.length));
            }
            same.getLast().add(t.size(), decay == null ? 0 : decay[i], at);
        }
        return all;
    }

    boolean isFull() {
        return (count + 1) * stride > WORDS;
    }

    /** Adds a tensor of one element or more; the table must not be full. */
    void add(long size, double factor, long... addresses) {
        int at = HEADER + count++ * stride;
        chunks += (size + CHUNK - 1) / CHUNK;
        elements += size;
        members[0] = count;
        members[at] = chunks;
        members[at + 1] = size;
        members[at + 2] = Double.doubleToRawLongBits(factor);
        System.arraycopy(addresses, 0, members, at + ADDRESS, addresses.length);
    }

    /** For {@link io.quern.cuda.driver.Launch#struct}. */
    long[] members() {
        return members;
    }

    /** Of all tensors together; a block takes one after another. */
    long chunks() {
        return chunks;
    }

    /** Of all tensors together. */
    long elements() {
        return elements;
    }
}
