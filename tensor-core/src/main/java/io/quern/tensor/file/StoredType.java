package io.quern.tensor.file;

import io.quern.tensor.DType;

/** Element types that files hold, by the names of the safetensors format, and of GGUF where that has none. */
public enum StoredType {
    F64(64, DType.F64),
    F32(32, DType.F32),
    F16(16, DType.F16),
    BF16(16, DType.BF16),
    I64(64, null),
    I32(32, DType.I32),
    I16(16, null),
    I8(8, null),
    U64(64, null),
    U32(32, null),
    U16(16, null),
    U8(8, null),
    BOOL(8, null),
    C64(64, null),
    F8_E4M3(8, null),
    F8_E5M2(8, null),
    F8_E4M3FNUZ(8, null),
    F8_E5M2FNUZ(8, null),
    F8_E8M0(8, null),
    F6_E2M3(6, null),
    F6_E3M2(6, null),
    F4(4, null),
    Q8_0(0, DType.Q8_0),
    Q4_0(0, DType.Q4_0),
    Q4_K(0, DType.Q4_K),
    Q6_K(0, DType.Q6_K);

    private final int bits;
    private final DType dtype;

    StoredType(int bits, DType dtype) {
        this.bits = bits;
        this.dtype = dtype;
    }

    /** Size of one element in bits; 0 for quantised types, whose numbers share blocks. */
    public int bits() {
        return bits;
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
