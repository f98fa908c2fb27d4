// Scaled dot-product attention and its gradients without the matrix of scores, after FlashAttention-2 (Dao, 2023).
//
// A block of SIDE x SIDE threads takes SIDE queries of one head and walks over the keys by SIDE. Thread (i, j) computes the
// score of query i and key j from shared memory; then thread (i, lane) adds to the head's dimensions lane, lane + SIDE, ...
// of row i, which it keeps in registers. The softmax is online: sums are scaled when a larger score turns up.
// Backward computes the scores again from the stored logarithm of the sums, in two kernels: a block of queries gives dq, a
// block of keys gives dk and dv over all queries and all heads that share them; so nothing is added atomically and results
// are the same in every run. SIDE is 16, and 8 in float64, whose tiles would not fit into 48 KB; a row of scores lies within a
// warp, so its threads need wait for nobody else.
#include "attention.cuh"

__device__ __forceinline__ float exp_of(float x) { return expf(x); }
__device__ __forceinline__ double exp_of(double x) { return exp(x); }
__device__ __forceinline__ float log_of(float x) { return logf(x); }
__device__ __forceinline__ double log_of(double x) { return log(x); }

template <class T>
struct Side {
    enum { value = 16 };
};
template <>
struct Side<double> {
    enum { value = 8 };
};

template <class T, int SIDE, int DMAX>
__device__ void attention(Heads a, const T *q, const T *k, const T *v, const int *mask, const int *rows, T *out,
        typename Statistics<T>::type *lse, Fault *fault) {
    typedef typename Math<T>::type M;
    __shared__ M qs[SIDE][DMAX + 1];
    __shared__ M ks[SIDE][DMAX + 1];
    __shared__ M vs[SIDE][DMAX];
    __shared__ M scores[SIDE][SIDE];
    __shared__ M weights[SIDE][SIDE];
    int t = threadIdx.x;
    int i = t / SIDE;
    int lane = t % SIDE;
    i64 h = blockIdx.y;
    i64 b = blockIdx.z;
    i64 first = (i64)blockIdx.x * SIDE;
    i64 query = first + i;
    i64 g = h * a.key_heads / a.heads;
    i64 row = (b * a.heads + h) * a.queries + query;
    for (int d = lane; d < a.size; d += SIDE) {
        qs[i][d] = query < a.queries ? (M)load(q, b * a.q[0] + query * a.q[1] + h * a.q[2] + d) : (M)0;
    }
    M acc[DMAX / SIDE] = {};
    M max = -(M)QUERN_INFINITY;
    M sum = 0;
    i64 end = a.causal && first + SIDE + a.keys - a.queries < a.keys ? first + SIDE + a.keys - a.queries : a.keys;
    for (i64 j0 = 0; j0 < end; j0 += SIDE) {
        i64 source = j0 + i < a.keys ? key_row(a, rows, b, j0 + i, fault) : -1;
        for (int d = lane; d < a.size; d += SIDE) {
            ks[i][d] = source < 0 ? (M)0 : (M)load(k, source * a.k[0] + (j0 + i) * a.k[1] + g * a.k[2] + d);
            vs[i][d] = source < 0 ? (M)0 : (M)load(v, source * a.v[0] + (j0 + i) * a.v[1] + g * a.v[2] + d);
        }
        __syncthreads();
        M score = -(M)QUERN_INFINITY;
        if (sees(a, mask, b, query, j0 + lane)) {
            score = 0;
            for (int d = 0; d < a.size; d++) {
                score += qs[i][d] * ks[lane][d];
            }
            score *= (M)a.scale;
        }
        scores[i][lane] = score;
        __syncwarp();
        M larger = max;
        for (int j = 0; j < SIDE; j++) {
            larger = Largest::join(scores[i][j], larger);
        }
        M weight = score == -(M)QUERN_INFINITY ? (M)0 : exp_of(score - larger);
        weights[i][lane] = weight;
        __syncwarp();
        M shrink = max == -(M)QUERN_INFINITY ? (M)0 : exp_of(max - larger);
        max = larger;
        sum *= shrink;
        for (int e = 0; e < DMAX / SIDE; e++) {
            acc[e] *= shrink;
        }
        for (int j = 0; j < SIDE; j++) {
            M w = weights[i][j];
            sum += w;
            w *= w == 0 ? (M)0 : kept<M>(a, row, j0 + j);
            for (int e = 0; e < DMAX / SIDE; e++) {
                if (lane + e * SIDE < a.size) {
                    acc[e] += w * vs[j][lane + e * SIDE];
                }
            }
        }
        __syncthreads();
    }
    if (query < a.queries) {
        for (int e = 0; e < DMAX / SIDE; e++) {
            int d = lane + e * SIDE;
            if (d < a.size) {
                store(out, ((b * a.queries + query) * a.heads + h) * a.size + d, sum == 0 ? (M)0 : acc[e] / sum);
            }
        }
        if (lane == 0) {
            lse[row] = sum == 0 ? -(M)QUERN_INFINITY : max + log_of(sum);
        }
    }
}

// The sum over the keys of p * dp is out . dOut, for each row [B, H, T]. A thread a row.
template <class T>
__device__ void attention_delta(Heads a, const T *out, const T *d_out, typename Statistics<T>::type *delta) {
    typedef typename Math<T>::type M;
    FOR_EACH(row, a.batch * a.heads * a.queries) {
        i64 query = row % a.queries;
        i64 h = row / a.queries % a.heads;
        i64 at = ((row / a.queries / a.heads * a.queries + query) * a.heads + h) * a.size;
        M sum = 0;
        for (i64 d = 0; d < a.size; d++) {
            sum += load(out, at + d) * load(d_out, at + d);
        }
        delta[row] = sum;
    }
}

// dq = scale * sum_j ds k with ds = p * (kept * dOut . v - delta). Overwrites dq.
template <class T, int SIDE, int DMAX>
__device__ void attention_dq(Heads a, const T *q, const T *k, const T *v, const int *mask,
        const typename Statistics<T>::type *lse, const typename Statistics<T>::type *delta, const T *d_out, T *dq) {
    typedef typename Math<T>::type M;
    __shared__ M qs[SIDE][DMAX + 1];
    __shared__ M os[SIDE][DMAX + 1];
    __shared__ M ks[SIDE][DMAX + 1];
    __shared__ M vs[SIDE][DMAX + 1];
    __shared__ M ds[SIDE][SIDE];
    int t = threadIdx.x;
    int i = t / SIDE;
    int lane = t % SIDE;
    i64 h = blockIdx.y;
    i64 b = blockIdx.z;
    i64 query = (i64)blockIdx.x * SIDE + i;
    i64 g = h * a.key_heads / a.heads;
    i64 row = (b * a.heads + h) * a.queries + query;
    for (int d = lane; d < a.size; d += SIDE) {
        bool in = query < a.queries;
        qs[i][d] = in ? (M)load(q, b * a.q[0] + query * a.q[1] + h * a.q[2] + d) : (M)0;
        os[i][d] = in ? (M)load(d_out, ((b * a.queries + query) * a.heads + h) * a.size + d) : (M)0;
    }
    M acc[DMAX / SIDE] = {};
    for (i64 j0 = 0; j0 < a.keys; j0 += SIDE) {
        i64 key = j0 + i;
        for (int d = lane; d < a.size; d += SIDE) {
            ks[i][d] = key < a.keys ? (M)load(k, b * a.k[0] + key * a.k[1] + g * a.k[2] + d) : (M)0;
            vs[i][d] = key < a.keys ? (M)load(v, b * a.v[0] + key * a.v[1] + g * a.v[2] + d) : (M)0;
        }
        __syncthreads();
        M s = 0;
        if (sees(a, mask, b, query, j0 + lane)) {
            M score = 0;
            M dp = 0;
            for (int d = 0; d < a.size; d++) {
                score += qs[i][d] * ks[lane][d];
                dp += os[i][d] * vs[lane][d];
            }
            M p = exp_of((M)a.scale * score - (M)lse[row]);
            s = p * (kept<M>(a, row, j0 + lane) * dp - (M)delta[row]);
        }
        ds[i][lane] = s;
        __syncwarp();
        for (int j = 0; j < SIDE; j++) {
            for (int e = 0; e < DMAX / SIDE; e++) {
                if (lane + e * SIDE < a.size) {
                    acc[e] += ds[i][j] * ks[j][lane + e * SIDE];
                }
            }
        }
        __syncthreads();
    }
    for (int e = 0; e < DMAX / SIDE; e++) {
        int d = lane + e * SIDE;
        if (d < a.size && query < a.queries) {
            store(dq, ((b * a.queries + query) * a.heads + h) * a.size + d, (M)a.scale * acc[e]);
        }
    }
}

// dv = sum_i p * kept * dOut and dk = scale * sum_i ds q, over the queries of all heads that read this key. Overwrites both.
template <class T, int SIDE, int DMAX>
__device__ void attention_dkv(Heads a, const T *q, const T *k, const T *v, const int *mask,
        const typename Statistics<T>::type *lse, const typename Statistics<T>::type *delta, const T *d_out, T *dk,
        T *dv) {
    typedef typename Math<T>::type M;
    __shared__ M qs[SIDE][DMAX + 1];
    __shared__ M os[SIDE][DMAX + 1];
    __shared__ M ks[SIDE][DMAX + 1];
    __shared__ M vs[SIDE][DMAX + 1];
    __shared__ M ds[SIDE][SIDE];
    __shared__ M ps[SIDE][SIDE];
    int t = threadIdx.x;
    int j = t / SIDE;
    int lane = t % SIDE;
    i64 g = blockIdx.y;
    i64 b = blockIdx.z;
    i64 key = (i64)blockIdx.x * SIDE + j;
    for (int d = lane; d < a.size; d += SIDE) {
        ks[j][d] = key < a.keys ? (M)load(k, b * a.k[0] + key * a.k[1] + g * a.k[2] + d) : (M)0;
        vs[j][d] = key < a.keys ? (M)load(v, b * a.v[0] + key * a.v[1] + g * a.v[2] + d) : (M)0;
    }
    M acc_k[DMAX / SIDE] = {};
    M acc_v[DMAX / SIDE] = {};
    i64 shared = a.heads / a.key_heads;
    for (i64 h = g * shared; h < (g + 1) * shared; h++) {
        for (i64 i0 = 0; i0 < a.queries; i0 += SIDE) {
            i64 query = i0 + j;
            for (int d = lane; d < a.size; d += SIDE) {
                bool in = query < a.queries;
                qs[j][d] = in ? (M)load(q, b * a.q[0] + query * a.q[1] + h * a.q[2] + d) : (M)0;
                os[j][d] = in ? (M)load(d_out, ((b * a.queries + query) * a.heads + h) * a.size + d) : (M)0;
            }
            __syncthreads();
            M s = 0;
            M w = 0;
            if (sees(a, mask, b, i0 + lane, key)) {
                i64 row = (b * a.heads + h) * a.queries + i0 + lane;
                M score = 0;
                M dp = 0;
                for (int d = 0; d < a.size; d++) {
                    score += qs[lane][d] * ks[j][d];
                    dp += os[lane][d] * vs[j][d];
                }
                M p = exp_of((M)a.scale * score - (M)lse[row]);
                M m = kept<M>(a, row, key);
                s = p * (m * dp - (M)delta[row]);
                w = p * m;
            }
            ds[j][lane] = s;
            ps[j][lane] = w;
            __syncwarp();
            for (int i = 0; i < SIDE; i++) {
                for (int e = 0; e < DMAX / SIDE; e++) {
                    if (lane + e * SIDE < a.size) {
                        acc_k[e] += ds[j][i] * qs[i][lane + e * SIDE];
                        acc_v[e] += ps[j][i] * os[i][lane + e * SIDE];
                    }
                }
            }
            __syncthreads();
        }
    }
    for (int e = 0; e < DMAX / SIDE; e++) {
        int d = lane + e * SIDE;
        if (d < a.size && key < a.keys) {
            i64 at = ((b * a.keys + key) * a.key_heads + g) * a.size + d;
            store(dk, at, (M)a.scale * acc_k[e]);
            store(dv, at, acc_v[e]);
        }
    }
}

#define SIZED(T, t, D)                                                                                                 \
    extern "C" __global__ void attention_d##D##_##t(Heads a, const T *q, const T *k, const T *v, const int *mask,      \
            const int *rows, T *out, Statistics<T>::type *lse, Fault *fault) {                                         \
        attention<T, Side<T>::value, D>(a, q, k, v, mask, rows, out, lse, fault);                                      \
    }                                                                                                                  \
    extern "C" __global__ void attention_dq_d##D##_##t(Heads a, const T *q, const T *k, const T *v, const int *mask,   \
            const Statistics<T>::type *lse, const Statistics<T>::type *delta, const T *d_out, T *dq) {                 \
        attention_dq<T, Side<T>::value, D>(a, q, k, v, mask, lse, delta, d_out, dq);                                   \
    }                                                                                                                  \
    extern "C" __global__ void attention_dkv_d##D##_##t(Heads a, const T *q, const T *k, const T *v, const int *mask,  \
            const Statistics<T>::type *lse, const Statistics<T>::type *delta, const T *d_out, T *dk, T *dv) {          \
        attention_dkv<T, Side<T>::value, D>(a, q, k, v, mask, lse, delta, d_out, dk, dv);                              \
    }

#define ATTENTION(T, t)                                                                                                \
    SIZED(T, t, 64)                                                                                                    \
    SIZED(T, t, 128)                                                                                                   \
    extern "C" __global__ void attention_delta_##t(                                                                    \
            Heads a, const T *out, const T *d_out, Statistics<T>::type *delta) {                                       \
        attention_delta(a, out, d_out, delta);                                                                         \
    }

FOR_FLOATING(ATTENTION)
