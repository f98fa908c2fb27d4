// Many tensors in one launch.
//
// A kernel for each of hundreds of tensors, most of them small, would be hundreds of launches that fill a fraction of the card.
// So a launch takes a table of tensors, and its blocks take chunks of CHUNK elements, whichever tensor they are of; a chunk
// never spans two. The table is a parameter of the kernel: it reaches the multiprocessors through their constant cache, needs no
// memory or copy, and CUDA graphs update it like any parameter. CUDA takes 4096 bytes of parameters, which is 70 tensors with
// the four addresses of AdamW.
#pragma once
#include "chunk.cuh"
#include "common.cuh"

#define CHUNK 4096
#define WORDS 490

// An entry is: the number of chunks up to its end, elements, a factor of the tensor (bits of a double), then addresses.
struct Tensors {
    i64 count;
    i64 stride;
    i64 word[WORDS];
};

enum { END, ELEMENTS, FACTOR, ADDRESS };

__device__ __forceinline__ double double_of(i64 bits) {
    union {
        i64 i;
        double d;
    } c;
    c.i = bits;
    return c.d;
}

// Where the entry of a chunk begins.
__device__ __forceinline__ int entry_of(const Tensors &t, i64 chunk) {
    int low = 0;
    int high = (int)t.count - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (t.word[middle * t.stride + END] > chunk) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low * (int)t.stride;
}

__device__ __forceinline__ i64 chunks_of(const Tensors &t) { return t.word[(t.count - 1) * t.stride + END]; }

// The first element of a chunk in its tensor.
__device__ __forceinline__ i64 start_of(const Tensors &t, int entry, i64 chunk) {
    return CHUNK * (chunk - (entry == 0 ? 0 : t.word[entry - t.stride + END]));
}

template <class T>
union Pack {
    Chunk chunk;
    T at[Per<T>::chunk];
};

__device__ __forceinline__ bool is_aligned(const void *p) { return ((i64)p & 15) == 0; }
