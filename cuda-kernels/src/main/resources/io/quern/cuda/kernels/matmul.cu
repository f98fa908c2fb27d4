// Matrix products c [M, N] = a [M, K] b [K, N] + bias [N], in batches, for operands of any strides.
//
// A block of 256 threads computes a tile of 64 x 64, each thread 4 x 4 of it in registers, from slices of 16 along K that
// are staged in shared memory: every number fetched from there serves 4 products. Transposes happen while staging, so one
// kernel serves all layouts; threads walk along the unit stride of each operand, so reads coalesce. Sums are in float32
// (float64 for f64). The weight b may be narrower than a; a quantised one is turned into numbers while staging. This kernel
// takes everything; others are faster for what they take.
#include "matmul.cuh"
#include "quantized.cuh"

#define TILE 64
#define DEPTH 16
#define EACH 4

struct plain {};

// A slice of b, from column col0 and row k0 on.
template <class M, class TB>
__device__ __forceinline__ void stage(const Gemm &g, M (*bs)[TILE + 1], const TB *b, i64 col0, i64 k0, plain) {
    for (int e = threadIdx.x; e < TILE * DEPTH; e += 256) {
        int j = g.b_col == 1 ? e % TILE : e / DEPTH;
        int k = g.b_col == 1 ? e / TILE : e % DEPTH;
        bool in = col0 + j < g.n && k0 + k < g.k;
        bs[k][j] = in ? (M)load(b, (k0 + k) * g.b_row + (col0 + j) * g.b_col) : (M)0;
    }
}

// Columns are rows of blocks, g.b_col bytes apart; K is whole blocks.
template <class Q>
__device__ __forceinline__ void stage(const Gemm &g, float (*bs)[TILE + 1], const u8 *b, i64 col0, i64 k0, Q) {
    for (int e = threadIdx.x; e < TILE * DEPTH / 8; e += 256) {
        int j = e / (DEPTH / 8);
        int k = e % (DEPTH / 8) * 8;
        float x[8] = {};
        if (col0 + j < g.n && k0 + k < g.k) {
            eight_of_row<Q>(b + (col0 + j) * g.b_col, k0 + k, x);
        }
        for (int i = 0; i < 8; i++) {
            bs[k + i][j] = x[i];
        }
    }
}

template <class Q, class TA, class TB>
__device__ void matmul(Gemm g, Walk batch, const TA *a, const TB *b, const TA *bias, TA *c) {
    typedef typename Math<TA>::type M;
    __shared__ M as[DEPTH][TILE + 1];
    __shared__ M bs[DEPTH][TILE + 1];
    Place p = place(batch, blockIdx.z);
    const TA *a0 = a + p.at[0];
    const TB *b0 = b + p.at[1];
    TA *c0 = c + (i64)blockIdx.z * g.m * g.n;
    i64 row0 = (i64)blockIdx.y * TILE;
    i64 col0 = (i64)blockIdx.x * TILE;
    int t = threadIdx.x;
    int ty = t / 16;
    int tx = t % 16;
    M sum[EACH][EACH] = {};
    for (i64 k0 = 0; k0 < g.k; k0 += DEPTH) {
        for (int e = t; e < TILE * DEPTH; e += 256) {
            int i = g.a_col == 1 ? e / DEPTH : e % TILE;
            int k = g.a_col == 1 ? e % DEPTH : e / TILE;
            bool in = row0 + i < g.m && k0 + k < g.k;
            as[k][i] = in ? (M)load(a0, (row0 + i) * g.a_row + (k0 + k) * g.a_col) : (M)0;
        }
        stage(g, bs, b0, col0, k0, Q());
        __syncthreads();
        for (int k = 0; k < DEPTH; k++) {
            M x[EACH];
            M y[EACH];
            for (int i = 0; i < EACH; i++) {
                x[i] = as[k][ty + 16 * i];
                y[i] = bs[k][tx + 16 * i];
            }
            for (int i = 0; i < EACH; i++) {
                for (int j = 0; j < EACH; j++) {
                    sum[i][j] += x[i] * y[j];
                }
            }
        }
        __syncthreads();
    }
    for (int i = 0; i < EACH; i++) {
        for (int j = 0; j < EACH; j++) {
            i64 row = row0 + ty + 16 * i;
            i64 col = col0 + tx + 16 * j;
            if (row < g.m && col < g.n) {
                store(c0, row * g.n + col, bias ? sum[i][j] + (M)load(bias, col) : sum[i][j]);
            }
        }
    }
}

#define MATMUL(Q, TA, TB, name)                                                                                          \
    extern "C" __global__ void name(Gemm g, Walk batch, const TA *a, const TB *b, const TA *bias, TA *c) {             \
        matmul<Q>(g, batch, a, b, bias, c);                                                                               \
    }

MATMUL(plain, float, float, matmul_f32)
MATMUL(plain, double, double, matmul_f64)
MATMUL(plain, bf16, bf16, matmul_bf16)
MATMUL(plain, f16, f16, matmul_f16)
MATMUL(plain, float, bf16, matmul_f32_bf16)
MATMUL(plain, float, f16, matmul_f32_f16)
#define MATMUL_QUANTIZED(Q, q) MATMUL(Q, float, u8, matmul_f32_##q)

FOR_QUANTIZED(MATMUL_QUANTIZED)
