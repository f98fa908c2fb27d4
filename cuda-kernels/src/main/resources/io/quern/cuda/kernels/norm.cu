// Layer norm and RMS norm over rows of C channels, and their gradients.
//
// Forward and dx: a block a row, statistics by a tree over its threads. Gradients of weight and bias: a block takes
// COLUMNS channels of a stretch of rows, each summed by LANES threads over every LANES-th row and then in order; column_totals
// of elementwise.cu adds the stretches. No atomics, so deterministic, and enough blocks to fill a card.
// RMS norm is the same with a mean of 0 that is neither subtracted nor differentiated.
//
// A tensor to be added before, as the residual sum of a transformer block is, is read along in each of the three passes, of
// which two find the row in the L1 or L2, and the sum is written in the last: one pass over memory less than adding first.
// Its gradient meets that of the sum in dx. Bound by memory, as all here.
#include "common.cuh"

__device__ __forceinline__ float sqrt_of(float x) { return sqrtf(x); }
__device__ __forceinline__ double sqrt_of(double x) { return sqrt(x); }

#define COLUMNS 32
#define LANES 4

// Element j of a row of x, or of the sum with another row.
template <class T>
__device__ __forceinline__ typename Math<T>::type element(const T *x, const T *added, i64 j) {
    return added ? load(x, j) + load(added, j) : load(x, j);
}

// mean is null for RMS norm; weight and bias may be null, and so may added and sum.
template <class T, class S>
__device__ void norm(const T *x, const T *added, const T *weight, const T *bias, T *y, T *sum, S *mean, S *rstd,
        i64 rows, i64 c, double eps) {
    typedef typename Math<T>::type M;
    for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
        const T *from = x + r * c;
        const T *more = added ? added + r * c : added;
        M mu = 0;
        if (mean) {
            for (i64 j = threadIdx.x; j < c; j += BLOCK) {
                mu += element(from, more, j);
            }
            mu = reduce_block<Sum>(mu) / (M)c;
        }
        M squares = 0;
        for (i64 j = threadIdx.x; j < c; j += BLOCK) {
            M d = element(from, more, j) - mu;
            squares += d * d;
        }
        M scale = 1 / sqrt_of(reduce_block<Sum>(squares) / (M)c + (M)eps);
        for (i64 j = threadIdx.x; j < c; j += BLOCK) {
            M v = element(from, more, j);
            M h = (v - mu) * scale;
            M w = weight ? load(weight, j) : (M)1;
            if (added) {
                store(sum, r * c + j, v);
            }
            store(y, r * c + j, bias ? w * h + load(bias, j) : w * h);
        }
        if (threadIdx.x == 0) {
            rstd[r] = scale;
            if (mean) {
                mean[r] = mu;
            }
        }
    }
}

// dx = other + rstd * (g - mean(g) - h * mean(g * h)) with h = (x - mean) * rstd and g = weight * dy; other may be null.
// Overwrites dx.
template <class T, class S>
__device__ void norm_grad(
        const T *x, const T *weight, const S *mean, const S *rstd, const T *dy, const T *other, T *dx, i64 rows,
        i64 c) {
    typedef typename Math<T>::type M;
    for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
        M mu = mean ? (M)mean[r] : (M)0;
        M scale = rstd[r];
        M sum_g = 0;
        M sum_gh = 0;
        for (i64 j = threadIdx.x; j < c; j += BLOCK) {
            M h = (load(x, r * c + j) - mu) * scale;
            M g = (weight ? load(weight, j) : (M)1) * load(dy, r * c + j);
            sum_g += g;
            sum_gh += g * h;
        }
        sum_g = mean ? reduce_block<Sum>(sum_g) / (M)c : (M)0;
        sum_gh = reduce_block<Sum>(sum_gh) / (M)c;
        for (i64 j = threadIdx.x; j < c; j += BLOCK) {
            M h = (load(x, r * c + j) - mu) * scale;
            M g = (weight ? load(weight, j) : (M)1) * load(dy, r * c + j);
            M d = scale * (g - sum_g - h * sum_gh);
            store(dx, r * c + j, other ? d + load(other, r * c + j) : d);
        }
    }
}

// dWeight = sum over rows of dy * h, dBias = sum over rows of dy, of a stretch of rows, of which blockIdx.y is one; dBias may
// be null. Overwrites [stretches, c] of both.
template <class T, class S, class M>
__device__ void norm_grad_params(const T *x, const S *mean, const S *rstd, const T *dy, M *d_weight, M *d_bias, i64 rows,
        i64 c, i64 stretch) {
    __shared__ M weights[LANES][COLUMNS];
    __shared__ M biases[LANES][COLUMNS];
    int column = threadIdx.x % COLUMNS;
    int lane = threadIdx.x / COLUMNS;
    i64 j = (i64)blockIdx.x * COLUMNS + column;
    i64 last = (blockIdx.y + 1) * stretch < rows ? (blockIdx.y + 1) * stretch : rows;
    M w = 0;
    M b = 0;
    for (i64 r = blockIdx.y * stretch + lane; j < c && r < last; r += LANES) {
        M g = load(dy, r * c + j);
        w += g * ((load(x, r * c + j) - (mean ? (M)mean[r] : (M)0)) * (M)rstd[r]);
        b += g;
    }
    weights[lane][column] = w;
    biases[lane][column] = b;
    __syncthreads();
    if (lane == 0 && j < c) {
        for (int k = 1; k < LANES; k++) {
            w += weights[k][column];
            b += biases[k][column];
        }
        d_weight[blockIdx.y * c + j] = w;
        if (d_bias) {
            d_bias[blockIdx.y * c + j] = b;
        }
    }
}

#define NORM(T, t)                                                                                                     \
    extern "C" __global__ void norm_##t(const T *x, const T *added, const T *weight, const T *bias, T *y, T *sum,      \
            Statistics<T>::type *mean, Statistics<T>::type *rstd, i64 rows, i64 c, double eps) {                       \
        norm(x, added, weight, bias, y, sum, mean, rstd, rows, c, eps);                                                \
    }                                                                                                                  \
    extern "C" __global__ void norm_grad_##t(const T *x, const T *weight, const Statistics<T>::type *mean,             \
            const Statistics<T>::type *rstd, const T *dy, const T *other, T *dx, i64 rows, i64 c) {                    \
        norm_grad(x, weight, mean, rstd, dy, other, dx, rows, c);                                                      \
    }                                                                                                                  \
    extern "C" __global__ void norm_grad_params_##t(const T *x, const Statistics<T>::type *mean,                       \
            const Statistics<T>::type *rstd, const T *dy, Math<T>::type *d_weight, Math<T>::type *d_bias, i64 rows,    \
            i64 c, i64 stretch) {                                                                                      \
        norm_grad_params(x, mean, rstd, dy, d_weight, d_bias, rows, c, stretch);                                       \
    }

FOR_FLOATING(NORM)
