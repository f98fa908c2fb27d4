// Attention and its gradients in BF16 and F16 on the tensor cores, after FlashAttention-2 (Dao, 2023): scores, weights and
// their gradients stay in registers.
//
// A block of 4 warps takes OWN = 64 rows, each warp 16 of them by mma.m16n8k16, and walks over the others tile by tile.
// Forward, rows are queries and the others keys: while scores are computed the values are copied, and while those are summed
// up, the next keys. The softmax is online, in powers of 2; a warp's lanes hold the scores of mma's c, which are in pairs the
// fragments of a, so weights need not move. Backward computes the weights again from the stored logarithm of the sums, twice:
// with queries as rows for dq, with keys as rows for dk and dv over the queries of all heads that share them; so nothing is
// added atomically and results are the same in every run. Weights and their gradients are rounded to T for the second
// product; all sums are in float32.
//
// Rows of q, k, v must be whole chunks of 16 bytes; heads smaller than D are filled up with zeros.
#include "attention.cuh"
#include "tensor_core.cuh"

#define OWN 64
#define THREADS 128
#define PER_CHUNK 8
#define LOG2_E 1.44269504088896340736f
#define LN_2 0.69314718055994530942f

__device__ __forceinline__ float exp2_of(float x) { return exp2f(x); }
__device__ __forceinline__ float log2_of(float x) { return log2f(x); }

// Where chunk c of a row lies: permuted, so that eight rows lie in eight groups of banks.
template <int D>
__device__ __forceinline__ int chunk_place(int row, int c) {
    return row * (D / PER_CHUNK) + (c ^ (row & 7));
}

// Starts the copies of rows first to first + ROWS - 1 of x [count, size].
template <int D, int ROWS, class T>
__device__ __forceinline__ void copy_rows(Chunk *to, const T *x, i64 stride, i64 first, i64 count, i64 size) {
    for (int e = threadIdx.x; e < ROWS * D / PER_CHUNK; e += THREADS) {
        int row = e / (D / PER_CHUNK);
        int c = e % (D / PER_CHUNK);
        bool in = first + row < count && c * PER_CHUNK < size;
        cp_async(to + chunk_place<D>(row, c), in ? x + (first + row) * stride + c * PER_CHUNK : x, in ? 16 : 0);
    }
}

// The same for keys or values of a cache, whose rows a table may name.
template <int D, class T>
__device__ __forceinline__ void copy_cached(
        const Heads &a, Chunk *to, const T *x, const i64 *strides, const int *rows, i64 b, i64 g, i64 first, Fault *fault) {
    for (int e = threadIdx.x; e < OWN * D / PER_CHUNK; e += THREADS) {
        i64 j = first + e / (D / PER_CHUNK);
        int c = e % (D / PER_CHUNK);
        i64 source = j < a.keys && c * PER_CHUNK < a.size ? key_row(a, rows, b, j, fault) : -1;
        cp_async(to + chunk_place<D>(e / (D / PER_CHUNK), c),
                source < 0 ? x : x + source * strides[0] + j * strides[1] + g * strides[2] + c * PER_CHUNK,
                source < 0 ? 0 : 16);
    }
}

// c [16, 8 TILES] += 16 rows of x from `row` on times the transpose of 8 TILES rows of y.
template <int D, int TILES, class T>
__device__ __forceinline__ void multiply_rows(float (*c)[4], const Chunk *x, int row, const Chunk *y, const T *type) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int d = 0; d < D / PER_CHUNK; d += 2) {
        u32 left[4];
        load_fragments<false>(left, x + chunk_place<D>(row + lane % 16, d + lane / 16));
#pragma unroll
        for (int j = 0; j < TILES; j += 2) {
            u32 right[4];
            load_fragments<false>(right, y + chunk_place<D>(8 * j + lane % 8 + lane / 16 * 8, d + lane / 8 % 2));
            multiply_fragments(c[j], left, right, type);
            multiply_fragments(c[j + 1], left, right + 2, type);
        }
    }
}

// acc [16, D] += p [16, 8 TILES] times 8 TILES rows of y; p lies in registers as the c of products.
template <int D, int TILES, class T>
__device__ __forceinline__ void multiply_weights(float (*acc)[4], float (*p)[4], const Chunk *y, const T *type) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int j = 0; j < TILES; j += 2) {
        u32 left[4] = {round_pair(p[j][0], p[j][1], type), round_pair(p[j][2], p[j][3], type),
                round_pair(p[j + 1][0], p[j + 1][1], type), round_pair(p[j + 1][2], p[j + 1][3], type)};
#pragma unroll
        for (int d = 0; d < D / 8; d += 2) {
            u32 right[4];
            load_fragments<true>(right, y + chunk_place<D>(8 * j + lane % 16, d + lane / 16));
            multiply_fragments(acc[d], left, right, type);
            multiply_fragments(acc[d + 1], left, right + 2, type);
        }
    }
}

// Writes factor * acc [16, D] to rows first to first + 15 of y [count, size].
template <int D, class T>
__device__ __forceinline__ void store_rows(
        T *y, i64 stride, i64 first, i64 count, i64 size, float (*acc)[4], const float *factor) {
    int lane = threadIdx.x % 32;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        i64 row = first + lane / 4 + 8 * half;
#pragma unroll
        for (int d = 0; d < D / 8; d++) {
            int col = 8 * d + lane % 4 * 2;
            if (row < count && col < size) {
                *(u32 *)(y + row * stride + col) =
                        round_pair(factor[half] * acc[d][2 * half], factor[half] * acc[d][2 * half + 1], y);
            }
        }
    }
}

// Over the lanes that hold a row of c.
template <class R>
__device__ __forceinline__ float reduce_row(float x) {
    x = R::join(x, __shfl_xor_sync(0xFFFFFFFFu, x, 1));
    return R::join(x, __shfl_xor_sync(0xFFFFFFFFu, x, 2));
}

template <int D, class T>
__device__ __forceinline__ void attention_mma(Heads a, const T *q, const T *k, const T *v, const int *mask,
        const int *rows, T *out, float *lse, Fault *fault) {
    enum { TILES = OWN / 8, CHUNKS = OWN * D / PER_CHUNK };
    __shared__ Chunk qs[CHUNKS];
    __shared__ Chunk ks[CHUNKS];
    __shared__ Chunk vs[CHUNKS];
    int lane = threadIdx.x % 32;
    int own = threadIdx.x / 32 * 16;
    i64 h = blockIdx.y;
    i64 b = blockIdx.z;
    i64 g = h * a.key_heads / a.heads;
    // Blocks that see most keys start first.
    i64 first = (i64)(gridDim.x - 1 - blockIdx.x) * OWN;
    i64 past = a.keys - a.queries;
    i64 end = a.causal && first + OWN + past < a.keys ? first + OWN + past : a.keys;
    float unit = (float)a.scale * LOG2_E;
    float acc[D / 8][4] = {};
    float max[2] = {-QUERN_INFINITY, -QUERN_INFINITY};
    float sum[2] = {};
    copy_rows<D, OWN>(qs, q + b * a.q[0] + h * a.q[2], a.q[1], first, a.queries, a.size);
    copy_cached<D>(a, ks, k, a.k, rows, b, g, 0, fault);
    cp_async_commit();
    for (i64 j0 = 0; j0 < end; j0 += OWN) {
        cp_async_wait<0>();
        __syncthreads();
        copy_cached<D>(a, vs, v, a.v, rows, b, g, j0, fault);
        cp_async_commit();
        float s[TILES][4] = {};
        multiply_rows<D, TILES>(s, qs, own, ks, q);
        bool whole = !mask && j0 + OWN <= a.keys && (!a.causal || j0 + OWN - 1 <= first + past);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            i64 query = first + own + lane / 4 + 8 * half;
            i64 row = (b * a.heads + h) * a.queries + query;
            float larger = max[half];
#pragma unroll
            for (int j = 0; j < TILES; j++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[j][2 * half + e];
                    x = whole || sees(a, mask, b, query, j0 + 8 * j + lane % 4 * 2 + e) ? x * unit : -QUERN_INFINITY;
                    larger = Largest::join(x, larger);
                }
            }
            larger = reduce_row<Largest>(larger);
            float shrink = max[half] == -QUERN_INFINITY ? 0.0f : exp2_of(max[half] - larger);
            max[half] = larger;
            sum[half] *= shrink;
#pragma unroll
            for (int d = 0; d < D / 8; d++) {
                acc[d][2 * half] *= shrink;
                acc[d][2 * half + 1] *= shrink;
            }
#pragma unroll
            for (int j = 0; j < TILES; j++) {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    float &x = s[j][2 * half + e];
                    x = x == -QUERN_INFINITY ? 0.0f : exp2_of(x - larger);
                    sum[half] += x;
                    x *= x == 0 ? 0.0f : kept<float>(a, row, j0 + 8 * j + lane % 4 * 2 + e);
                }
            }
        }
        cp_async_wait<0>();
        __syncthreads();
        if (j0 + OWN < end) {
            copy_cached<D>(a, ks, k, a.k, rows, b, g, j0 + OWN, fault);
            cp_async_commit();
        }
        multiply_weights<D, TILES>(acc, s, vs, q);
    }
    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
        i64 query = first + own + lane / 4 + 8 * half;
        float total = reduce_row<Sum>(sum[half]);
        factor[half] = total == 0 ? 0.0f : 1 / total;
        if (lane % 4 == 0 && query < a.queries) {
            lse[(b * a.heads + h) * a.queries + query] =
                    total == 0 ? -QUERN_INFINITY : (max[half] + log2_of(total)) * LN_2;
        }
    }
    store_rows<D>(
            out + (b * a.queries * a.heads + h) * a.size, a.heads * a.size, first + own, a.queries, a.size, acc, factor);
}

// Rows that a block of the gradients goes through at a time: so many that two stages of them fit beside its own.
template <int D>
struct Others {
    enum { value = D == 64 ? 32 : 16 };
};

// Weights p of 16 rows and 8 TILES others, in the place of scores s, and ds = p * (kept * dp - delta) in that of dp. p gets
// the factor of dropout.
template <bool KEYS, int TILES>
__device__ __forceinline__ void weigh(const Heads &a, const int *mask, i64 b, i64 h, i64 own, i64 other,
        const float *lse, const float *delta, float (*s)[4], float (*dp)[4]) {
    int lane = threadIdx.x % 32;
    i64 before = (b * a.heads + h) * a.queries;
#pragma unroll
    for (int j = 0; j < TILES; j++) {
#pragma unroll
        for (int e = 0; e < 4; e++) {
            i64 x = own + lane / 4 + e / 2 * 8;
            i64 y = other + 8 * j + lane % 4 * 2 + e % 2;
            i64 query = KEYS ? y : x;
            i64 key = KEYS ? x : y;
            float p = 0;
            float ds = 0;
            if (sees(a, mask, b, query, key)) {
                float factor = kept<float>(a, before + query, key);
                p = exp2_of(((float)a.scale * s[j][e] - lse[before + query]) * LOG2_E);
                ds = p * (factor * dp[j][e] - delta[before + query]);
                p *= factor;
            }
            s[j][e] = p;
            dp[j][e] = ds;
        }
    }
}

// dq = scale * sum_j ds k.
template <int D, class T>
__device__ __forceinline__ void attention_mma_dq(Heads a, const T *q, const T *k, const T *v, const int *mask,
        const float *lse, const float *delta, const T *d_out, T *dq) {
    enum { COUNT = Others<D>::value, TILES = COUNT / 8, MINE = OWN * D / PER_CHUNK, CHUNKS = COUNT * D / PER_CHUNK };
    __shared__ Chunk qs[MINE];
    __shared__ Chunk os[MINE];
    __shared__ Chunk ks[2][CHUNKS];
    __shared__ Chunk vs[2][CHUNKS];
    int own = threadIdx.x / 32 * 16;
    i64 h = blockIdx.y;
    i64 b = blockIdx.z;
    i64 g = h * a.key_heads / a.heads;
    i64 first = (i64)(gridDim.x - 1 - blockIdx.x) * OWN;
    i64 past = a.keys - a.queries;
    i64 end = a.causal && first + OWN + past < a.keys ? first + OWN + past : a.keys;
    i64 wide = a.heads * a.size;
    k += b * a.k[0] + g * a.k[2];
    v += b * a.v[0] + g * a.v[2];
    float acc[D / 8][4] = {};
    copy_rows<D, OWN>(qs, q + b * a.q[0] + h * a.q[2], a.q[1], first, a.queries, a.size);
    copy_rows<D, OWN>(os, d_out + (b * a.queries * a.heads + h) * a.size, wide, first, a.queries, a.size);
    copy_rows<D, COUNT>(ks[0], k, a.k[1], 0, a.keys, a.size);
    copy_rows<D, COUNT>(vs[0], v, a.v[1], 0, a.keys, a.size);
    cp_async_commit();
    int stage = 0;
    for (i64 j0 = 0; j0 < end; j0 += COUNT) {
        cp_async_wait<0>();
        __syncthreads();
        if (j0 + COUNT < end) {
            copy_rows<D, COUNT>(ks[stage ^ 1], k, a.k[1], j0 + COUNT, a.keys, a.size);
            copy_rows<D, COUNT>(vs[stage ^ 1], v, a.v[1], j0 + COUNT, a.keys, a.size);
            cp_async_commit();
        }
        float s[TILES][4] = {};
        float dp[TILES][4] = {};
        multiply_rows<D, TILES>(s, qs, own, ks[stage], q);
        multiply_rows<D, TILES>(dp, os, own, vs[stage], q);
        weigh<false, TILES>(a, mask, b, h, first + own, j0, lse, delta, s, dp);
        multiply_weights<D, TILES>(acc, dp, ks[stage], q);
        stage ^= 1;
    }
    float factor[2] = {(float)a.scale, (float)a.scale};
    store_rows<D>(dq + (b * a.queries * a.heads + h) * a.size, wide, first + own, a.queries, a.size, acc, factor);
}

// Where the queries of a step begin: of `steps` for each head from the first query that may see a block's keys on.
struct Step {
    i64 h, i0;
};

template <int COUNT>
__device__ __forceinline__ Step step_of(i64 step, i64 steps, i64 head, i64 from) {
    Step s = {head + step / steps, from + step % steps * COUNT};
    return s;
}

// dv = sum_i p * kept * dOut and dk = scale * sum_i ds q.
template <int D, class T>
__device__ __forceinline__ void attention_mma_dkv(Heads a, const T *q, const T *k, const T *v, const int *mask,
        const float *lse, const float *delta, const T *d_out, T *dk, T *dv) {
    enum { COUNT = Others<D>::value, TILES = COUNT / 8, MINE = OWN * D / PER_CHUNK, CHUNKS = COUNT * D / PER_CHUNK };
    __shared__ Chunk ks[MINE];
    __shared__ Chunk vs[MINE];
    __shared__ Chunk qs[2][CHUNKS];
    __shared__ Chunk os[2][CHUNKS];
    int own = threadIdx.x / 32 * 16;
    i64 g = blockIdx.y;
    i64 b = blockIdx.z;
    i64 first = (i64)blockIdx.x * OWN;
    i64 shared = a.heads / a.key_heads;
    i64 unseen = a.causal ? first - (a.keys - a.queries) : 0;
    i64 from = unseen > 0 ? unseen / COUNT * COUNT : 0;
    i64 steps = from < a.queries ? (a.queries - from + COUNT - 1) / COUNT : 0;
    i64 wide = a.heads * a.size;
    q += b * a.q[0];
    d_out += b * a.queries * wide;
    float acc_k[D / 8][4] = {};
    float acc_v[D / 8][4] = {};
    copy_rows<D, OWN>(ks, k + b * a.k[0] + g * a.k[2], a.k[1], first, a.keys, a.size);
    copy_rows<D, OWN>(vs, v + b * a.v[0] + g * a.v[2], a.v[1], first, a.keys, a.size);
    copy_rows<D, COUNT>(qs[0], q + g * shared * a.q[2], a.q[1], from, a.queries, a.size);
    copy_rows<D, COUNT>(os[0], d_out + g * shared * a.size, wide, from, a.queries, a.size);
    cp_async_commit();
    int stage = 0;
    for (i64 step = 0; step < steps * shared; step++) {
        cp_async_wait<0>();
        __syncthreads();
        if (step + 1 < steps * shared) {
            Step next = step_of<COUNT>(step + 1, steps, g * shared, from);
            copy_rows<D, COUNT>(qs[stage ^ 1], q + next.h * a.q[2], a.q[1], next.i0, a.queries, a.size);
            copy_rows<D, COUNT>(os[stage ^ 1], d_out + next.h * a.size, wide, next.i0, a.queries, a.size);
            cp_async_commit();
        }
        Step here = step_of<COUNT>(step, steps, g * shared, from);
        float s[TILES][4] = {};
        float dp[TILES][4] = {};
        multiply_rows<D, TILES>(s, ks, own, qs[stage], q);
        multiply_rows<D, TILES>(dp, vs, own, os[stage], q);
        weigh<true, TILES>(a, mask, b, here.h, first + own, here.i0, lse, delta, s, dp);
        multiply_weights<D, TILES>(acc_v, s, os[stage], q);
        multiply_weights<D, TILES>(acc_k, dp, qs[stage], q);
        stage ^= 1;
    }
    i64 at = (b * a.keys * a.key_heads + g) * a.size;
    float scale[2] = {(float)a.scale, (float)a.scale};
    float one[2] = {1, 1};
    store_rows<D>(dk + at, a.key_heads * a.size, first + own, a.keys, a.size, acc_k, scale);
    store_rows<D>(dv + at, a.key_heads * a.size, first + own, a.keys, a.size, acc_v, one);
}

#define ATTENTION_MMA(T, t, D)                                                                                         \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_mma_d##D##_##t(Heads a, const T *q, const T *k,    \
            const T *v, const int *mask, const int *rows, T *out, float *lse, Fault *fault) {                          \
        attention_mma<D>(a, q, k, v, mask, rows, out, lse, fault);                                                     \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_mma_dq_d##D##_##t(Heads a, const T *q,             \
            const T *k, const T *v, const int *mask, const float *lse, const float *delta, const T *d_out, T *dq) {    \
        attention_mma_dq<D>(a, q, k, v, mask, lse, delta, d_out, dq);                                                  \
    }                                                                                                                  \
    extern "C" __global__ void __launch_bounds__(THREADS) attention_mma_dkv_d##D##_##t(Heads a, const T *q,            \
            const T *k, const T *v, const int *mask, const float *lse, const float *delta, const T *d_out, T *dk,      \
            T *dv) {                                                                                                   \
        attention_mma_dkv<D>(a, q, k, v, mask, lse, delta, d_out, dk, dv);                                             \
    }

ATTENTION_MMA(bf16, bf16, 64)
ATTENTION_MMA(bf16, bf16, 128)
ATTENTION_MMA(f16, f16, 64)
ATTENTION_MMA(f16, f16, 128)
