// Matrix products with few rows in a, as when decoding: bound by reading b [K, N] once.
//
// gemv_rows, where b's columns lie along K: a warp a column of b, each lane a chunk of 16 bytes in turn, so the warp reads
// 512 neighbouring bytes; the lanes' sums are joined by shuffles. b may be quantised: then a lane takes 8 neighbouring
// numbers of a block. gemv_columns, where b's rows lie along N: each thread has the columns of one chunk, and the threads of
// a block share K among them; sums are joined by shuffles within a warp and then in shared memory. Sums are in float32, in an
// order that depends on nothing but the shape. ROWS rows of a are done at once: b is read once for all of them.
#include "chunk.cuh"
#include "quantized.cuh"

#define WARPS 8

struct Gemv {
    i64 m, n, k;
    i64 a_row, a_col;
    i64 stride;   // of b: of columns in gemv_rows, in bytes if quantised, and of rows in gemv_columns
    i64 chunks;   // 1: b can be read by chunks, 2: a can
    i64 groups;   // threads side by side in gemv_columns, a power of 2
};

__device__ __forceinline__ float sum_lanes(float x, int from) {
    for (int mask = 16; mask >= from; mask /= 2) {
        x += __shfl_xor_sync(0xFFFFFFFFu, x, mask);
    }
    return x;
}

// Adds to the sums the products of count neighbouring numbers of a column of b with those of the rows of a.
template <int ROWS, int COUNT, class TA>
__device__ __forceinline__ void add_products(
        const Gemv &g, const TA *a, i64 m0, i64 k, bool chunks, const float *w, float *sum) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        if (m0 + r >= g.m) {
            continue;
        }
        const TA *row = a + (m0 + r) * g.a_row;
        float x[COUNT];
        if (COUNT >= Per<TA>::chunk && chunks) {
#pragma unroll
            for (int i = 0; i < COUNT; i += Per<TA>::chunk) {
                load_wide(row, k + i, x + i);
            }
        } else {
            for (int i = 0; i < COUNT; i++) {
                x[i] = load(row, (k + i) * g.a_col);
            }
        }
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            sum[r] += w[i] * x[i];
        }
    }
}

template <int ROWS, class TA>
__device__ __forceinline__ void finish_column(
        const Gemv &g, const TA *bias, TA *c, i64 m0, i64 n, const float *sum) {
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        float s = sum_lanes(sum[r], 1);
        if (threadIdx.x % 32 == 0 && m0 + r < g.m) {
            store(c, (m0 + r) * g.n + n, bias ? s + load(bias, n) : s);
        }
    }
}

template <int ROWS, class TA, class TB>
__device__ void gemv_rows(const Gemv &g, const TA *a, const TB *b, const TA *bias, TA *c) {
    enum { COUNT = Per<TB>::chunk };
    i64 n = (i64)blockIdx.x * WARPS + threadIdx.x / 32;
    i64 m0 = (i64)blockIdx.y * ROWS;
    if (n >= g.n) {
        return;
    }
    const TB *column = b + n * g.stride;
    int lane = threadIdx.x % 32;
    float sum[ROWS] = {};
    i64 whole = g.chunks & 1 ? g.k / COUNT * COUNT : 0;
    for (i64 k = lane * COUNT; k < whole; k += 32 * COUNT) {
        float w[COUNT];
        load_wide(column, k, w);
        add_products<ROWS, COUNT>(g, a, m0, k, (g.chunks & 2) != 0, w, sum);
    }
    for (i64 k = whole + lane; k < g.k; k += 32) {
        float w = load(column, k);
        add_products<ROWS, 1>(g, a, m0, k, false, &w, sum);
    }
    finish_column<ROWS>(g, bias, c, m0, n, sum);
}

// b is bytes; K is whole blocks.
template <int ROWS, class Q>
__device__ void gemv_quantized(const Gemv &g, const float *a, const u8 *b, const float *bias, float *c) {
    i64 n = (i64)blockIdx.x * WARPS + threadIdx.x / 32;
    i64 m0 = (i64)blockIdx.y * ROWS;
    if (n >= g.n) {
        return;
    }
    const u8 *column = b + n * g.stride;
    float sum[ROWS] = {};
    for (i64 k = threadIdx.x % 32 * 8; k < g.k; k += 32 * 8) {
        float w[8];
        eight_of_row<Q>(column, k, w);
        add_products<ROWS, 8>(g, a, m0, k, (g.chunks & 2) != 0, w, sum);
    }
    finish_column<ROWS>(g, bias, c, m0, n, sum);
}

#define MOST_GROUPS 8

template <int ROWS, class TA, class TB>
__device__ void gemv_columns(const Gemv &g, const TA *a, const TB *b, const TA *bias, TA *c) {
    enum { COUNT = Per<TB>::chunk };
    __shared__ float part[WARPS][ROWS][MOST_GROUPS * COUNT];
    int t = threadIdx.x;
    int groups = (int)g.groups;
    int group = t % groups;
    i64 m0 = (i64)blockIdx.y * ROWS;
    i64 col = ((i64)blockIdx.x * groups + group) * COUNT;
    float sum[ROWS][COUNT] = {};
    for (i64 k = t / groups; col < g.n && k < g.k; k += WARPS * 32 / groups) {
        float w[COUNT];
        if (g.chunks & 1) {
            load_wide(b, k * g.stride + col, w);
        } else {
            for (int i = 0; i < COUNT; i++) {
                w[i] = col + i < g.n ? load(b, k * g.stride + col + i) : 0;
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (m0 + r < g.m) {
                float x = load(a, (m0 + r) * g.a_row + k * g.a_col);
#pragma unroll
                for (int i = 0; i < COUNT; i++) {
                    sum[r][i] += w[i] * x;
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
#pragma unroll
        for (int i = 0; i < COUNT; i++) {
            float s = sum_lanes(sum[r][i], groups);
            if (t % 32 < groups) {
                part[t / 32][r][group * COUNT + i] = s;
            }
        }
    }
    __syncthreads();
    for (int e = t; e < ROWS * groups * COUNT; e += WARPS * 32) {
        int r = e / (groups * COUNT);
        int i = e % (groups * COUNT);
        i64 n = (i64)blockIdx.x * groups * COUNT + i;
        if (m0 + r < g.m && n < g.n) {
            float s = 0;
            for (int w = 0; w < WARPS; w++) {
                s += part[w][r][i];
            }
            store(c, (m0 + r) * g.n + n, bias ? s + load(bias, n) : s);
        }
    }
}

#define GEMV(TA, TB, ROWS, name)                                                                                       \
    extern "C" __global__ void gemv_rows_##ROWS##_##name(Gemv g, const TA *a, const TB *b, const TA *bias, TA *c) {    \
        gemv_rows<ROWS>(g, a, b, bias, c);                                                                             \
    }                                                                                                                  \
    extern "C" __global__ void gemv_columns_##ROWS##_##name(Gemv g, const TA *a, const TB *b, const TA *bias, TA *c) { \
        gemv_columns<ROWS>(g, a, b, bias, c);                                                                          \
    }

#define GEMVS(TA, TB, name) GEMV(TA, TB, 1, name) GEMV(TA, TB, 4, name)

GEMVS(float, float, f32)
GEMVS(bf16, bf16, bf16)
GEMVS(f16, f16, f16)
GEMVS(float, bf16, f32_bf16)
GEMVS(float, f16, f32_f16)

#define GEMV_QUANTIZED(Q, q)                                                                                           \
    extern "C" __global__ void gemv_rows_1_f32_##q(                                                                    \
            Gemv g, const float *a, const u8 *b, const float *bias, float *c) {                                        \
        gemv_quantized<1, Q>(g, a, b, bias, c);                                                                        \
    }                                                                                                                  \
    extern "C" __global__ void gemv_rows_4_f32_##q(                                                                    \
            Gemv g, const float *a, const u8 *b, const float *bias, float *c) {                                        \
        gemv_quantized<4, Q>(g, a, b, bias, c);                                                                        \
    }

FOR_QUANTIZED(GEMV_QUANTIZED)
