// Blocks of quantised numbers to float32: whole tensors, and rows of a table by ids. A thread writes 8 numbers.
#include "quantized.cuh"

template <class Q>
__device__ __forceinline__ void write_eight(const u8 *row, i64 i, float *y) {
    float x[8];
    eight_of_row<Q>(row, i, x);
    for (int j = 0; j < 8; j++) {
        y[j] = x[j];
    }
}

#define QUANTIZED(Q, q)                                                                                                \
    extern "C" __global__ void dequantize_##q(const u8 *x, float *y, i64 n) {                                          \
        FOR_EACH(i, n / 8) {                                                                                           \
            write_eight<Q>(x, 8 * i, y + 8 * i);                                                                       \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void embedding_##q(                                                                          \
            const u8 *table, const int *ids, float *y, i64 count, i64 c, i64 rows, Fault *fault) {                     \
        for (i64 i = blockIdx.x; i < count; i += gridDim.x) {                                                          \
            i64 id = ids[i];                                                                                           \
            if (id < 0 || id >= rows) {                                                                                \
                if (threadIdx.x == 0) {                                                                                \
                    report(fault, FAULT_ID, i, id, rows);                                                              \
                }                                                                                                      \
                id = 0;                                                                                                \
            }                                                                                                          \
            for (i64 j = threadIdx.x; rows > 0 && j < c / 8; j += blockDim.x) {                                        \
                write_eight<Q>(table + id * (c / Q::NUMBERS * Q::BYTES), 8 * j, y + i * c + 8 * j);                    \
            }                                                                                                          \
        }                                                                                                              \
    }

FOR_QUANTIZED(QUANTIZED)
