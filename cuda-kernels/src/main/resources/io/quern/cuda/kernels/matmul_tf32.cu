// Matrix products of F32 on the tensor cores, which round the factors to TF32 (10 bits after the point) and sum in float32.
// Only where that is allowed: F32 is exact otherwise.
//
// Built as matmul_mma.cu: 4 warps a block, each a quarter of a tile of TILE x TILE by mma.m16n8k8, STAGES slices along K under
// way by asynchronous copies, one barrier a slice. A slice has DEPTH = 16 numbers, which are the 64 bytes of 32 of 16 bits, so
// fragments of rows along K come by the same ldmatrix: its pairs of 16 bits are numbers here. It cannot transpose those, so
// rows across K are read number by number, and chunks are permuted so that the 4 x 8 numbers of a warp lie in 32 banks. The
// hardware cuts bits off; rounding to nearest is done when fragments are loaded. Results go to c straight from registers, in
// whole sectors of 32 bytes.
#include "matmul.cuh"
#include "tensor_core.cuh"

#define DEPTH 16
#define STAGES 3
#define WARPS_N 2
#define THREADS 128
#define PER_CHUNK 4

// Where chunk c of a row lies: of rows along K, DEPTH long, or of rows across, TILE long.
template <bool ALONG_K, int TILE>
__device__ __forceinline__ int chunk_place(int row, int c) {
    return ALONG_K ? row * (DEPTH / PER_CHUNK) + (c ^ (row >> 1 & 3)) : row * (TILE / PER_CHUNK) + (c ^ (row & 3) * 2);
}

// Starts the copies of a slice: rows first to first + TILE - 1 of an operand [count, k], or of its transpose.
template <bool ALONG_K, int TILE>
__device__ __forceinline__ void copy_slice(Chunk *to, const float *x, i64 stride, i64 first, i64 count, i64 k0, i64 k) {
    for (int e = threadIdx.x; e < TILE * DEPTH / PER_CHUNK; e += THREADS) {
        int in_row = ALONG_K ? DEPTH / PER_CHUNK : TILE / PER_CHUNK;
        int row = e / in_row;
        int c = e % in_row;
        i64 outer = (ALONG_K ? first : k0) + row;
        i64 inner = (ALONG_K ? k0 : first) + c * PER_CHUNK;
        bool in = outer < (ALONG_K ? count : k) && inner < (ALONG_K ? k : count);
        cp_async(to + chunk_place<ALONG_K, TILE>(row, c), in ? x + outer * stride + inner : x, in ? 16 : 0);
    }
}

// The numbers k + lane % 4 of row r + lane / 4 of a slice whose rows lie across K.
template <int TILE>
__device__ __forceinline__ u32 across(const Chunk *slice, int k, int r) {
    int lane = threadIdx.x % 32;
    int row = k + lane % 4;
    int at = r + lane / 4;
    return bits_of(((const float *)(slice + chunk_place<false, TILE>(row, at / PER_CHUNK)))[at % PER_CHUNK]);
}

template <bool A_ALONG_K, bool B_ALONG_K, int TILE>
__device__ __forceinline__ void matmul_tf32(Gemm g, Walk batch, const float *a, const float *b, const float *bias, float *c) {
    enum { SIDE = TILE / 2, TILES_M = SIDE / 16, TILES_N = SIDE / 8, SLICE = TILE * DEPTH / PER_CHUNK };
    __shared__ Chunk slices[2 * STAGES][SLICE];
    Place p = place(batch, blockIdx.z);
    a += p.at[0];
    b += p.at[1];
    c += (i64)blockIdx.z * g.m * g.n;
    TilePlace at = tile_place<TILE, TILE>(g);
    int lane = threadIdx.x % 32;
    int warp = threadIdx.x / 32;
    int warp_m = warp / WARPS_N * SIDE;
    int warp_n = warp % WARPS_N * SIDE;
    i64 a_stride = A_ALONG_K ? g.a_row : g.a_col;
    i64 b_stride = B_ALONG_K ? g.b_col : g.b_row;
    float sum[TILES_M][TILES_N][4] = {};
    for (int s = 0; s < STAGES - 1; s++) {
        if (s * DEPTH < g.k) {
            copy_slice<A_ALONG_K, TILE>(slices[s], a, a_stride, at.row, g.m, s * DEPTH, g.k);
            copy_slice<B_ALONG_K, TILE>(slices[STAGES + s], b, b_stride, at.col, g.n, s * DEPTH, g.k);
        }
        cp_async_commit();
    }
    int stage = 0;
    for (i64 k0 = 0; k0 < g.k; k0 += DEPTH) {
        cp_async_wait<1>();
        __syncthreads();
        int next = (stage + STAGES - 1) % STAGES;
        i64 ahead = k0 + (STAGES - 1) * DEPTH;
        if (ahead < g.k) {
            copy_slice<A_ALONG_K, TILE>(slices[next], a, a_stride, at.row, g.m, ahead, g.k);
            copy_slice<B_ALONG_K, TILE>(slices[STAGES + next], b, b_stride, at.col, g.n, ahead, g.k);
        }
        cp_async_commit();
        const Chunk *as = slices[stage];
        const Chunk *bs = slices[STAGES + stage];
#pragma unroll
        for (int d = 0; d < DEPTH / PER_CHUNK; d += 2) {
            u32 x[TILES_M][4];
            u32 y[TILES_N * 2];
#pragma unroll
            for (int i = 0; i < TILES_M; i++) {
                int m = warp_m + 16 * i;
                if (A_ALONG_K) {
                    load_fragments<false>(x[i], as + chunk_place<true, TILE>(m + lane % 16, d + lane / 16));
                }
#pragma unroll
                for (int f = 0; f < 4; f++) {
                    u32 bits = A_ALONG_K ? x[i][f] : across<TILE>(as, (d + f / 2) * PER_CHUNK, m + f % 2 * 8);
                    x[i][f] = to_tf32(bits);
                }
            }
#pragma unroll
            for (int j = 0; j < TILES_N; j += 2) {
                int n = warp_n + 8 * j;
                if (B_ALONG_K) {
                    load_fragments<false>(
                            y + 2 * j, bs + chunk_place<true, TILE>(n + lane % 8 + lane / 16 * 8, d + lane / 8 % 2));
                }
#pragma unroll
                for (int f = 0; f < 4; f++) {
                    u32 bits = B_ALONG_K ? y[2 * j + f] : across<TILE>(bs, (d + f % 2) * PER_CHUNK, n + f / 2 * 8);
                    y[2 * j + f] = to_tf32(bits);
                }
            }
#pragma unroll
            for (int i = 0; i < TILES_M; i++) {
#pragma unroll
                for (int j = 0; j < TILES_N; j++) {
                    multiply_tf32(sum[i][j], x[i], y + 2 * j);
                }
            }
        }
        stage = (stage + 1) % STAGES;
    }
#pragma unroll
    for (int j = 0; j < TILES_N; j++) {
        i64 col = at.col + warp_n + 8 * j + lane % 4 * 2;
        float left = bias && col < g.n ? bias[col] : 0;
        float right = bias && col + 1 < g.n ? bias[col + 1] : 0;
#pragma unroll
        for (int i = 0; i < TILES_M; i++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                i64 row = at.row + warp_m + 16 * i + lane / 4 + 8 * half;
                if (row < g.m && col < g.n) {
                    c[row * g.n + col] = sum[i][j][2 * half] + left;
                }
                if (row < g.m && col + 1 < g.n) {
                    c[row * g.n + col + 1] = sum[i][j][2 * half + 1] + right;
                }
            }
        }
    }
}

// nt: rows of a and columns of b lie along K, and so on. 128 and 64 are the tile's sides.
#define MATMUL_TF32(name, A, B, TILE)                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS) matmul_tf32_##name##_##TILE(                                 \
            Gemm g, Walk batch, const float *a, const float *b, const float *bias, float *c) {                         \
        matmul_tf32<A, B, TILE>(g, batch, a, b, bias, c);                                                              \
    }

#define MATMUL_TF32S(TILE)                                                                                             \
    MATMUL_TF32(nn, true, false, TILE)                                                                                 \
    MATMUL_TF32(nt, true, true, TILE)                                                                                  \
    MATMUL_TF32(tn, false, false, TILE)                                                                                \
    MATMUL_TF32(tt, false, true, TILE)

MATMUL_TF32S(128)
MATMUL_TF32S(64)
