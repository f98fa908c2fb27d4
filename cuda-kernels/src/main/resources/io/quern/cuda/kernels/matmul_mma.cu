// Matrix products in BF16 and F16 on the tensor cores, with sums in float32.
//
// A block of 4 warps computes a tile of TILE x TILE, each warp a quarter of it by mma.m16n8k16. Slices of 32 along K go to
// shared memory by asynchronous copies (slices.cuh), STAGES of them under way at a time, so one barrier a slice is enough: the
// copy that overwrites a stage starts after the barrier that all threads reach when they have used it. Fragments come by
// ldmatrix, which transposes on the way; so each of the four layouts has a kernel, with the same data in shared memory as in
// global memory.
//
// The copies need rows of whole chunks that are aligned. For other operands, of any strides, the kernels named any load
// element by element.
#include "slices.cuh"

#define DEPTH 32
#define PER_CHUNK 8

// What copy_slice does with rows along K, but element by element and for any strides.
template <int TILE, class T>
__device__ __forceinline__ void load_slice(
        Chunk *to, const T *x, i64 row_stride, i64 k_stride, i64 first, i64 count, i64 k0, i64 k) {
    for (int e = threadIdx.x; e < TILE * DEPTH; e += THREADS) {
        int row = k_stride == 1 ? e / DEPTH : e % TILE;
        int d = k_stride == 1 ? e % DEPTH : e / TILE;
        bool in = first + row < count && k0 + d < k;
        T zero = {0};
        ((T *)(to + chunk_place<true, TILE, T>(row, d / PER_CHUNK)))[d % PER_CHUNK] =
                in ? x[(first + row) * row_stride + (k0 + d) * k_stride] : zero;
    }
}

template <bool A_ALONG_K, bool B_ALONG_K, bool COPIES, int TILE, class T>
__device__ __forceinline__ void bring_slice(
        const Gemm &g, Chunk *as, Chunk *bs, const T *a, const T *b, TilePlace at, i64 k0) {
    if (COPIES) {
        start_slice<A_ALONG_K, B_ALONG_K, TILE>(g, as, bs, a, b, at, k0);
    } else if (k0 < g.k) {
        load_slice<TILE>(as, a, g.a_row, g.a_col, at.row, g.m, k0, g.k);
        load_slice<TILE>(bs, b, g.b_col, g.b_row, at.col, g.n, k0, g.k);
    }
}

template <class T, bool A_ALONG_K, bool B_ALONG_K, bool COPIES, int TILE>
__device__ __forceinline__ void matmul_mma(Gemm g, Walk batch, const T *a, const T *b, const T *bias, T *c) {
    enum { SIDE = TILE / 2, TILES_M = SIDE / 16, TILES_N = SIDE / 8 };
    enum { PITCH = TILE + PER_CHUNK };
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
        bring_slice<A_ALONG_K, B_ALONG_K, COPIES, TILE>(g, slices[s], slices[STAGES + s], a, b, at, (i64)s * DEPTH);
    }
    int stage = 0;
    for (i64 k0 = 0; k0 < g.k; k0 += DEPTH) {
        cp_async_wait<1>();
        __syncthreads();
        int next = (stage + STAGES - 1) % STAGES;
        bring_slice<A_ALONG_K, B_ALONG_K, COPIES, TILE>(
                g, slices[next], slices[STAGES + next], a, b, at, k0 + (STAGES - 1) * DEPTH);
#pragma unroll
        for (int d = 0; d < DEPTH / PER_CHUNK; d += 2) {
            u32 x[TILES_M][4];
            u32 y[TILES_N * 2];
#pragma unroll
            for (int i = 0; i < TILES_M; i++) {
                int m = warp_m + 16 * i;
                load_fragments<!A_ALONG_K>(x[i],
                        slices[stage]
                                + (A_ALONG_K ? chunk_place<true, TILE, T>(m + lane % 16, d + lane / 16)
                                             : chunk_place<false, TILE, T>(d * PER_CHUNK + lane % 8 + lane / 16 * 8,
                                                     m / PER_CHUNK + lane / 8 % 2)));
            }
#pragma unroll
            for (int j = 0; j < TILES_N; j += 2) {
                int n = warp_n + 8 * j;
                load_fragments<!B_ALONG_K>(y + 2 * j,
                        slices[STAGES + stage]
                                + (B_ALONG_K ? chunk_place<true, TILE, T>(n + lane % 8 + lane / 16 * 8, d + lane / 8 % 2)
                                             : chunk_place<false, TILE, T>(d * PER_CHUNK + lane % 16,
                                                     n / PER_CHUNK + lane / 16)));
            }
#pragma unroll
            for (int i = 0; i < TILES_M; i++) {
#pragma unroll
                for (int j = 0; j < TILES_N; j++) {
                    multiply_fragments(sum[i][j], x[i], y + 2 * j, a);
                }
            }
        }
        stage = (stage + 1) % STAGES;
    }
    // By way of shared memory, so that c is written by whole chunks of its rows.
    T *tile = (T *)slices;
    __syncthreads();
#pragma unroll
    for (int j = 0; j < TILES_N; j++) {
        int col = warp_n + 8 * j + lane % 4 * 2;
        float left = bias && at.col + col < g.n ? load(bias, at.col + col) : 0;
        float right = bias && at.col + col + 1 < g.n ? load(bias, at.col + col + 1) : 0;
#pragma unroll
        for (int i = 0; i < TILES_M; i++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                int row = warp_m + 16 * i + lane / 4 + 8 * half;
                *(u32 *)(tile + row * PITCH + col) =
                        round_pair(sum[i][j][2 * half] + left, sum[i][j][2 * half + 1] + right, a);
            }
        }
    }
    __syncthreads();
#pragma unroll 1
    for (int e = threadIdx.x; e < TILE * TILE / PER_CHUNK; e += THREADS) {
        int in_tile = e / (TILE / PER_CHUNK) * PITCH + e % (TILE / PER_CHUNK) * PER_CHUNK;
        i64 row = at.row + e / (TILE / PER_CHUNK);
        i64 col = at.col + e % (TILE / PER_CHUNK) * PER_CHUNK;
        if (row < g.m && col < g.n && g.n % PER_CHUNK == 0) {
            store_chunk(c + row * g.n + col, load_chunk(tile + in_tile));
        } else {
            for (int i = 0; i < PER_CHUNK && row < g.m && col + i < g.n; i++) {
                c[row * g.n + col + i] = tile[in_tile + i];
            }
        }
    }
}

// nt: rows of a and columns of b lie along K, and so on. 128 and 64 are the tile's sides.
#define MATMUL_MMA(T, t, name, A, B, COPIES, TILE)                                                                     \
    extern "C" __global__ void __launch_bounds__(THREADS)                                                              \
            matmul_mma_##name##_##t(Gemm g, Walk batch, const T *a, const T *b, const T *bias, T *c) {                 \
        matmul_mma<T, A, B, COPIES, TILE>(g, batch, a, b, bias, c);                                                    \
    }

#define MATMUL_MMAS(T, t)                                                                                              \
    MATMUL_MMA(T, t, nn_128, true, false, true, 128)                                                                   \
    MATMUL_MMA(T, t, nt_128, true, true, true, 128)                                                                    \
    MATMUL_MMA(T, t, tn_128, false, false, true, 128)                                                                  \
    MATMUL_MMA(T, t, tt_128, false, true, true, 128)                                                                   \
    MATMUL_MMA(T, t, nn_64, true, false, true, 64)                                                                     \
    MATMUL_MMA(T, t, nt_64, true, true, true, 64)                                                                      \
    MATMUL_MMA(T, t, tn_64, false, false, true, 64)                                                                    \
    MATMUL_MMA(T, t, tt_64, false, true, true, 64)                                                                     \
    MATMUL_MMA(T, t, any_64, true, true, false, 64)

MATMUL_MMAS(bf16, bf16)
MATMUL_MMAS(f16, f16)
