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
    I32(4, false),
    /** GGUF's blocks of 32 numbers: a scale in binary16 and 32 signed bytes. For weights only. */
    Q8_0(32, 34),
    /** GGUF's blocks of 32 numbers: a scale in binary16 and 32 numbers of 4 bits. For weights only. */
    Q4_0(32, 18),
    /** GGUF's blocks of 256 numbers of 4 bits: 8 sub-blocks with scales and minima of 6 bits. For weights only. */
    Q4_K(256, 144),
    /** GGUF's blocks of 256 numbers of 6 bits: 16 sub-blocks with scales of 8 bits. For weights only. */
    Q6_K(256, 210);

    private final int blockSize;
    private final int blockBytes;
    private final boolean floating;

    DType(int bytes, boolean floating) {
        this.blockSize = 1;
        this.blockBytes = bytes;
        this.floating = floating;
    }

    DType(int blockSize, int blockBytes) {
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
        this.floating = false;
    }

    /**
     * Size of one element in bytes.
     *
     * @throws TensorException if the dtype is quantised: an element has no size of its own there
     */
    public int bytes() {
        if (blockSize != 1) {
            throw new TensorException(this + " packs " + blockSize + " numbers in " + blockBytes
                    + " bytes, so an element has no size of its own; cast to F32, or count whole blocks");
        }
        return blockBytes;
    }

    /**
     * Size in bytes of {@code elements} neighbouring elements.
     *
     * @throws TensorException if they are not whole blocks
     */
    public long bytes(long elements) {
        if (blockSize == 1) {
            return elements * blockBytes;
        }
        if (elements % blockSize != 0) {
            throw new TensorException(elements + " numbers are not whole " + this + " blocks of " + blockSize);
        }
        return elements / blockSize * blockBytes;
    }

    /**
     * Size in bytes of a packed tensor.
     *
     * @throws TensorException if the innermost dimension is not a multiple of the block, or the size overflows
     */
    public long bytes(Shape shape) {
        if (blockSize != 1 && (shape.rank() == 0 || shape.dim(-1) % blockSize != 0)) {
            throw new TensorException(this + " " + shape + ": blocks of " + blockSize
                    + " numbers lie along the innermost dimension, which must be a multiple of " + blockSize);
        }
        try {
            return Math.multiplyExact(shape.size() / blockSize, (long) blockBytes);
        } catch (ArithmeticException e) {
            throw new TensorException(this + " " + shape + " takes more bytes than a 64-bit number can tell", e);
        }
    }

    /** Numbers that are stored together; 1 unless quantised. */
    public int blockSize() {
        return blockSize;
    }

    /** Bytes of a block. */
    public int blockBytes() {
        return blockBytes;
    }

    /**
     * Whether numbers are stored in blocks that share a scale. Blocks lie along the dimension of stride 1. Such tensors
     * can be the weight of a matrix product, the table of an embedding, cast, transposed and cut by rows.
     */
    public boolean isQuantized() {
        return blockSize != 1;
    }

    /** Whether values are floating-point numbers and so may carry a gradient. */
    public boolean isFloating() {
        return floating;
    }
}
