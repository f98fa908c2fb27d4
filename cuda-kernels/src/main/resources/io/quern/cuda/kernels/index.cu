// Rows of a table by ids, and the gradient of the table.
//
// The gradient is deterministic: the block of the first position of an id adds up the rows of all its positions in order;
// the blocks of later positions find an earlier one and stop. Scanning N ids in N blocks costs N^2 cached reads, which is
// little beside the N * C numbers for the batches of a training step.
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

// The table's gradient must be 0 before.
template <class T>
__device__ void embedding_grad(const int *ids, const T *dy, T *d_table, i64 count, i64 c, i64 rows, Fault *fault) {
    typedef typename Math<T>::type M;
    for (i64 i = blockIdx.x; i < count; i += gridDim.x) {
        i64 id = ids[i];
        bool mine = true;
        if (id < 0 || id >= rows) {
            if (threadIdx.x == 0) {
                report(fault, FAULT_ID, i, id, rows);
            }
            mine = false;
        }
        for (i64 k = 0; mine && k < i; k++) {
            mine = ids[k] != id;
        }
        for (i64 j = threadIdx.x; mine && j < c; j += blockDim.x) {
            M sum = 0;
            for (i64 k = i; k < count; k++) {
                if (ids[k] == id) {
                    sum += load(dy, k * c + j);
                }
            }
            store(d_table, id * c + j, sum);
        }
    }
}

#define EMBEDDING(T, t)                                                                                                \
    extern "C" __global__ void embedding_##t(                                                                          \
            const T *table, const int *ids, T *y, i64 count, i64 c, i64 rows, Fault *fault) {                          \
        embedding(table, ids, y, count, c, rows, fault);                                                               \
    }

FOR_BYTES(EMBEDDING)

#define EMBEDDING_GRAD(T, t)                                                                                           \
    extern "C" __global__ void embedding_grad_##t(                                                                     \
            const int *ids, const T *dy, T *d_table, i64 count, i64 c, i64 rows, Fault *fault) {                       \
        embedding_grad(ids, dy, d_table, count, c, rows, fault);                                                       \
    }

FOR_FLOATING(EMBEDDING_GRAD)
