package io.quern.tensor.file;

import io.quern.tensor.DType;

/** Element types that files hold, by the names of the safetensors format, and of GGUF where that has none. */
public enum StoredType {
    F64(8, DType.F64),
    F32(4, DType.F32),
    F16(2, DType.F16),
    BF16(2, DType.BF16),
    I64(8, null),
    I32(4, DType.I32),
    I16(2, null),
    I8(1, null),
    U64(8, null),
    U32(4, null),
    U16(2, null),
    U8(1, null),
    BOOL(1, null),
    F8_E4M3(1, null),
    F8_E5M2(1, null),
    Q8_0(DType.Q8_0),
    Q4_0(DType.Q4_0),
    Q4_K(DType.Q4_K),
    Q6_K(DType.Q6_K);

    private final int bytes;
    private final DType dtype;

    StoredType(int bytes, DType dtype) {
        this.bytes = bytes;
        this.dtype = dtype;
    }

    StoredType(DType quantized) {
        this(0, quantized);
    }

    /** Size of one element in bytes; 0 for quantised types, whose numbers share blocks. */
    public int bytes() {
        return bytes;
    }

    /** The dtype of tensors that has the same bits, or null if there is none. */
    public DType dtype() {
        return dtype;
    }

    /** The stored form of a dtype. */
    public static StoredType of(DType dtype) {
        return switch (dtype) {
            case F32 -> F32;
            case F64 -> F64;
            case BF16 -> BF16;
            case F16 -> F16;
            case I32 -> I32;
            case Q8_0 -> Q8_0;
            case Q4_0 -> Q4_0;
            case Q4_K -> Q4_K;
            case Q6_K -> Q6_K;
        };
    }
}
