// Optimizer steps: one sweep over a parameter, its gradient and its state. Bound by memory.
#include "common.cuh"

__device__ __forceinline__ float sqrt_of(float x) { return sqrtf(x); }
__device__ __forceinline__ double sqrt_of(double x) { return sqrt(x); }

// What does not depend on the element is computed in float64 on the host.
struct Step {
    double lr;
    double decay;
    double scale;  // of the gradient
    double a;
    double b;
    double c;
    double d;
    double eps;
    i64 flags;
};

// a, b: betas; c, d: reciprocals of the bias corrections; decay is lr * weightDecay.
#define ADAMW(T, t)                                                                                                    \
    extern "C" __global__ void adamw_##t(T *p, const T *g, T *m, T *v, Step s, i64 n) {                                \
        typedef Math<T>::type M;                                                                                       \
        FOR_EACH(i, n) {                                                                                               \
            M grad = load(g, i) * (M)s.scale;                                                                          \
            M mean = (M)s.a * load(m, i) + (M)(1 - s.a) * grad;                                                        \
            M square = (M)s.b * load(v, i) + (M)(1 - s.b) * grad * grad;                                               \
            M x = load(p, i);                                                                                          \
            x -= (M)s.decay * x;                                                                                       \
            x -= (M)s.lr * (mean * (M)s.c) / (sqrt_of(square * (M)s.d) + (M)s.eps);                                    \
            store(m, i, mean);                                                                                         \
            store(v, i, square);                                                                                       \
            store(p, i, x);                                                                                            \
        }                                                                                                              \
    }

FOR_FLOATING(ADAMW)

// flags 1: a momentum, 2: the first step, 4: nesterov. a: momentum, b: 1 - dampening.
template <class T>
__device__ __forceinline__ T sgd(T x, T grad, T *m, i64 i, const Step &s) {
    T g = grad + (T)s.decay * x;
    if (!(s.flags & 1)) {
        return x - (T)s.lr * g;
    }
    T mean = s.flags & 2 ? g : (T)s.a * m[i] + (T)s.b * g;
    m[i] = mean;
    return x - (T)s.lr * (s.flags & 4 ? g + (T)s.a * mean : mean);
}

// flags 1: centered, 2: a momentum. a: alpha, b: momentum.
template <class T>
__device__ __forceinline__ T rmsprop(T x, T grad, T *s0, T *mean, T *m, i64 i, const Step &s) {
    T g = grad + (T)s.decay * x;
    T variance = (T)s.a * s0[i] + (T)(1 - s.a) * g * g;
    s0[i] = variance;
    if (s.flags & 1) {
        T a = (T)s.a * mean[i] + (T)(1 - s.a) * g;
        mean[i] = a;
        variance -= a * a;
    }
    T d = g / (sqrt_of(variance) + (T)s.eps);
    if (s.flags & 2) {
        d += (T)s.b * m[i];
        m[i] = d;
    }
    return x - (T)s.lr * d;
}

#define STEPS(T, t)                                                                                                    \
    extern "C" __global__ void sgd_##t(T *p, const T *g, T *m, Step s, i64 n) {                                        \
        FOR_EACH(i, n) {                                                                                               \
            p[i] = sgd(p[i], g[i] * (T)s.scale, m, i, s);                                                              \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void adagrad_##t(T *p, const T *g, T *sum, Step s, i64 n) {                                  \
        FOR_EACH(i, n) {                                                                                               \
            T grad = g[i] * (T)s.scale + (T)s.decay * p[i];                                                            \
            sum[i] += grad * grad;                                                                                     \
            p[i] -= (T)s.lr * grad / (sqrt_of(sum[i]) + (T)s.eps);                                                     \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void rmsprop_##t(T *p, const T *g, T *s0, T *mean, T *m, Step s, i64 n) {                    \
        FOR_EACH(i, n) {                                                                                               \
            p[i] = rmsprop(p[i], g[i] * (T)s.scale, s0, mean, m, i, s);                                                \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void adam_##t(T *p, const T *g, T *m, T *v, Step s, i64 n) {                                 \
        FOR_EACH(i, n) {                                                                                               \
            T grad = g[i] * (T)s.scale + (T)s.decay * p[i];                                                            \
            m[i] = (T)s.a * m[i] + (T)(1 - s.a) * grad;                                                                \
            v[i] = (T)s.b * v[i] + (T)(1 - s.b) * grad * grad;                                                         \
            p[i] -= (T)s.lr * (m[i] * (T)s.c) / (sqrt_of(v[i] * (T)s.d) + (T)s.eps);                                   \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void lion_##t(T *p, const T *g, T *m, Step s, i64 n) {                                       \
        FOR_EACH(i, n) {                                                                                               \
            T grad = g[i] * (T)s.scale;                                                                                \
            T c = (T)s.a * m[i] + (T)(1 - s.a) * grad;                                                                 \
            m[i] = (T)s.b * m[i] + (T)(1 - s.b) * grad;                                                                \
            T sign = c > 0 ? (T)1 : c < 0 ? (T)-1 : c;                                                                 \
            p[i] -= (T)s.lr * (sign + (T)s.decay * p[i]);                                                              \
        }                                                                                                              \
    }

STEPS(float, f32)
STEPS(double, f64)
