// GGUF's blocks of quantised numbers, read 8 neighbouring numbers at a time. The types name what a row of bytes holds.
#pragma once
#include "common.cuh"

typedef unsigned char u8;

struct q8_0 {
    enum { NUMBERS = 32, BYTES = 34 };
};
struct q4_0 {
    enum { NUMBERS = 32, BYTES = 18 };
};
struct q4_k {
    enum { NUMBERS = 256, BYTES = 144 };
};
struct q6_k {
    enum { NUMBERS = 256, BYTES = 210 };
};

// Rounded, so that no compiler fuses it into a sum: results are those of the CPU, bit for bit.
__device__ __forceinline__ float times(float a, float b) {
#ifdef __CUDACC__
    return __fmul_rn(a, b);
#else
    return a * b;
#endif
}

// Blocks begin at even addresses only.
__device__ __forceinline__ float half_at(const u8 *p) {
    return load((const f16 *)p, 0);
}

__device__ __forceinline__ u64 eight_bytes(const u8 *p) {
    const unsigned short *s = (const unsigned short *)p;
    return s[0] | (u64)s[1] << 16 | (u64)s[2] << 32 | (u64)s[3] << 48;
}

// The numbers i to i + 7 of a block; i is a multiple of 8.
__device__ __forceinline__ void eight(const u8 *block, int i, float *x, q8_0) {
    float d = half_at(block);
    u64 q = eight_bytes(block + 2 + i);
    for (int j = 0; j < 8; j++) {
        x[j] = times(d, (float)(signed char)(q >> 8 * j));
    }
}

// The first half in the low, the second half in the high bits of 16 bytes.
__device__ __forceinline__ void eight(const u8 *block, int i, float *x, q4_0) {
    float d = half_at(block);
    u64 q = eight_bytes(block + 2 + i % 16) >> (i / 16 * 4);
    for (int j = 0; j < 8; j++) {
        x[j] = times(d, (float)((int)(q >> 8 * j & 15) - 8));
    }
}

// 8 sub-blocks of 32 with a scale and a minimum of 6 bits each; pairs of them share bytes, low bits and high bits.
__device__ __forceinline__ void eight(const u8 *block, int i, float *x, q4_k) {
    const u8 *s = block + 4;
    int sub = i / 32;
    int scale = sub < 4 ? s[sub] & 63 : (s[sub + 4] & 15) | (s[sub - 4] >> 6 << 4);
    int min = sub < 4 ? s[sub + 4] & 63 : (s[sub + 4] >> 4) | (s[sub] >> 6 << 4);
    float step = times(half_at(block), (float)scale);
    float least = times(half_at(block + 2), (float)min);
    u64 q = eight_bytes(block + 16 + sub / 2 * 32 + i % 32) >> (sub % 2 * 4);
    for (int j = 0; j < 8; j++) {
        x[j] = times(step, (float)(int)(q >> 8 * j & 15)) - least;
    }
}

// Two halves of 128, in each four runs of 32: low 4 bits of two runs share bytes, high 2 bits of four. 16 scales of 8 bits.
__device__ __forceinline__ void eight(const u8 *block, int i, float *x, q6_k) {
    int half = i / 128;
    int run = i % 128 / 32;
    float d = times(half_at(block + 208), (float)(signed char)block[192 + i / 16]);
    u64 low = eight_bytes(block + 64 * half + 32 * (run % 2) + i % 32) >> (run / 2 * 4);
    u64 high = eight_bytes(block + 128 + 32 * half + i % 32) >> (2 * run);
    for (int j = 0; j < 8; j++) {
        int q = (int)(low >> 8 * j & 15) | (int)(high >> 8 * j & 3) << 4;
        x[j] = times(d, (float)(q - 32));
    }
}

// The numbers i to i + 7 of a row of blocks.
template <class Q>
__device__ __forceinline__ void eight_of_row(const u8 *row, i64 i, float *x) {
    eight(row + i / Q::NUMBERS * Q::BYTES, (int)(i % Q::NUMBERS), x, Q());
}

#define FOR_QUANTIZED(M) M(q8_0, q8_0) M(q4_0, q4_0) M(q4_k, q4_k) M(q6_k, q6_k)
