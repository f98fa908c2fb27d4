// What all kernels share: storage types, their arithmetic, strided indices, random bits, block reductions.
//
// Kernels are templates over the storage type T; they compute in Math<T>::type (float, or double for double) and round once
// when they store. Entry points are extern "C" and named operation_dtype. The same sources are compiled by nvcc to PTX and,
// for the tests, by a C++ compiler with a header that stands in for CUDA; so nothing here includes CUDA's headers.
#pragma once

typedef long long i64;
typedef unsigned int u32;
typedef unsigned long long u64;

struct bf16 {
    unsigned short bits;
};

struct f16 {
    unsigned short bits;
};

// Type that a storage type is computed in. I32 is exact in double.
template <class T>
struct Math {
    typedef float type;
};
template <>
struct Math<double> {
    typedef double type;
};
template <>
struct Math<int> {
    typedef double type;
};

// Statistics of rows are stored in at least F32.
template <class T>
struct Statistics {
    typedef float type;
};
template <>
struct Statistics<double> {
    typedef double type;
};

__device__ __forceinline__ u32 bits_of(float x) {
    union {
        float f;
        u32 u;
    } c;
    c.f = x;
    return c.u;
}

__device__ __forceinline__ float float_of(u32 bits) {
    union {
        float f;
        u32 u;
    } c;
    c.u = bits;
    return c.f;
}

#ifdef __CUDACC__
#define QUERN_INFINITY __int_as_float(0x7f800000)
#else
#define QUERN_INFINITY __builtin_inff()
#endif

__device__ __forceinline__ float load(const float *p, i64 i) {
    return p[i];
}
__device__ __forceinline__ double load(const double *p, i64 i) {
    return p[i];
}
__device__ __forceinline__ double load(const int *p, i64 i) {
    return p[i];
}
__device__ __forceinline__ float load(const bf16 *p, i64 i) {
    return float_of((u32)p[i].bits << 16);
}
__device__ __forceinline__ float load(const f16 *p, i64 i) {
#ifdef __CUDACC__
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(p[i].bits));
    return x;
#else
    return half_to_float(p[i].bits);
#endif
}

__device__ __forceinline__ void store(float *p, i64 i, float x) {
    p[i] = x;
}
__device__ __forceinline__ void store(double *p, i64 i, double x) {
    p[i] = x;
}
__device__ __forceinline__ void store(bf16 *p, i64 i, float x) {
    u32 b = bits_of(x);
    p[i].bits = x != x ? 0x7FC0 : (unsigned short)((b + 0x7FFF + (b >> 16 & 1)) >> 16);
}
__device__ __forceinline__ void store(f16 *p, i64 i, float x) {
#ifdef __CUDACC__
    unsigned short h;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h) : "f"(x));
    p[i].bits = h;
#else
    p[i].bits = float_to_half(x);
#endif
}
// Towards zero, clamped, and 0 for NaN, as Java casts.
__device__ __forceinline__ void store(int *p, i64 i, double x) {
    p[i] = x != x ? 0 : x >= 2147483647.0 ? 2147483647 : x <= -2147483648.0 ? (-2147483647 - 1) : (int)x;
}

// The float towards zero with its last bit set if that is not exact, so that rounding it again rounds x once.
__device__ __forceinline__ float to_odd(double x) {
    float f = (float)x;
    if ((double)f == x || f != f) {
        return f;
    }
    u32 b = bits_of(f);
    if (fabs((double)f) > fabs(x)) {
        b--;
    }
    return float_of(b | 1);
}

__device__ __forceinline__ void store_once(float *p, i64 i, double x) {
    p[i] = (float)x;
}
__device__ __forceinline__ void store_once(double *p, i64 i, double x) {
    p[i] = x;
}
__device__ __forceinline__ void store_once(int *p, i64 i, double x) {
    store(p, i, x);
}
__device__ __forceinline__ void store_once(bf16 *p, i64 i, double x) {
    store(p, i, to_odd(x));
}
__device__ __forceinline__ void store_once(f16 *p, i64 i, double x) {
    store(p, i, to_odd(x));
}

// ---- strided indices

#define MAX_RANK 8

// Dimensions, outermost first, and the strides of up to three operands, in elements. Neighbouring dimensions are joined
// on the host where the strides allow, so most walks have rank 1 or 2.
struct Walk {
    i64 rank;
    i64 dim[MAX_RANK];
    i64 stride[3][MAX_RANK];
};

struct Place {
    i64 at[3];
};

__device__ __forceinline__ Place place(const Walk &w, i64 i) {
    Place p;
    p.at[0] = p.at[1] = p.at[2] = 0;
    for (int d = (int)w.rank - 1; d >= 0; d--) {
        i64 index = d == 0 ? i : i % w.dim[d];
        i /= w.dim[d];
        p.at[0] += index * w.stride[0][d];
        p.at[1] += index * w.stride[1][d];
        p.at[2] += index * w.stride[2][d];
    }
    return p;
}

#define FOR_EACH(i, n) \
    for (i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x; i < (n); i += (i64)gridDim.x * blockDim.x)

// ---- faults that the host reports at its next read, in memory that both see

struct Fault {
    i64 code;
    i64 index;
    i64 value;
    i64 bound;
};

enum { FAULT_DIVISION = 1, FAULT_ID = 2, FAULT_TARGET = 3, FAULT_ROW = 4 };

__device__ __forceinline__ void report(Fault *fault, i64 code, i64 index, i64 value, i64 bound) {
    if (fault->code == 0) {
        fault->index = index;
        fault->value = value;
        fault->bound = bound;
        fault->code = code;
    }
}

// ---- random bits: Philox4x32-10, element by element as io.quern.tensor.Rng.bits

__device__ __forceinline__ u32 random_bits(u64 seed, u64 stream, u64 index) {
    u64 block = (index >> 6) * 16 + (index & 15);
    u32 c[4] = {(u32)block, (u32)(block >> 32), (u32)stream, (u32)(stream >> 32)};
    u32 k0 = (u32)seed;
    u32 k1 = (u32)(seed >> 32);
    for (int round = 0; round < 10; round++) {
        u64 p0 = (u64)0xD2511F53u * c[0];
        u64 p1 = (u64)0xCD9E8D57u * c[2];
        u32 n0 = (u32)(p1 >> 32) ^ c[1] ^ k0;
        u32 n2 = (u32)(p0 >> 32) ^ c[3] ^ k1;
        c[1] = (u32)p1;
        c[3] = (u32)p0;
        c[0] = n0;
        c[2] = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    u32 word = (u32)(index >> 4) & 3;
    return word == 0 ? c[0] : word == 1 ? c[1] : word == 2 ? c[2] : c[3];
}

__device__ __forceinline__ float uniform(u32 bits) {
    return (float)(bits >> 8) * 5.9604644775390625e-8f;
}

// ---- reductions over a block of BLOCK threads: the same tree for every run, so results are deterministic

#define BLOCK 128

struct Sum {
    template <class M>
    static __device__ __forceinline__ M join(M a, M b) {
        return a + b;
    }
};

// NaN wins, as in Java.
struct Largest {
    template <class M>
    static __device__ __forceinline__ M join(M a, M b) {
        return a > b || a != a ? a : b;
    }
};

struct Smallest {
    template <class M>
    static __device__ __forceinline__ M join(M a, M b) {
        return a < b || a != a ? a : b;
    }
};

// Every thread gets the result. The last barrier lets the caller reduce again.
template <class R, class M>
__device__ M reduce_block(M x) {
    __shared__ M part[BLOCK];
    int t = threadIdx.x;
    part[t] = x;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if (t < half) {
            part[t] = R::join(part[t], part[t + half]);
        }
        __syncthreads();
    }
    M result = part[0];
    __syncthreads();
    return result;
}

#define FOR_FLOATING(M) M(float, f32) M(double, f64) M(bf16, bf16) M(f16, f16)
#define FOR_NUMBERS(M) FOR_FLOATING(M) M(int, i32)
#define FOR_BYTES(M) M(unsigned short, b2) M(u32, b4) M(u64, b8)
