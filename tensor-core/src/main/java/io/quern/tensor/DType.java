package io.quern.tensor;

/** Element type of a {@link Tensor}. */
public enum DType {
    /** IEEE 754 binary32; what the CPU computes in. */
    F32(4, true),
    /** IEEE 754 binary64; for gradient checks and references. */
    F64(8, true),
    /** bfloat16: the upper half of a binary32. */
    BF16(2, true),
    /** IEEE 754 binary16. */
    F16(2, true),
    /** 32-bit signed integer: token ids, class indices, masks (0 hides). */
    I32(4, false);

    private final int bytes;
    private final boolean floating;

    DType(int bytes, boolean floating) {
        this.bytes = bytes;
        this.floating = floating;
    }

    /** Size of one element in bytes. */
    public int bytes() {
        return bytes;
    }

    /** Whether values are floating-point numbers and so may carry a gradient. */
    public boolean isFloating() {
        return floating;
    }
}
