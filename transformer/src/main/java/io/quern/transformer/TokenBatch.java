package io.quern.transformer;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.TensorHolder;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * Sequences of token ids of equal length. Shorter ones are padded on the left, so that the last position is the last
 * token of each.
 *
 * @param ids I32 [B, T]
 * @param mask I32 [B, T], 0 where a sequence is padded; null where none is
 * @param positions I32 [B, T], the position of each token in its sequence; null for 0, 1, 2, ...
 */
public record TokenBatch(Tensor ids, Tensor mask, Tensor positions) implements TensorHolder {
    public TokenBatch {
        if (ids.shape().rank() != 2 || ids.dim(1) == 0) {
            throw new TensorException("token ids are [batch, tokens], with one token or more; got " + ids.describe());
        }
        if ((mask == null) != (positions == null)) {
            throw new TensorException("a padded batch needs both a mask and positions");
        }
    }

    /** A batch without padding. */
    public static TokenBatch of(Tensor ids) {
        return new TokenBatch(ids, null, null);
    }

    /**
     * Sequences of any lengths, padded on the left.
     *
     * @param pad the id that fills; nothing attends to it
     */
    public static TokenBatch leftPadded(List<int[]> sequences, int pad) {
        int t = sequences.stream().mapToInt(s -> s.length).max().orElse(0);
        int b = sequences.size();
        int[] ids = new int[b * t];
        int[] mask = new int[b * t];
        int[] positions = new int[b * t];
        Arrays.fill(ids, pad);
        boolean padded = false;
        for (int i = 0; i < b; i++) {
            int[] s = sequences.get(i);
            int start = i * t + t - s.length;
            System.arraycopy(s, 0, ids, start, s.length);
            for (int j = 0; j < s.length; j++) {
                mask[start + j] = 1;
                positions[start + j] = j;
            }
            padded |= s.length < t;
        }
        Tensor all = Tensor.of(ids, b, t);
        return padded ? new TokenBatch(all, Tensor.of(mask, b, t), Tensor.of(positions, b, t)) : of(all);
    }

    /** The same batch on another device. */
    TokenBatch to(Device device) {
        return ids.device().equals(device)
                ? this
                : new TokenBatch(
                        ids.to(device),
                        mask == null ? null : mask.to(device),
                        positions == null ? null : positions.to(device));
    }

    @Override
    public void forEachTensor(Consumer<Tensor> action) {
        action.accept(ids);
        if (mask != null) {
            action.accept(mask);
            action.accept(positions);
        }
    }
}
