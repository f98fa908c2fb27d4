// Scaled dot-product attention on Hopper in BF16 and F16, after FlashAttention-3 (Shah et al., 2024), for heads of 64 and 128.
//
// A block takes 128 queries of one head, 64 for each of two warp groups, and walks over the keys by 128. The producer, one
// thread of a third group, has keys and values copied by tensor maps, two stages of each ahead. Scores come by wgmma from
// shared memory into registers; there they become weights, which are rounded and go on as the left factor of the second
// wgmma, whose right factor are the values as they lie in memory. The softmax is online, with powers of two: a row lies
// in four lanes. While one group does its softmax the other multiplies.
//
// Not for dropout and tables of rows. No card has run this yet: it is taken only if it is asked for (attention.cu else).
#include "hopper.cuh"

#define QUERIES 128
#define KEYS 128
#define STAGES 2
#define CONSUMER_WARPS 8
#define THREADS 384
#define BOX_BYTES (KEYS * 128)

struct BoxedHeads {
    i64 queries, keys, heads, key_heads, causal;
    double scale;
};

template <int SIZE>
struct Shared {
    enum { TILE_BYTES = KEYS * SIZE * 2, BOXES = SIZE / 64, BARRIERS = (1 + 2 * STAGES) * TILE_BYTES };
};

struct Pipeline {
    u64 *full, *empty;
};

template <int SIZE>
__device__ __forceinline__ void copy_tile(
        unsigned char *to, const TensorMap *map, i64 position, i64 head, i64 batch, u64 *full) {
    typedef Shared<SIZE> S;
    arrive_expecting(full, S::TILE_BYTES);
#pragma unroll
    for (int i = 0; i < S::BOXES; i++) {
        copy_box(to + i * BOX_BYTES, map, 64 * i, (int)position, (int)head, (int)batch, full);
    }
}

// Keys that some query of the block may see, in tiles.
__device__ __forceinline__ int key_tiles(const BoxedHeads &h, i64 first) {
    i64 end = h.causal && first + QUERIES + h.keys - h.queries < h.keys ? first + QUERIES + h.keys - h.queries : h.keys;
    return end <= 0 ? 0 : (int)((end + KEYS - 1) / KEYS);
}

template <int SIZE>
__device__ __forceinline__ void produce(const BoxedHeads &h, const TensorMap *q, const TensorMap *k, const TensorMap *v,
        unsigned char *shared, i64 first, u64 *q_full, Pipeline keys, Pipeline values) {
    typedef Shared<SIZE> S;
    i64 shared_head = blockIdx.y * h.key_heads / h.heads;
    int tiles = key_tiles(h, first);
    if (tiles > 0) {
        copy_tile<SIZE>(shared, q, first, blockIdx.y, blockIdx.z, q_full);
    }
    for (int t = 0; t < tiles; t++) {
        int s = t % STAGES;
        u32 parity = t / STAGES % 2 ^ 1;
        wait_phase(keys.empty + s, parity);
        copy_tile<SIZE>(shared + (1 + s) * S::TILE_BYTES, k, (i64)t * KEYS, shared_head, blockIdx.z, keys.full + s);
        wait_phase(values.empty + s, parity);
        copy_tile<SIZE>(
                shared + (1 + STAGES + s) * S::TILE_BYTES, v, (i64)t * KEYS, shared_head, blockIdx.z, values.full + s);
    }
}

__device__ __forceinline__ float of_four_lanes(float x, bool largest) {
#pragma unroll
    for (int step = 1; step <= 2; step *= 2) {
        float y = __shfl_xor_sync(0xFFFFFFFFu, x, step);
        x = largest ? (y > x ? y : x) : x + y;
    }
    return x;
}

template <class T, int SIZE>
__device__ __forceinline__ void consume(const BoxedHeads &h, unsigned char *shared, i64 first, u64 *q_full, Pipeline keys,
        Pipeline values, const int *mask, T *out, float *lse) {
    typedef Shared<SIZE> S;
    int warp = threadIdx.x / 32 - 4;
    int lane = threadIdx.x % 32;
    i64 query = first + warp * 16 + lane / 4;
    u32 q_at = shared_address(shared) + warp / 4 * 64 * 128;
    float scale = (float)(h.scale * 1.4426950408889634);
    float o[SIZE / 2] = {};
    float max[2] = {-QUERN_INFINITY, -QUERN_INFINITY};
    float sum[2] = {0, 0};
    int tiles = key_tiles(h, first);
    if (tiles > 0) {
        wait_phase(q_full, 0);
    }
    for (int t = 0; t < tiles; t++) {
        int s = t % STAGES;
        u32 parity = t / STAGES % 2;
        u32 k_at = shared_address(shared + (1 + s) * S::TILE_BYTES);
        u32 v_at = shared_address(shared + (1 + STAGES + s) * S::TILE_BYTES);
        float x[KEYS / 2];
        wait_phase(keys.full + s, parity);
        group_fence();
#pragma unroll
        for (int d = 0; d < SIZE / 16; d++) {
            int at = d / 4 * BOX_BYTES + d % 4 * 32;
            GroupProduct<T, KEYS, false, false>::add(
                    x, describe_matrix(q_at + at, BOX_BYTES), describe_matrix(k_at + at, BOX_BYTES), d != 0);
        }
        group_commit();
        group_wait<0>();
        hold<KEYS / 2>(x);
        if (lane == 0) {
            arrive(keys.empty + s);
        }
        float larger[2] = {max[0], max[1]};
        bool all = !mask && (i64)(t + 1) * KEYS <= h.keys
                && (!h.causal || (i64)(t + 1) * KEYS <= first + 1 + h.keys - h.queries);
#pragma unroll
        for (int i = 0; i < KEYS / 2; i++) {
            int half = i / 2 % 2;
            i64 key = (i64)t * KEYS + i / 4 * 8 + lane % 4 * 2 + i % 2;
            bool sees = all
                    || (key < h.keys && (!mask || mask[blockIdx.z * h.keys + key] != 0)
                            && (!h.causal || key <= query + 8 * half + h.keys - h.queries));
            x[i] = sees ? x[i] * scale : -QUERN_INFINITY;
            larger[half] = x[i] > larger[half] || x[i] != x[i] ? x[i] : larger[half];
        }
        float shrink[2];
        float from[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            larger[half] = of_four_lanes(larger[half], true);
            from[half] = larger[half] == -QUERN_INFINITY ? 0 : larger[half];
            shrink[half] = exp2f(max[half] - from[half]);
            max[half] = larger[half];
            sum[half] *= shrink[half];
        }
        u32 weights[KEYS / 4];
#pragma unroll
        for (int i = 0; i < KEYS / 2; i += 2) {
            int half = i / 2 % 2;
            float left = exp2f(x[i] - from[half]);
            float right = exp2f(x[i + 1] - from[half]);
            sum[half] += left + right;
            weights[i / 2] = round_pair(left, right, out);
        }
#pragma unroll
        for (int i = 0; i < SIZE / 2; i++) {
            o[i] *= shrink[i / 2 % 2];
        }
        wait_phase(values.full + s, parity);
        group_fence();
#pragma unroll
        for (int d = 0; d < KEYS / 16; d++) {
            RowsProduct<T, SIZE, true>::add(o, weights + 4 * d, describe_matrix(v_at + d * 16 * 128, BOX_BYTES));
        }
        group_commit();
        group_wait<0>();
        hold<SIZE / 2>(o);
        if (lane == 0) {
            arrive(values.empty + s);
        }
    }
#pragma unroll
    for (int half = 0; half < 2; half++) {
        i64 row = query + 8 * half;
        float total = of_four_lanes(sum[half], false);
        float factor = total == 0 ? 0 : 1 / total;
        if (row >= h.queries) {
            continue;
        }
        T *to = out + ((blockIdx.z * h.queries + row) * h.heads + blockIdx.y) * SIZE;
#pragma unroll
        for (int j = 0; j < SIZE / 8; j++) {
            float *y = o + 4 * j + 2 * half;
            *(u32 *)(to + 8 * j + lane % 4 * 2) = round_pair(y[0] * factor, y[1] * factor, out);
        }
        if (lane % 4 == 0) {
            lse[(blockIdx.z * h.heads + blockIdx.y) * h.queries + row] =
                    total == 0 ? -QUERN_INFINITY : (max[half] + log2f(total)) * 0.6931471805599453f;
        }
    }
}

template <class T, int SIZE>
__device__ __forceinline__ void attention_wgmma(const BoxedHeads &h, const TensorMap *q, const TensorMap *k,
        const TensorMap *v, const int *mask, T *out, float *lse) {
    typedef Shared<SIZE> S;
    DYNAMIC_SHARED(shared);
    u64 *q_full = (u64 *)(shared + S::BARRIERS);
    Pipeline keys = {q_full + 1, q_full + 1 + STAGES};
    Pipeline values = {keys.empty + STAGES, keys.empty + 2 * STAGES};
    i64 first = (i64)blockIdx.x * QUERIES;
    if (threadIdx.x == 0) {
        make_phased(q_full, 1);
        for (int s = 0; s < STAGES; s++) {
            make_phased(keys.full + s, 1);
            make_phased(values.full + s, 1);
            make_phased(keys.empty + s, CONSUMER_WARPS);
            make_phased(values.empty + s, CONSUMER_WARPS);
        }
        fence_phased();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        give_registers<40>();
        if (threadIdx.x == 0) {
            produce<SIZE>(h, q, k, v, shared, first, q_full, keys, values);
        }
    } else {
        take_registers<232>();
        consume<T, SIZE>(h, shared, first, q_full, keys, values, mask, out, lse);
    }
}

#define ATTENTION_WGMMA(T, t, SIZE)                                                                                    \
    extern "C" __global__ void __launch_bounds__(THREADS, 1) attention_wgmma_d##SIZE##_##t(BoxedHeads h,               \
            const GRID_CONSTANT TensorMap q, const GRID_CONSTANT TensorMap k, const GRID_CONSTANT TensorMap v,         \
            const int *mask, T *out, float *lse) {                                                                     \
        attention_wgmma<T, SIZE>(h, &q, &k, &v, mask, out, lse);                                                       \
    }

ATTENTION_WGMMA(bf16, bf16, 64)
ATTENTION_WGMMA(bf16, bf16, 128)
ATTENTION_WGMMA(f16, f16, 64)
ATTENTION_WGMMA(f16, f16, 128)
