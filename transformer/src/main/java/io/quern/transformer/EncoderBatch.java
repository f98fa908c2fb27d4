package io.quern.transformer;

import io.quern.tensor.Device;
import io.quern.tensor.Tensor;
import io.quern.tensor.TensorException;
import io.quern.tensor.TensorHolder;
import io.quern.transformer.text.Encoding;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * Sequences of token ids for an encoder, all padded on the right to one length. Its tensors live as long as the {@link
 * io.quern.tensor.Scope} that it is made in; made outside of any, until their {@code close}.
 *
 * @param ids I32 [B, T]
 * @param mask I32 [B, T], 0 where a sequence is padded; null where none is
 * @param tokenTypes I32 [B, T], which of two texts a token belongs to; null for 0 everywhere
 */
public record EncoderBatch(Tensor ids, Tensor mask, Tensor tokenTypes) implements TensorHolder {
    public EncoderBatch {
        if (ids.shape().rank() != 2 || ids.dim(1) == 0) {
            throw new TensorException("token ids are [batch, tokens], with one token or more; got " + ids.describe());
        }
        sameShape("the mask", mask, ids);
        sameShape("the token types", tokenTypes, ids);
    }

    private static void sameShape(String what, Tensor t, Tensor ids) {
        if (t != null && !t.shape().equals(ids.shape())) {
            throw new TensorException(
                    what + " must have the shape of the ids, " + ids.shape() + "; got " + t.describe());
        }
    }

    /** A batch without padding, each row one text. */
    public static EncoderBatch of(Tensor ids) {
        return new EncoderBatch(ids, null, null);
    }

    /**
     * Texts or pairs as a tokenizer gives them, of any lengths, padded on the right.
     *
     * @param pad the id that fills, as {@code BertConfig.padTokenId()} gives it; nothing attends to it
     */
    public static EncoderBatch of(List<Encoding> texts, int pad) {
        return rightPadded(
                texts.stream().map(Encoding::ids).toList(),
                texts.stream().map(Encoding::typeIds).toList(),
                pad);
    }

    /** Single texts of any lengths, as token ids, padded on the right. */
    public static EncoderBatch rightPadded(List<int[]> sequences, int pad) {
        return rightPadded(sequences, null, pad);
    }

    /**
     * Sequences of any lengths, padded on the right.
     *
     * @param tokenTypes of each token of each sequence; or null for 0 everywhere
     * @param pad the id that fills; nothing attends to it
     */
    public static EncoderBatch rightPadded(List<int[]> sequences, List<int[]> tokenTypes, int pad) {
        int t = sequences.stream().mapToInt(s -> s.length).max().orElse(0);
        int b = sequences.size();
        int[] ids = new int[b * t];
        int[] mask = new int[b * t];
        int[] types = new int[b * t];
        Arrays.fill(ids, pad);
        boolean padded = false;
        boolean typed = false;
        for (int i = 0; i < b; i++) {
            int[] s = sequences.get(i);
            System.arraycopy(s, 0, ids, i * t, s.length);
            Arrays.fill(mask, i * t, i * t + s.length, 1);
            padded |= s.length < t;
            if (tokenTypes != null) {
                int[] of = tokenTypes.get(i);
                if (of.length != s.length) {
                    throw new TensorException(
                            "sequence " + i + " has " + s.length + " tokens, but " + of.length + " token types");
                }
                System.arraycopy(of, 0, types, i * t, of.length);
                typed |= Arrays.stream(of).anyMatch(x -> x != 0);
            }
        }
        return new EncoderBatch(
                Tensor.of(ids, b, t), padded ? Tensor.of(mask, b, t) : null, typed ? Tensor.of(types, b, t) : null);
    }

    /** The same batch on another device. */
    public EncoderBatch to(Device device) {
        return ids.device().equals(device)
                ? this
                : new EncoderBatch(
                        ids.to(device),
                        mask == null ? null : mask.to(device),
                        tokenTypes == null ? null : tokenTypes.to(device));
    }

    @Override
    public void forEachTensor(Consumer<Tensor> action) {
        action.accept(ids);
        if (mask != null) {
            action.accept(mask);
        }
        if (tokenTypes != null) {
            action.accept(tokenTypes);
        }
    }
}
