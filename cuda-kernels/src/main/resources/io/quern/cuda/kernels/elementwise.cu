// Element by element: functions of one and two numbers, comparisons, choices, casts, dropout; functions after a bias.
//
// All are bound by memory: each element is read and written once. One thread takes an element and strides by the grid; the
// kind of function is an argument, so the branch on it is the same for every thread. Broadcasting goes by strides of 0.
#include "common.cuh"

__device__ __forceinline__ float exp_of(float x) { return expf(x); }
__device__ __forceinline__ double exp_of(double x) { return exp(x); }
__device__ __forceinline__ float log_of(float x) { return logf(x); }
__device__ __forceinline__ double log_of(double x) { return log(x); }
__device__ __forceinline__ float sqrt_of(float x) { return sqrtf(x); }
__device__ __forceinline__ double sqrt_of(double x) { return sqrt(x); }
__device__ __forceinline__ float tanh_of(float x) { return tanhf(x); }
__device__ __forceinline__ double tanh_of(double x) { return tanh(x); }

template <class M>
__device__ __forceinline__ M sigmoid(M x) {
    return 1 / (1 + exp_of(-x));
}

// Probability that a standard normal number is below x; by the complement, which keeps its digits far out on the left.
__device__ __forceinline__ float normal_cdf(float x) {
    return 0.5f * erfcf(x * -0.70710678118654752440f);
}
__device__ __forceinline__ double normal_cdf(double x) {
    return 0.5 * erfc(x / -1.41421356237309504880);
}

// In the order of Elementwise.UnaryKind.
enum { NEG, EXP, LOG, SQRT, RSQRT, RECIPROCAL, SQUARE, ABS, RELU, SIGMOID, TANH, GELU, GELU_TANH, SILU };

#define SQRT_2_OVER_PI 0.79788456080286535588
#define CUBIC 0.044715

template <class M>
__device__ __forceinline__ M apply(int kind, M x) {
    switch (kind) {
        case NEG: return -x;
        case EXP: return exp_of(x);
        case LOG: return log_of(x);
        case SQRT: return sqrt_of(x);
        case RSQRT: return 1 / sqrt_of(x);
        case RECIPROCAL: return 1 / x;
        case SQUARE: return x * x;
        case ABS: return x < 0 || (x == 0 && 1 / x < 0) ? -x : x;
        case RELU: return x > 0 || x != x ? x : (M)0;
        case SIGMOID: return sigmoid(x);
        case TANH: return tanh_of(x);
        case GELU: return x * normal_cdf(x);
        case GELU_TANH: return x * sigmoid(2 * (M)SQRT_2_OVER_PI * (x + (M)CUBIC * x * x * x));
        default: return x * sigmoid(x);
    }
}

template <class M>
__device__ __forceinline__ M derivative(int kind, M x) {
    switch (kind) {
        case NEG: return -1;
        case EXP: return exp_of(x);
        case LOG: return 1 / x;
        case SQRT: return (M)0.5 / sqrt_of(x);
        case RSQRT: return (M)-0.5 / (x * sqrt_of(x));
        case RECIPROCAL: return -1 / (x * x);
        case SQUARE: return 2 * x;
        case ABS: return x > 0 ? (M)1 : x < 0 ? (M)-1 : x;
        case RELU: return x > 0 ? (M)1 : (M)0;
        case SIGMOID: return sigmoid(x) * sigmoid(-x);
        case TANH: {
            M t = tanh_of(x);
            return 1 - t * t;
        }
        case GELU: return normal_cdf(x) + x * exp_of((M)-0.5 * x * x) * (M)0.39894228040143267794;
        case GELU_TANH: {
            M u = 2 * (M)SQRT_2_OVER_PI * (x + (M)CUBIC * x * x * x);
            M du = 2 * (M)SQRT_2_OVER_PI * (1 + 3 * (M)CUBIC * x * x);
            return sigmoid(u) + x * sigmoid(u) * sigmoid(-u) * du;
        }
        default: return sigmoid(x) + x * sigmoid(x) * sigmoid(-x);
    }
}

// In the order of Elementwise.BinaryKind.
enum { ADD, SUB, MUL, DIV, MAX, MIN };

template <class M>
__device__ __forceinline__ M combine(int kind, M a, M b) {
    switch (kind) {
        case ADD: return a + b;
        case SUB: return a - b;
        case MUL: return a * b;
        case DIV: return a / b;
        case MAX: return a > b || a != a ? a : b;
        default: return a < b || a != a ? a : b;
    }
}

// y = f(x + bias) in rows of c numbers. A block takes a row, so that no thread divides to find its column.
template <class T>
__device__ void bias_unary(int kind, const T *x, const T *bias, T *y, i64 rows, i64 c) {
    for (i64 r = blockIdx.x; r < rows; r += gridDim.x) {
        for (i64 j = threadIdx.x; j < c; j += blockDim.x) {
            store(y, r * c + j, apply(kind, load(x, r * c + j) + load(bias, j)));
        }
    }
}

#define COLUMNS 64
#define LANES 4

// dx = f'(x + bias) dy, and sums of it over stretches of rows, of which blockIdx.y is one: LANES threads share the rows of a
// column and their sums are added in order. The stretches are added by column_totals, so that enough blocks read x and dy
// although results do not depend on how many run. Overwrites.
template <class T, class M>
__device__ void bias_unary_grad(
        int kind, const T *x, const T *bias, const T *dy, T *dx, M *sums, i64 rows, i64 c, i64 stretch) {
    __shared__ M part[LANES][COLUMNS];
    int column = threadIdx.x % COLUMNS;
    int lane = threadIdx.x / COLUMNS;
    i64 j = (i64)blockIdx.x * COLUMNS + column;
    i64 last = (blockIdx.y + 1) * stretch < rows ? (blockIdx.y + 1) * stretch : rows;
    M b = j < c ? load(bias, j) : (M)0;
    M sum = 0;
    for (i64 r = blockIdx.y * stretch + lane; j < c && r < last; r += LANES) {
        M d = load(dy, r * c + j) * derivative(kind, load(x, r * c + j) + b);
        store(dx, r * c + j, d);
        sum += d;
    }
    part[lane][column] = sum;
    __syncthreads();
    if (lane == 0 && j < c) {
        for (int k = 1; k < LANES; k++) {
            sum += part[k][column];
        }
        sums[blockIdx.y * c + j] = sum;
    }
}

// In the order of Elementwise.CompareKind.
template <class M>
__device__ __forceinline__ int compare(int kind, M a, M b) {
    switch (kind) {
        case 0: return a == b;
        case 1: return a != b;
        case 2: return a < b;
        case 3: return a <= b;
        case 4: return a > b;
        default: return a >= b;
    }
}

#define UNARY(T, t)                                                                                                    \
    extern "C" __global__ void unary_##t(int kind, const T *x, T *y, i64 n) {                                          \
        FOR_EACH(i, n) {                                                                                               \
            store(y, i, apply(kind, load(x, i)));                                                                      \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void unary_grad_##t(int kind, const T *x, const T *dy, T *dx, i64 n) {                       \
        FOR_EACH(i, n) {                                                                                               \
            store(dx, i, load(dy, i) * derivative(kind, load(x, i)));                                                  \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void bias_unary_##t(int kind, const T *x, const T *bias, T *y, i64 rows, i64 c) {            \
        bias_unary(kind, x, bias, y, rows, c);                                                                         \
    }                                                                                                                  \
    extern "C" __global__ void bias_unary_grad_##t(int kind, const T *x, const T *bias, const T *dy, T *dx,            \
            Math<T>::type *sums, i64 rows, i64 c, i64 stretch) {                                                       \
        bias_unary_grad(kind, x, bias, dy, dx, sums, rows, c, stretch);                                                \
    }                                                                                                                  \
    extern "C" __global__ void column_totals_##t(const Math<T>::type *sums, T *y, i64 stretches, i64 c) {              \
        FOR_EACH(j, c) {                                                                                               \
            Math<T>::type sum = 0;                                                                                     \
            for (i64 s = 0; s < stretches; s++) {                                                                      \
                sum += sums[s * c + j];                                                                                \
            }                                                                                                          \
            store(y, j, sum);                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void binary_##t(int kind, Walk w, const T *a, const T *b, T *y, i64 n) {                     \
        FOR_EACH(i, n) {                                                                                               \
            Place p = place(w, i);                                                                                     \
            store(y, i, combine(kind, load(a, p.at[0]), load(b, p.at[1])));                                            \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void affine_##t(const T *x, T *y, double scale, double shift, i64 n) {                       \
        typedef Math<T>::type M;                                                                                       \
        FOR_EACH(i, n) {                                                                                               \
            store(y, i, (M)scale * load(x, i) + (M)shift);                                                             \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void dropout_##t(const T *x, T *y, double p, u64 seed, u64 stream, i64 n) {                  \
        typedef Math<T>::type M;                                                                                       \
        FOR_EACH(i, n) {                                                                                               \
            bool drop = (double)uniform(random_bits(seed, stream, i)) < p;                                             \
            store(y, i, drop ? (M)0 : load(x, i) / (M)(1 - p));                                                        \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void accumulate_##t(Walk w, T *target, const T *source, double factor, i64 n) {              \
        typedef Math<T>::type M;                                                                                       \
        FOR_EACH(i, n) {                                                                                               \
            Place p = place(w, i);                                                                                     \
            store(target, p.at[0], load(target, p.at[0]) + (M)factor * load(source, p.at[1]));                         \
        }                                                                                                              \
    }

FOR_FLOATING(UNARY)

#define COMPARE(T, t)                                                                                                  \
    extern "C" __global__ void compare_##t(int kind, Walk w, const T *a, const T *b, int *y, i64 n) {                  \
        FOR_EACH(i, n) {                                                                                               \
            Place p = place(w, i);                                                                                     \
            y[i] = compare(kind, load(a, p.at[0]), load(b, p.at[1]));                                                  \
        }                                                                                                              \
    }

FOR_NUMBERS(COMPARE)

// Java's int arithmetic: it wraps, and division rounds towards zero.
extern "C" __global__ void binary_i32(int kind, Walk w, const int *a, const int *b, int *y, i64 n, Fault *fault) {
    FOR_EACH(i, n) {
        Place p = place(w, i);
        int u = a[p.at[0]];
        int v = b[p.at[1]];
        int z;
        switch (kind) {
            case ADD: z = (int)((u32)u + (u32)v); break;
            case SUB: z = (int)((u32)u - (u32)v); break;
            case MUL: z = (int)((u32)u * (u32)v); break;
            case DIV:
                if (v == 0) {
                    report(fault, FAULT_DIVISION, i, u, 0);
                    z = 0;
                } else {
                    z = v == -1 ? (int)(0u - (u32)u) : u / v;
                }
                break;
            case MAX: z = u > v ? u : v; break;
            default: z = u < v ? u : v;
        }
        y[i] = z;
    }
}

// Bits are moved as they are, so these know sizes only.
#define MOVE(T, t)                                                                                                     \
    extern "C" __global__ void where_##t(Walk w, const int *condition, const T *a, const T *b, T *y, i64 n) {          \
        FOR_EACH(i, n) {                                                                                               \
            Place p = place(w, i);                                                                                     \
            y[i] = condition[p.at[0]] != 0 ? a[p.at[1]] : b[p.at[2]];                                                  \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void copy_##t(Walk w, T *target, const T *source, i64 n) {                                   \
        FOR_EACH(i, n) {                                                                                               \
            Place p = place(w, i);                                                                                     \
            target[p.at[0]] = source[p.at[1]];                                                                         \
        }                                                                                                              \
    }                                                                                                                  \
    extern "C" __global__ void fill_##t(Walk w, T *target, u64 bits, i64 n) {                                          \
        FOR_EACH(i, n) {                                                                                               \
            target[place(w, i).at[0]] = (T)bits;                                                                       \
        }                                                                                                              \
    }

FOR_BYTES(MOVE)

#define CAST(T, t, U, u)                                                                                               \
    extern "C" __global__ void cast_##t##_##u(const T *x, U *y, i64 n) {                                               \
        FOR_EACH(i, n) {                                                                                               \
            store_once(y, i, (double)load(x, i));                                                                      \
        }                                                                                                              \
    }
#define CASTS(T, t) CAST(T, t, float, f32) CAST(T, t, double, f64) CAST(T, t, bf16, bf16) CAST(T, t, f16, f16) CAST(T, t, int, i32)

FOR_NUMBERS(CASTS)
