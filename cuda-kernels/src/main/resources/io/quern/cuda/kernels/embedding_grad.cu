// The gradient of a table of which rows were taken by ids: deterministic, without atomics or sorting.
//
// A block takes a position. If its id comes at an earlier one, it has nothing to do; else it adds up the rows of all positions
// of the id, in their order. Its threads look at ids side by side, a round of ROUND at a time: they count what each has found,
// and write the positions into a list, which all of them then walk, a thread COLUMNS columns. So N ids in N blocks cost
// N * N / BLOCK steps of loads that the L2 answers (a version whose threads all looked at every id took BLOCK times as many);
// rows are read once.
#include "common.cuh"

#define EACH 8
#define ROUND (EACH * BLOCK)
#define COLUMNS 8

// Overwrites the rows of ids that occur; the others must be 0 before.
template <class T>
__device__ void embedding_grad(const int *ids, const T *dy, T *d_table, i64 count, i64 c, i64 rows, Fault *fault) {
    typedef typename Math<T>::type M;
    __shared__ int hits[BLOCK];
    __shared__ int list[ROUND];
    int t = threadIdx.x;
    for (i64 i = blockIdx.x; i < count; i += gridDim.x) {
        i64 id = ids[i];
        bool valid = id >= 0 && id < rows;
        if (!valid && t == 0) {
            report(fault, FAULT_ID, i, id, rows);
        }
        float earlier = 0;
        for (i64 k = t; k < i; k += BLOCK) {
            earlier = ids[k] == id ? 1 : earlier;
        }
        if (reduce_block<Largest>(earlier) != 0 || !valid) {
            continue;
        }
        for (i64 first = 0; first < c; first += COLUMNS * BLOCK) {
            M sum[COLUMNS];
            for (int s = 0; s < COLUMNS; s++) {
                sum[s] = 0;
            }
            for (i64 start = i; start < count; start += ROUND) {
                u32 found = 0;
                int n = 0;
                for (int r = 0; r < EACH; r++) {
                    i64 k = start + t * EACH + r;
                    if (k < count && ids[k] == id) {
                        found |= 1u << r;
                        n++;
                    }
                }
                hits[t] = n;
                __syncthreads();
                int at = 0;
                int all = 0;
                for (int q = 0; q < BLOCK; q++) {
                    at += q < t ? hits[q] : 0;
                    all += hits[q];
                }
                for (int r = 0; r < EACH; r++) {
                    if (found >> r & 1) {
                        list[at++] = t * EACH + r;
                    }
                }
                __syncthreads();
                for (int q = 0; q < all; q++) {
                    const T *row = dy + (start + list[q]) * c;
                    for (int s = 0; s < COLUMNS; s++) {
                        i64 j = first + s * BLOCK + t;
                        if (j < c) {
                            sum[s] += load(row, j);
                        }
                    }
                }
            }
            for (int s = 0; s < COLUMNS; s++) {
                i64 j = first + s * BLOCK + t;
                if (j < c) {
                    store(d_table, id * c + j, sum[s]);
                }
            }
        }
    }
}

#define EMBEDDING_GRAD(T, t)                                                                                           \
    extern "C" __global__ void embedding_grad_##t(                                                                     \
            const int *ids, const T *dy, T *d_table, i64 count, i64 c, i64 rows, Fault *fault) {                       \
        embedding_grad(ids, dy, d_table, count, c, rows, fault);                                                       \
    }

FOR_FLOATING(EMBEDDING_GRAD)
