// Optimizer steps and the norm of all gradients: one sweep over many parameters, their gradients and their state.
//
// A model has hundreds of parameters, most of them small: see tensors.cuh. Elements are treated alone, so results do not depend
// on how tensors are put together. Bound by memory; 16 bytes at once where all addresses are multiples of 16.
#include "tensors.cuh"


__device__ __forceinline__ float sqrt_of(float x) { return sqrtf(x); }
__device__ __forceinline__ double sqrt_of(double x) { return sqrt(x); }

// What does not depend on the element or the tensor is computed in float64 on the host.
struct Step {
    double lr;
    double scale;  // of the gradient
    double a;
    double b;
    double c;
    double d;
    double eps;
    i64 flags;
};

// Rule::apply changes the state of an element and returns its new value. State that a rule does without has address 0.
template <class T, int STATES, class Rule>
__device__ __forceinline__ void sweep(const Tensors &t, const Step &s) {
    typedef typename Math<T>::type M;
    const int W = Per<T>::chunk;
    i64 chunks = chunks_of(t);
    for (i64 chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        int e = entry_of(t, chunk);
        i64 from = start_of(t, e, chunk);
        i64 to = t.word[e + ELEMENTS] < from + CHUNK ? t.word[e + ELEMENTS] : from + CHUNK;
        M decay = (M)double_of(t.word[e + FACTOR]);
        T *p = (T *)t.word[e + ADDRESS];
        const T *g = (const T *)t.word[e + ADDRESS + 1];
        T *state[STATES];
        bool aligned = is_aligned(p) && is_aligned(g);
        for (int j = 0; j < STATES; j++) {
            state[j] = (T *)t.word[e + ADDRESS + 2 + j];
            aligned = aligned && is_aligned(state[j]);
        }
        i64 whole = aligned ? (to - from) / W * W : 0;
        for (i64 i = from + (i64)threadIdx.x * W; i < from + whole; i += (i64)blockDim.x * W) {
            Pack<T> x;
            Pack<T> grad;
            Pack<T> z[STATES];
            x.chunk = load_chunk(p + i);
            grad.chunk = load_chunk(g + i);
            for (int j = 0; j < STATES; j++) {
                if (state[j]) {
                    z[j].chunk = load_chunk(state[j] + i);
                }
            }
            for (int k = 0; k < W; k++) {
                M old[STATES];
                for (int j = 0; j < STATES; j++) {
                    old[j] = state[j] ? load(z[j].at, k) : (M)0;
                }
                store(x.at, k, Rule::apply(load(x.at, k), load(grad.at, k) * (M)s.scale, old, decay, s));
                for (int j = 0; j < STATES; j++) {
                    store(z[j].at, k, old[j]);
                }
            }
            store_chunk(p + i, x.chunk);
            for (int j = 0; j < STATES; j++) {
                if (state[j]) {
                    store_chunk(state[j] + i, z[j].chunk);
                }
            }
        }
        for (i64 i = from + whole + threadIdx.x; i < to; i += blockDim.x) {
            M old[STATES];
            for (int j = 0; j < STATES; j++) {
                old[j] = state[j] ? load(state[j], i) : (M)0;
            }
            store(p, i, Rule::apply(load(p, i), load(g, i) * (M)s.scale, old, decay, s));
            for (int j = 0; j < STATES; j++) {
                if (state[j]) {
                    store(state[j], i, old[j]);
                }
            }
        }
    }
}

// a, b: betas; c, d: reciprocals of the bias corrections; decay is lr * weightDecay. The state is the two moments.
struct AdamW {
    template <class M>
    static __device__ __forceinline__ M apply(M x, M grad, M *state, M decay, const Step &s) {
        M mean = (M)s.a * state[0] + (M)(1 - s.a) * grad;
        M square = (M)s.b * state[1] + (M)(1 - s.b) * grad * grad;
        state[0] = mean;
        state[1] = square;
        x -= decay * x;
        return x - (M)s.lr * (mean * (M)s.c) / (sqrt_of(square * (M)s.d) + (M)s.eps);
    }
};

// The same with decay as a part of the gradient.
struct Adam {
    template <class M>
    static __device__ __forceinline__ M apply(M x, M grad, M *state, M decay, const Step &s) {
        grad += decay * x;
        state[0] = (M)s.a * state[0] + (M)(1 - s.a) * grad;
        state[1] = (M)s.b * state[1] + (M)(1 - s.b) * grad * grad;
        return x - (M)s.lr * (state[0] * (M)s.c) / (sqrt_of(state[1] * (M)s.d) + (M)s.eps);
    }
};

// flags 1: a momentum, 2: the first step, 4: nesterov. a: momentum, b: 1 - dampening.
struct Sgd {
    template <class M>
    static __device__ __forceinline__ M apply(M x, M grad, M *state, M decay, const Step &s) {
        M g = grad + decay * x;
        if (!(s.flags & 1)) {
            return x - (M)s.lr * g;
        }
        M mean = s.flags & 2 ? g : (M)s.a * state[0] + (M)s.b * g;
        state[0] = mean;
        return x - (M)s.lr * (s.flags & 4 ? g + (M)s.a * mean : mean);
    }
};

struct Adagrad {
    template <class M>
    static __device__ __forceinline__ M apply(M x, M grad, M *state, M decay, const Step &s) {
        M g = grad + decay * x;
        state[0] += g * g;
        return x - (M)s.lr * g / (sqrt_of(state[0]) + (M)s.eps);
    }
};

// flags 1: centered, 2: a momentum. a: alpha, b: momentum. The state is mean square, mean, momentum.
struct RmsProp {
    template <class M>
    static __device__ __forceinline__ M apply(M x, M grad, M *state, M decay, const Step &s) {
        M g = grad + decay * x;
        M variance = (M)s.a * state[0] + (M)(1 - s.a) * g * g;
        state[0] = variance;
        if (s.flags & 1) {
            M mean = (M)s.a * state[1] + (M)(1 - s.a) * g;
            state[1] = mean;
            variance -= mean * mean;
        }
        M d = g / (sqrt_of(variance) + (M)s.eps);
        if (s.flags & 2) {
            d += (M)s.b * state[2];
            state[2] = d;
        }
        return x - (M)s.lr * d;
    }
};

struct Lion {
    template <class M>
    static __device__ __forceinline__ M apply(M x, M grad, M *state, M decay, const Step &s) {
        M c = (M)s.a * state[0] + (M)(1 - s.a) * grad;
        state[0] = (M)s.b * state[0] + (M)(1 - s.b) * grad;
        M sign = c > 0 ? (M)1 : c < 0 ? (M)-1 : c;
        return x - (M)s.lr * (sign + decay * x);
    }
};

#define ADAMW(T, t)                                                                                                    \
    extern "C" __global__ void adamw_##t(const Tensors tensors, const Step s) { sweep<T, 2, AdamW>(tensors, s); }

FOR_FLOATING(ADAMW)

#define STEPS(T, t)                                                                                                    \
    extern "C" __global__ void sgd_##t(const Tensors tensors, const Step s) { sweep<T, 1, Sgd>(tensors, s); }          \
    extern "C" __global__ void adagrad_##t(const Tensors tensors, const Step s) { sweep<T, 1, Adagrad>(tensors, s); }  \
    extern "C" __global__ void rmsprop_##t(const Tensors tensors, const Step s) { sweep<T, 3, RmsProp>(tensors, s); }  \
    extern "C" __global__ void adam_##t(const Tensors tensors, const Step s) { sweep<T, 2, Adam>(tensors, s); }        \
    extern "C" __global__ void lion_##t(const Tensors tensors, const Step s) { sweep<T, 1, Lion>(tensors, s); }

STEPS(float, f32)
STEPS(double, f64)

// The sum of squares of many tensors, in float64: a partial sum a block, over its chunks in order. The grid depends on the
// shapes alone, so results are the same in every run.
template <class T>
__device__ __forceinline__ void squares(const Tensors &t, double *partial) {
    const int W = Per<T>::chunk;
    i64 chunks = chunks_of(t);
    double sum = 0;
    for (i64 chunk = blockIdx.x; chunk < chunks; chunk += gridDim.x) {
        int e = entry_of(t, chunk);
        i64 from = start_of(t, e, chunk);
        i64 to = t.word[e + ELEMENTS] < from + CHUNK ? t.word[e + ELEMENTS] : from + CHUNK;
        const T *x = (const T *)t.word[e + ADDRESS];
        i64 whole = is_aligned(x) ? (to - from) / W * W : 0;
        for (i64 i = from + (i64)threadIdx.x * W; i < from + whole; i += (i64)BLOCK * W) {
            Pack<T> v;
            v.chunk = load_chunk(x + i);
            for (int k = 0; k < W; k++) {
                double y = (double)load(v.at, k);
                sum += y * y;
            }
        }
        for (i64 i = from + whole + threadIdx.x; i < to; i += BLOCK) {
            double y = (double)load(x, i);
            sum += y * y;
        }
    }
    sum = reduce_block<Sum>(sum);
    if (threadIdx.x == 0) {
        partial[blockIdx.x] = sum;
    }
}

extern "C" __global__ void squares_total(const double *partial, i64 n, double *y) {
    double sum = 0;
    for (i64 i = threadIdx.x; i < n; i += BLOCK) {
        sum += partial[i];
    }
    sum = reduce_block<Sum>(sum);
    if (threadIdx.x == 0) {
        y[0] = sum;
    }
}

#define SQUARES(T, t)                                                                                                  \
    extern "C" __global__ void squares_##t(const Tensors tensors, double *partial) { squares<T>(tensors, partial); }

FOR_FLOATING(SQUARES)
