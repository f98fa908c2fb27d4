package io.quern.transformer.hub;

import io.quern.tensor.DType;
import io.quern.tensor.Shape;
import io.quern.transformer.WeightNames.Role;

/** Which dtype a parameter is held in. Activations, norms, biases and positions are F32 always. */
final class WeightTypes {
    private WeightTypes() {}

    /** Refuses a dtype for matrices that there are no kernels for; null is the type of the file. */
    static void check(Purpose purpose, DType matrices) {
        boolean known = matrices == null
                || switch (matrices) {
                    case F32 -> true;
                    case BF16, F16, Q8_0, Q4_0 -> purpose == Purpose.INFERENCE;
                    case F64, I32, Q4_K, Q6_K -> false;
                };
        if (!known) {
            throw new IllegalArgumentException("weights for " + purpose + " cannot be held in " + matrices);
        }
    }

    /** The name of a dtype in {@code config.json}; of those that weights are stored in. */
    static String name(DType stored) {
        return switch (stored) {
            case F32 -> "float32";
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            case F64, I32, Q8_0, Q4_0, Q4_K, Q6_K ->
                throw new IllegalArgumentException("weights are stored as F32, BF16 or F16, not " + stored);
        };
    }

    /**
     * The dtype of a parameter.
     *
     * @param wanted for matrices: F32, BF16, F16, Q8_0 or Q4_0; null for what the file has, where that is one of them or
     *     another quantised type
     * @param stored in the file
     * @param blocked whether the stored matrix has its input dimension contiguous
     */
    static DType of(DType wanted, Role role, Shape shape, DType stored, boolean blocked) {
        if (role == Role.OTHER) {
            return DType.F32;
        }
        if (wanted == null) {
            boolean kept = stored == DType.BF16 || stored == DType.F16 || stored.isQuantized() && blocked;
            return kept ? stored : DType.F32;
        }
        if (!wanted.isQuantized()) {
            return wanted;
        }
        int inputs = role == Role.CONV1D ? shape.dim(0) : shape.dim(1);
        // As llama.cpp does: the output layer suffers most from 4 bits, and it is often the embedding too.
        DType best = wanted == DType.Q4_0 && role == Role.VOCABULARY ? DType.Q6_K : wanted;
        if (inputs % best.blockSize() == 0) {
            return best;
        }
        return inputs % DType.Q8_0.blockSize() == 0 ? DType.Q8_0 : DType.F16;
    }
}
