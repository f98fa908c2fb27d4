package io.quern.transformer.generate;

import java.util.Arrays;

/** A prompt and the tokens generated after it, as logits processors see them. */
public final class TokenSequence {
    private final int promptLength;
    private int[] ids;
    private int length;

    /** The prompt, which is copied, with room for {@code room} tokens after it. */
    public TokenSequence(int[] prompt, int room) {
        promptLength = prompt.length;
        ids = Arrays.copyOf(prompt, Math.addExact(prompt.length, room));
        length = prompt.length;
    }

    /** Number of all tokens. */
    public int length() {
        return length;
    }

    public int promptLength() {
        return promptLength;
    }

    /** Number of generated tokens. */
    public int newLength() {
        return length - promptLength;
    }

    /** Token {@code i} of all, from 0. */
    public int get(int i) {
        return ids[java.util.Objects.checkIndex(i, length)];
    }

    /** The generated tokens. */
    public int[] newTokens() {
        return Arrays.copyOfRange(ids, promptLength, length);
    }

    /** All tokens. */
    public int[] toArray() {
        return Arrays.copyOf(ids, length);
    }

    void add(int id) {
        if (length == ids.length) {
            ids = Arrays.copyOf(ids, Math.max(16, 2 * length));
        }
        ids[length++] = id;
    }

    /** Becomes {@code parent} and one more token; both have the same prompt. */
    void continueFrom(TokenSequence parent, int id) {
        System.arraycopy(parent.ids, promptLength, ids, promptLength, parent.length - promptLength);
        length = parent.length;
        add(id);
    }
}
