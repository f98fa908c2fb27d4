// Sums, means, extremes, softmax and its gradient.
//
// A block reduces one row, or one element of the result, in a fixed tree over its threads, so results do not change between
// runs. Bound by memory; softmax reads its row three times, which a row of up to some 10,000 elements finds in the L2.
#include "common.cuh"

__device__ __forceinline__ float exp_of(float x) { return expf(x); }
__device__ __forceinline__ double exp_of(double x) { return exp(x); }
__device__ __forceinline__ float log_of(float x) { return logf(x); }
__device__ __forceinline__ double log_of(double x) { return log(x); }

// In the order of Reduce.Kind.
enum { SUM, MEAN, MAX, MIN };

template <class M>
__device__ __forceinline__ M join(int kind, M a, M b) {
    return kind == MAX ? Largest::join(a, b) : kind == MIN ? Smallest::join(a, b) : a + b;
}

template <class M>
__device__ __forceinline__ M start(int kind) {
    return kind == MAX ? -(M)QUERN_INFINITY : kind == MIN ? (M)QUERN_INFINITY : (M)0;
}

// One block an element of the result: kept places it in x, reduced walks over what it sums.
template <class T>
__device__ void reduce_any(int kind, Walk kept, Walk reduced, const T *x, T *y, i64 outputs, i64 n) {
    typedef typename Math<T>::type M;
    for (i64 o = blockIdx.x; o < outputs; o += gridDim.x) {
        i64 base = place(kept, o).at[0];
        M sum = start<M>(kind);
        for (i64 i = threadIdx.x; i < n; i += BLOCK) {
            sum = join(kind, sum, (M)load(x, base + place(reduced, i).at[0]));
        }
        sum = kind == MAX ? reduce_block<Largest>(sum)
                : kind == MIN ? reduce_block<Smallest>(sum) : reduce_block<Sum>(sum);
        if (threadIdx.x == 0) {
            store(y, o, kind == MEAN ? sum / (M)n : sum);
        }
    }
}

// Where neighbouring results lie side by side in x, sums of columns: one thread an element of the result and a stretch of
// what it sums, of which blockIdx.y is one. Overwrites sums [stretches, outputs], or y if there is only one stretch, which a
// null for sums says.
template <class T, class M>
__device__ void reduce_columns(
        int kind, Walk kept, Walk reduced, const T *x, M *sums, T *y, i64 outputs, i64 n, i64 stretch) {
    i64 last = (blockIdx.y + 1) * stretch < n ? (blockIdx.y + 1) * stretch : n;
    FOR_EACH(o, outputs) {
        i64 base = place(kept, o).at[0];
        M sum = start<M>(kind);
        for (i64 i = blockIdx.y * stretch; i < last; i++) {
            sum = join(kind, sum, (M)load(x, base + place(reduced, i).at[0]));
        }
        if (sums) {
            sums[blockIdx.y * outputs + o] = sum;
        } else {
            store(y, o, kind == MEAN ? sum / (M)n : sum);
        }
    }
}

// The results from the sums of the stretches.
template <class T, class M>
__device__ void reduce_stretches(int kind, const M *sums, T *y, i64 stretches, i64 outputs, i64 n) {
    FOR_EACH(o, outputs) {
        M sum = start<M>(kind);
        for (i64 s = 0; s < stretches; s++) {
            sum = join(kind, sum, sums[s * outputs + o]);
        }
        store(y, o, kind == MEAN ? sum / (M)n : sum);
    }
}

// The first of equal ones; NaN never wins. Only thread 0 reads what is left, which it alone overwrites for the next row.
template <class T>
__device__ void argmax(const T *x, int *y, i64 rows, i64 n) {
    typedef typename Math<T>::type M;
    __shared__ M value[BLOCK];
    __shared__ i64 index[BLOCK];
    int t = threadIdx.x;
    for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
        M best = -(M)QUERN_INFINITY;
        i64 at = n;
        for (i64 i = t; i < n; i += BLOCK) {
            M v = load(x, r * n + i);
            if (v > best || (v == best && i < at)) {
                best = v;
                at = i;
            }
        }
        value[t] = best;
        index[t] = at;
        __syncthreads();
        for (int half = BLOCK / 2; half > 0; half /= 2) {
            if (t < half) {
                M v = value[t + half];
                i64 i = index[t + half];
                if (v > value[t] || (v == value[t] && i < index[t])) {
                    value[t] = v;
                    index[t] = i;
                }
            }
            __syncthreads();
        }
        if (t == 0) {
            y[r] = index[0] == n ? 0 : (int)index[0];
        }
    }
}

template <class T>
__device__ void softmax(const T *x, T *y, i64 rows, i64 n, int log) {
    typedef typename Math<T>::type M;
    for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
        const T *from = x + r * n;
        M max = -(M)QUERN_INFINITY;
        for (i64 i = threadIdx.x; i < n; i += BLOCK) {
            max = Largest::join(max, load(from, i));
        }
        max = reduce_block<Largest>(max);
        M sum = 0;
        for (i64 i = threadIdx.x; i < n; i += BLOCK) {
            sum += exp_of(load(from, i) - max);
        }
        sum = reduce_block<Sum>(sum);
        M log_sum = log_of(sum);
        for (i64 i = threadIdx.x; i < n; i += BLOCK) {
            M shifted = load(from, i) - max;
            store(y, r * n + i, log ? shifted - log_sum : exp_of(shifted) / sum);
        }
    }
}

template <class T>
__device__ void softmax_grad(const T *y, const T *dy, T *dx, i64 rows, i64 n, int log) {
    typedef typename Math<T>::type M;
    for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
        M sum = 0;
        for (i64 i = r * n + threadIdx.x; i < (r + 1) * n; i += BLOCK) {
            sum += log ? load(dy, i) : load(dy, i) * load(y, i);
        }
        sum = reduce_block<Sum>(sum);
        for (i64 i = r * n + threadIdx.x; i < (r + 1) * n; i += BLOCK) {
            M v = load(y, i);
            store(dx, i, log ? load(dy, i) - exp_of(v) * sum : v * (load(dy, i) - sum));
        }
    }
}

#define REDUCE(T, t)                                                                                                   \
    extern "C" __global__ void reduce_##t(int kind, Walk kept, Walk reduced, const T *x, T *y, i64 outputs, i64 n) {   \
        reduce_any(kind, kept, reduced, x, y, outputs, n);                                                             \
    }                                                                                                                  \
    extern "C" __global__ void reduce_columns_##t(int kind, Walk kept, Walk reduced, const T *x, Math<T>::type *sums,  \
            T *y, i64 outputs, i64 n, i64 stretch) {                                                                   \
        reduce_columns(kind, kept, reduced, x, sums, y, outputs, n, stretch);                                          \
    }                                                                                                                  \
    extern "C" __global__ void reduce_stretches_##t(                                                                   \
            int kind, const Math<T>::type *sums, T *y, i64 stretches, i64 outputs, i64 n) {                            \
        reduce_stretches(kind, sums, y, stretches, outputs, n);                                                        \
    }                                                                                                                  \
    extern "C" __global__ void softmax_##t(const T *x, T *y, i64 rows, i64 n, int log) {                               \
        softmax(x, y, rows, n, log);                                                                                   \
    }                                                                                                                  \
    extern "C" __global__ void softmax_grad_##t(const T *y, const T *dy, T *dx, i64 rows, i64 n, int log) {            \
        softmax_grad(y, dy, dx, rows, n, log);                                                                         \
    }

FOR_FLOATING(REDUCE)

#define ARGMAX(T, t)                                                                                                   \
    extern "C" __global__ void argmax_##t(const T *x, int *y, i64 rows, i64 n) {                                       \
        argmax(x, y, rows, n);                                                                                         \
    }

FOR_NUMBERS(ARGMAX)
