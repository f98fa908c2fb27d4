package io.quern.tensor.file;

import java.util.Optional;

/** The numbers by which GGUF files name element types. Source: {@code enum ggml_type} of ggml. */
enum GgufType {
    F32(0, StoredType.F32),
    F16(1, StoredType.F16),
    Q4_0(2, StoredType.Q4_0),
    Q8_0(8, StoredType.Q8_0),
    Q4_K(12, StoredType.Q4_K),
    Q6_K(14, StoredType.Q6_K),
    I8(24, StoredType.I8),
    I16(25, StoredType.I16),
    I32(26, StoredType.I32),
    I64(27, StoredType.I64),
    F64(28, StoredType.F64),
    BF16(30, StoredType.BF16);

    private static final String[] NAMES = {
        "F32", "F16", "Q4_0", "Q4_1", "Q4_2", "Q4_3", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K",
        "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS"
    };

    private final int code;
    private final StoredType stored;

    GgufType(int code, StoredType stored) {
        this.code = code;
        this.stored = stored;
    }

    int code() {
        return code;
    }

    StoredType stored() {
        return stored;
    }

    static Optional<GgufType> of(int code) {
        for (GgufType t : values()) {
            if (t.code == code) {
                return Optional.of(t);
            }
        }
        return Optional.empty();
    }

    static GgufType of(StoredType stored) {
        for (GgufType t : values()) {
            if (t.stored == stored) {
                return t;
            }
        }
        throw new IllegalArgumentException("GGUF files hold no " + stored);
    }

    /** What a code means, for messages. */
    static String name(int code) {
        return code >= 0 && code < NAMES.length ? NAMES[code] : "type " + Integer.toUnsignedString(code);
    }
}
