// Matrix products in BF16 and F16 on Hopper, with sums in float32: for compute capability 9.0 alone.
//
// A block of three warp groups computes tiles of 128 x TILE_N, one after the other, as many blocks as there are
// multiprocessors. One thread of the first group, the producer, has slices of 64 along K copied to shared memory,
// STAGES of them under way at a time. The two others each compute 64 rows by wgmma, straight from shared memory. A
// stage has two mbarriers: `full` ends a phase when its bytes have come, and `empty` when all warps that read it have
// waited for the products that did. Products are waited for one slice late, so that the tensor cores always have the
// next; and slices of the next tile come while the last one is written. The producer gives its registers to those that
// have sums in them.
//
// Slices are copied as boxes by tensor maps (TMA), which the host encodes: one thread starts a copy of up to 32 kB, the
// swizzle that wgmma wants is done on the way, and beyond the matrix there are zeros, so M, N and K may be anything.
// Rows copied one by one (cp.async.bulk) could not be swizzled, and cp.async would take the threads and registers of a
// group. The map of an operand has its dimensions in the order of its strides, so each of the four layouts is the same
// bytes in shared and in device memory, and wgmma reads both kinds of 16-bit matrices.
//
// Operands need what tensor maps do: addresses and strides of whole 16 bytes. No card has run this yet: it is taken
// only by a table of measurements, which has no kernel whose results are off, or if it is asked for.
#include "hopper.cuh"

#define DEPTH 64
#define TILE_M 128
#define GROUPS_M 2
#define CONSUMER_WARPS (4 * GROUPS_M)
#define THREADS (128 * (1 + GROUPS_M))
#define PER_CHUNK 8
#define BOX_BYTES (64 * 128)
#define GROUP 8

// Columns that a warp turns from fragments into rows at a time, and how far these are apart.
#define TURNED 64
#define PITCH (TURNED + PER_CHUNK)

// c [m, n] = a [m, k] b [k, n] for matrices that tensor maps describe. If there are several, map dimensions 2 and 3
// count them: number i is i % inner and i / inner there, where the operand has them (flags 1 and 2 of a_has, b_has).
struct BoxedGemm {
    i64 m, n, k, count, inner, a_has, b_has;
};

// The tile of a number, where blocks that run at the same time take GROUP rows of tiles.
struct Tile {
    int row, col, matrix;
};

template <int TILE_N>
__device__ __forceinline__ Tile tile_of(const BoxedGemm &g, int number) {
    int rows = (int)((g.m + TILE_M - 1) / TILE_M);
    int columns = (int)((g.n + TILE_N - 1) / TILE_N);
    int inside = number % (rows * columns);
    int group = inside / (GROUP * columns);
    int height = rows - group * GROUP < GROUP ? rows - group * GROUP : GROUP;
    inside -= group * GROUP * columns;
    Tile t = {(group * GROUP + inside % height) * TILE_M, inside / height * TILE_N, number / (rows * columns)};
    return t;
}

template <int TILE_N>
__device__ __forceinline__ int tiles(const BoxedGemm &g) {
    return (int)((g.m + TILE_M - 1) / TILE_M * ((g.n + TILE_N - 1) / TILE_N) * g.count);
}

// Starts the copies of a slice of an operand: ROWS of M or N from `first`, DEPTH of K from k0.
template <bool ALONG_K, int ROWS>
__device__ __forceinline__ void copy_slice(unsigned char *to, const TensorMap *map, const BoxedGemm &g, i64 has,
        int matrix, int first, int k0, u64 *full) {
    int z = has & 1 ? (int)(matrix % g.inner) : 0;
    int w = has & 2 ? (int)(matrix / g.inner) : 0;
#pragma unroll
    for (int i = 0; i < (ALONG_K ? 1 : ROWS / 64); i++) {
        int x = ALONG_K ? k0 : first + 64 * i;
        int y = ALONG_K ? first : k0;
        if (g.count == 1) {
            copy_box(to + i * BOX_BYTES, map, x, y, full);
        } else {
            copy_box(to + i * BOX_BYTES, map, x, y, z, w, full);
        }
    }
}

// What the blocks share: stages of slices, then a piece of the result for each warp, then the mbarriers.
template <int TILE_N>
struct Shared {
    enum {
        A_BYTES = TILE_M * DEPTH * 2,
        B_BYTES = TILE_N * DEPTH * 2,
        STAGES = TILE_N == 256 ? 4 : 6,
        TURNING = STAGES * (A_BYTES + B_BYTES),
        BARRIERS = TURNING + CONSUMER_WARPS * 16 * PITCH * 2,
    };
};

template <class T, bool A_ALONG_K, bool B_ALONG_K, int TILE_N>
__device__ __forceinline__ void produce(const BoxedGemm &g, const TensorMap *a, const TensorMap *b, unsigned char *as,
        unsigned char *bs, u64 *full, u64 *empty) {
    typedef Shared<TILE_N> S;
    int stage = 0;
    u32 parity = 1;
    for (int number = blockIdx.x; number < tiles<TILE_N>(g); number += gridDim.x) {
        Tile t = tile_of<TILE_N>(g, number);
        for (int k0 = 0; k0 < g.k; k0 += DEPTH) {
            wait_phase(empty + stage, parity);
            arrive_expecting(full + stage, S::A_BYTES + S::B_BYTES);
            copy_slice<A_ALONG_K, TILE_M>(
                    as + stage * S::A_BYTES, a, g, g.a_has, t.matrix, t.row, k0, full + stage);
            copy_slice<B_ALONG_K, TILE_N>(
                    bs + stage * S::B_BYTES, b, g, g.b_has, t.matrix, t.col, k0, full + stage);
            stage++;
            if (stage == S::STAGES) {
                stage = 0;
                parity ^= 1;
            }
        }
    }
}

// Writes the 16 rows of a warp, by way of shared memory, so that c is written by whole chunks of its rows.
template <class T, int TILE_N>
__device__ __forceinline__ void write_rows(
        const BoxedGemm &g, const float *sum, T *turned, i64 row, i64 left, const T *bias, T *c) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int block = 0; block < TILE_N / TURNED; block++) {
        if (left + block * TURNED >= g.n) {
            break;
        }
#pragma unroll
        for (int j = 0; j < TURNED / 8; j++) {
            int in_block = 8 * j + lane % 4 * 2;
            i64 col = left + block * TURNED + in_block;
            float first = bias && col < g.n ? load(bias, col) : 0;
            float second = bias && col + 1 < g.n ? load(bias, col + 1) : 0;
            const float *x = sum + (block * TURNED / 8 + j) * 4;
            *(u32 *)(turned + lane / 4 * PITCH + in_block) = round_pair(x[0] + first, x[1] + second, bias);
            *(u32 *)(turned + (lane / 4 + 8) * PITCH + in_block) = round_pair(x[2] + first, x[3] + second, bias);
        }
        __syncwarp();
#pragma unroll
        for (int i = 0; i < 16 * TURNED / PER_CHUNK / 32; i++) {
            int e = lane + 32 * i;
            const T *from = turned + e / (TURNED / PER_CHUNK) * PITCH + e % (TURNED / PER_CHUNK) * PER_CHUNK;
            i64 r = row + e / (TURNED / PER_CHUNK);
            i64 col = left + block * TURNED + e % (TURNED / PER_CHUNK) * PER_CHUNK;
            if (r < g.m && col < g.n && g.n % PER_CHUNK == 0) {
                store_chunk(c + r * g.n + col, load_chunk(from));
            } else {
                for (int d = 0; d < PER_CHUNK && r < g.m && col + d < g.n; d++) {
                    c[r * g.n + col + d] = from[d];
                }
            }
        }
        __syncwarp();
    }
}

template <class T, bool A_ALONG_K, bool B_ALONG_K, int TILE_N>
__device__ __forceinline__ void consume(const BoxedGemm &g, unsigned char *as, unsigned char *bs, T *turned, u64 *full,
        u64 *empty, const T *bias, T *c) {
    typedef Shared<TILE_N> S;
    int warp = threadIdx.x / 32 - 4;
    int lane = threadIdx.x % 32;
    // 16 of K further: 32 bytes of a row, or 16 rows. Descriptors have addresses in pieces of 16 bytes.
    const u64 a_step = (A_ALONG_K ? 32 : 16 * 128) >> 4;
    const u64 b_step = (B_ALONG_K ? 32 : 16 * 128) >> 4;
    u32 a_first = shared_address(as) + warp / 4 * BOX_BYTES;
    u32 b_first = shared_address(bs);
    int stage = 0;
    u32 parity = 0;
    for (int number = blockIdx.x; number < tiles<TILE_N>(g); number += gridDim.x) {
        float sum[TILE_N / 2];
        int used = -1;
        for (int k0 = 0; k0 < g.k; k0 += DEPTH) {
            wait_phase(full + stage, parity);
            u64 x = describe_matrix(a_first + stage * S::A_BYTES, BOX_BYTES);
            u64 y = describe_matrix(b_first + stage * S::B_BYTES, BOX_BYTES);
            group_fence();
#pragma unroll
            for (int d = 0; d < DEPTH / 16; d++) {
                GroupProduct<T, TILE_N, !A_ALONG_K, !B_ALONG_K>::add(sum, x + d * a_step, y + d * b_step, k0 + d != 0);
            }
            group_commit();
            group_wait<1>();
            if (used >= 0 && lane == 0) {
                arrive(empty + used);
            }
            used = stage;
            stage++;
            if (stage == S::STAGES) {
                stage = 0;
                parity ^= 1;
            }
        }
        group_wait<0>();
        hold<TILE_N / 2>(sum);
        if (lane == 0) {
            arrive(empty + used);
        }
        Tile t = tile_of<TILE_N>(g, number);
        write_rows<T, TILE_N>(
                g, sum, turned + warp * 16 * PITCH, t.row + warp * 16, t.col, bias, c + t.matrix * g.m * g.n);
    }
}

template <class T, bool A_ALONG_K, bool B_ALONG_K, int TILE_N>
__device__ __forceinline__ void matmul_wgmma(
        const BoxedGemm &g, const TensorMap *a, const TensorMap *b, const T *bias, T *c) {
    typedef Shared<TILE_N> S;
    DYNAMIC_SHARED(shared);
    unsigned char *bs = shared + S::STAGES * S::A_BYTES;
    u64 *full = (u64 *)(shared + S::BARRIERS);
    u64 *empty = full + S::STAGES;
    if (threadIdx.x == 0) {
        for (int s = 0; s < S::STAGES; s++) {
            make_phased(full + s, 1);
            make_phased(empty + s, CONSUMER_WARPS);
        }
        fence_phased();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        give_registers<40>();
        if (threadIdx.x == 0) {
            produce<T, A_ALONG_K, B_ALONG_K, TILE_N>(g, a, b, shared, bs, full, empty);
        }
    } else {
        take_registers<232>();
        consume<T, A_ALONG_K, B_ALONG_K, TILE_N>(g, shared, bs, (T *)(shared + S::TURNING), full, empty, bias, c);
    }
}

// nt: rows of a and columns of b lie along K, and so on. 256 and 128 are the columns of a tile.
#define MATMUL_WGMMA(T, t, name, A, B, TILE_N)                                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) matmul_wgmma_##name##_##t(BoxedGemm g,                    \
            const GRID_CONSTANT TensorMap a, const GRID_CONSTANT TensorMap b, const T *bias, T *c) {                   \
        matmul_wgmma<T, A, B, TILE_N>(g, &a, &b, bias, c);                                                             \
    }

#define MATMUL_WGMMAS(T, t)                                                                                            \
    MATMUL_WGMMA(T, t, nn_256, true, false, 256)                                                                       \
    MATMUL_WGMMA(T, t, nt_256, true, true, 256)                                                                        \
    MATMUL_WGMMA(T, t, tn_256, false, false, 256)                                                                      \
    MATMUL_WGMMA(T, t, tt_256, false, true, 256)                                                                       \
    MATMUL_WGMMA(T, t, nn_128, true, false, 128)                                                                       \
    MATMUL_WGMMA(T, t, nt_128, true, true, 128)                                                                        \
    MATMUL_WGMMA(T, t, tn_128, false, false, 128)                                                                      \
    MATMUL_WGMMA(T, t, tt_128, false, true, 128)

MATMUL_WGMMAS(bf16, bf16)
MATMUL_WGMMAS(f16, f16)
