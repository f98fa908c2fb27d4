// Rows of a table by ids. The gradient of the table is in embedding_grad.cu.
#include "common.cuh"

template <class T>
__device__ void embedding(const T *table, const int *ids, T *y, i64 count, i64 c, i64 rows, Fault *fault) {
    for (i64 i = blockIdx.x; i < count; i += gridDim.x) {
        i64 id = ids[i];
        if (id < 0 || id >= rows) {
            if (threadIdx.x == 0) {
                report(fault, FAULT_ID, i, id, rows);
            }
            id = 0;
        }
        for (i64 j = threadIdx.x; rows > 0 && j < c; j += blockDim.x) {
            y[i * c + j] = table[id * c + j];
        }
    }
}

#define EMBEDDING(T, t)                                                                                                \
    extern "C" __global__ void embedding_##t(                                                                          \
            const T *table, const int *ids, T *y, i64 count, i64 c, i64 rows, Fault *fault) {                          \
        embedding(table, ids, y, count, c, rows, fault);                                                               \
    }

FOR_BYTES(EMBEDDING)
