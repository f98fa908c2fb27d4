// 16 bytes at once, in global or shared memory: the widest access of a thread. Addresses are multiples of 16.
#pragma once
#include "common.cuh"

struct __align__(16) Chunk {
    u32 word[4];
};

__device__ __forceinline__ Chunk load_chunk(const void *p) {
    Chunk c;
#ifdef __CUDACC__
    uint4 v = *(const uint4 *)p;
    c.word[0] = v.x;
    c.word[1] = v.y;
    c.word[2] = v.z;
    c.word[3] = v.w;
#else
    emu_touch(p, 16, false);
    memcpy(&c, p, 16);
#endif
    return c;
}

__device__ __forceinline__ void store_chunk(void *p, const Chunk &c) {
#ifdef __CUDACC__
    *(uint4 *)p = make_uint4(c.word[0], c.word[1], c.word[2], c.word[3]);
#else
    emu_touch(p, 16, true);
    memcpy(p, &c, 16);
#endif
}

// Elements of a chunk.
template <class T>
struct Per {
    enum { chunk = 16 / sizeof(T) };
};

__device__ __forceinline__ void widen(const Chunk &c, float *x, const float *) {
    for (int i = 0; i < 4; i++) {
        x[i] = float_of(c.word[i]);
    }
}
__device__ __forceinline__ void widen(const Chunk &c, float *x, const bf16 *) {
    for (int i = 0; i < 4; i++) {
        x[2 * i] = float_of(c.word[i] << 16);
        x[2 * i + 1] = float_of(c.word[i] & 0xFFFF0000u);
    }
}
__device__ __forceinline__ void widen(const Chunk &c, float *x, const f16 *) {
    for (int i = 0; i < 4; i++) {
        f16 h[2] = {{(unsigned short)c.word[i]}, {(unsigned short)(c.word[i] >> 16)}};
        x[2 * i] = load(h, 0);
        x[2 * i + 1] = load(h, 1);
    }
}

// The elements of the chunk at element i of p as float32.
template <class T>
__device__ __forceinline__ void load_wide(const T *p, i64 i, float *x) {
    widen(load_chunk(p + i), x, p);
}
