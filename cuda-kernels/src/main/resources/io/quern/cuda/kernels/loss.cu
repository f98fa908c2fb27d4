// Softmax cross-entropy of rows of V logits, and its gradient; the probabilities are never stored.
//
// A block a row: one sweep finds the largest logit, one the sum of exponentials, and with smoothing one more the weighted
// sum over all classes. The gradient reads a row once and writes it once, from the stored logarithm of the sum.
#include "common.cuh"

__device__ __forceinline__ float exp_of(float x) { return expf(x); }
__device__ __forceinline__ double exp_of(double x) { return exp(x); }
__device__ __forceinline__ float log_of(float x) { return logf(x); }
__device__ __forceinline__ double log_of(double x) { return log(x); }

template <class T, class S>
__device__ void cross_entropy(const T *x, i64 stride, const int *targets, const T *weights, S *loss, S *lse, S *weight,
        i64 rows, i64 v, i64 ignore, double smoothing, Fault *fault) {
    typedef typename Math<T>::type M;
    for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
        const T *row = x + r * stride;
        M max = -(M)QUERN_INFINITY;
        for (i64 c = threadIdx.x; c < v; c += BLOCK) {
            max = Largest::join(max, load(row, c));
        }
        max = reduce_block<Largest>(max);
        M sum = 0;
        for (i64 c = threadIdx.x; c < v; c += BLOCK) {
            sum += exp_of(load(row, c) - max);
        }
        M log_sum = max + log_of(reduce_block<Sum>(sum));
        M spread = 0;
        if (smoothing > 0) {
            for (i64 c = threadIdx.x; c < v; c += BLOCK) {
                spread += (weights ? load(weights, c) : (M)1) * (log_sum - load(row, c));
            }
            spread = reduce_block<Sum>(spread) * (M)(smoothing / (double)v);
        }
        if (threadIdx.x == 0) {
            i64 t = targets[r];
            bool counts = t != ignore;
            if (counts && (t < 0 || t >= v)) {
                report(fault, FAULT_TARGET, r, t, v);
                counts = false;
            }
            M w = !counts ? (M)0 : weights ? load(weights, t) : (M)1;
            lse[r] = log_sum;
            weight[r] = w;
            loss[r] = counts ? (M)(1 - smoothing) * w * (log_sum - load(row, t)) + spread : (M)0;
        }
    }
}

template <class T, class S>
__device__ void cross_entropy_grad(const T *x, i64 stride, const int *targets, const T *weights, const S *lse,
        const S *d_loss, T *dx, i64 rows, i64 v, i64 ignore, double smoothing, Fault *fault) {
    typedef typename Math<T>::type M;
    M total = (M)v;
    if (weights) {
        total = 0;
        for (i64 c = threadIdx.x; c < v; c += BLOCK) {
            total += load(weights, c);
        }
        total = reduce_block<Sum>(total);
    }
    M s = (M)smoothing;
    for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
        i64 t = targets[r];
        bool counts = t != ignore;
        if (counts && (t < 0 || t >= v)) {
            if (threadIdx.x == 0) {
                report(fault, FAULT_TARGET, r, t, v);
            }
            counts = false;
        }
        M wt = !counts ? (M)0 : weights ? load(weights, t) : (M)1;
        for (i64 c = threadIdx.x; c < v; c += BLOCK) {
            M p = exp_of(load(x, r * stride + c) - (M)lse[r]);
            M wc = weights ? load(weights, c) : (M)1;
            M d = (1 - s) * wt * (p - (c == t ? (M)1 : (M)0)) + s / (M)v * (total * p - wc);
            store(dx, r * v + c, counts ? (M)d_loss[r] * d : (M)0);
        }
    }
}

#define LOSS(T, t)                                                                                                     \
    extern "C" __global__ void cross_entropy_##t(const T *x, i64 stride, const int *targets, const T *weights,         \
            Statistics<T>::type *loss, Statistics<T>::type *lse, Statistics<T>::type *weight, i64 rows, i64 v,         \
            i64 ignore, double smoothing, Fault *fault) {                                                              \
        cross_entropy(x, stride, targets, weights, loss, lse, weight, rows, v, ignore, smoothing, fault);              \
    }                                                                                                                  \
    extern "C" __global__ void cross_entropy_grad_##t(const T *x, i64 stride, const int *targets, const T *weights,    \
            const Statistics<T>::type *lse, const Statistics<T>::type *d_loss, T *dx, i64 rows, i64 v, i64 ignore,     \
            double smoothing, Fault *fault) {                                                                          \
        cross_entropy_grad(x, stride, targets, weights, lse, d_loss, dx, rows, v, ignore, smoothing, fault);           \
    }

FOR_FLOATING(LOSS)
