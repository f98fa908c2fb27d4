// Matrix products of F32 on the tensor cores, which round the factors to TF32 (10 bits after the point) and sum in float32.
// Only where that is allowed: F32 is exact otherwise.
//
// Built as matmul_mma.cu, with mma.m16n8k8 on the same slices (slices.cuh). A slice has DEPTH = 16 numbers, which are the 64
// bytes of 32 of 16 bits, so fragments of rows along K come by the same ldmatrix: its pairs of 16 bits are numbers here. It
// cannot transpose those, so rows across K are read number by number. The hardware cuts bits off; rounding to nearest is done
// when fragments are loaded. Results go to c straight from registers, in whole sectors of 32 bytes.
#include "slices.cuh"

#define DEPTH 16
#define PER_CHUNK 4

// The numbers k + lane % 4 of row r + lane / 4 of a slice whose rows lie across K.
template <int TILE>
__device__ __forceinline__ u32 across(const Chunk *slice, int k, int r) {
    int lane = threadIdx.x % 32;
    int row = k + lane % 4;
    int at = r + lane / 4;
    return bits_of(((const float *)(slice + chunk_place<false, TILE, float>(row, at / PER_CHUNK)))[at % PER_CHUNK]);
}

template <bool A_ALONG_K, bool B_ALONG_K, int TILE>
__device__ __forceinline__ void matmul_tf32(Gemm g, Walk batch, const float *a, const float *b, const float *bias, float *c) {
    enum { SIDE = TILE / 2, TILES_M = SIDE / 16, TILES_N = SIDE / 8 };
    __shared__ Chunk slices[2 * STAGES][Slice<TILE>::chunks];
    Place p = place(batch, blockIdx.z);
    a += p.at[0];
    b += p.at[1];
    c += (i64)blockIdx.z * g.m * g.n;
    TilePlace at = tile_place<TILE, TILE>(g);
    int lane = threadIdx.x % 32;
    int warp = threadIdx.x / 32;
    int warp_m = warp / WARPS_N * SIDE;
    int warp_n = warp % WARPS_N * SIDE;
    float sum[TILES_M][TILES_N][4] = {};
    for (int s = 0; s < STAGES - 1; s++) {
        start_slice<A_ALONG_K, B_ALONG_K, TILE>(g, slices[s], slices[STAGES + s], a, b, at, (i64)s * DEPTH);
    }
    int stage = 0;
    for (i64 k0 = 0; k0 < g.k; k0 += DEPTH) {
        cp_async_wait<1>();
        __syncthreads();
        int next = (stage + STAGES - 1) % STAGES;
        start_slice<A_ALONG_K, B_ALONG_K, TILE>(
                g, slices[next], slices[STAGES + next], a, b, at, k0 + (STAGES - 1) * DEPTH);
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
                    load_fragments<false>(x[i], as + chunk_place<true, TILE, float>(m + lane % 16, d + lane / 16));
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
                    load_fragments<false>(y + 2 * j,
                            bs + chunk_place<true, TILE, float>(n + lane % 8 + lane / 16 * 8, d + lane / 8 % 2));
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
