// Large matrix products in F32, also with a weight b in BF16 or F16, without tensor cores.
//
// A block of 256 threads computes a tile of 128 x 128 from slices of 8 along K, each thread 8 x 8 of it in registers, as four
// squares of 4 x 4: 16 numbers fetched from shared memory in four chunks serve 64 products, and no two threads of a quarter
// warp meet a bank. Slices are held as [k][row], so transposes happen while they are stored. There are two buffers: while
// one is multiplied, the next slice is on its way from global memory into registers, so one barrier a slice is enough.
#include "matmul.cuh"
#include "chunk.cuh"

#define TILE 128
#define DEPTH 8
#define PITCH (TILE + 4)
#define THREADS 256

// How an operand [count, k] is read: by its strides, 4 neighbours at a time. `chunks` says that they are aligned and that
// the length is a multiple of 4.
struct Source {
    i64 row, k_stride;
    i64 first, count, k;
    bool along_k, chunks;
};

__device__ __forceinline__ int row_of(const Source &s) {
    return s.along_k ? threadIdx.x / 2 : threadIdx.x % 32 * 4;
}

__device__ __forceinline__ int k_of(const Source &s) {
    return s.along_k ? threadIdx.x % 2 * 4 : threadIdx.x / 32;
}

__device__ __forceinline__ void load_four(const float *p, float *x) {
    widen(load_chunk(p), x, p);
}

template <class T>
__device__ __forceinline__ void load_four(const T *p, float *x) {
    struct __align__(8) Half {
        T x[4];
    };
#ifndef __CUDACC__
    emu_touch(p, 8, false);
#endif
    Half h = *(const Half *)p;
    for (int i = 0; i < 4; i++) {
        x[i] = load(h.x, i);
    }
}

// This thread's part of the slice at k0.
template <class T>
__device__ __forceinline__ void fetch(const Source &s, const T *p, i64 k0, float *x) {
    i64 row = s.first + row_of(s);
    i64 k = k0 + k_of(s);
    if (s.chunks) {
        if (row < s.count && k < s.k) {
            load_four(p + row * s.row + k * s.k_stride, x);
        } else {
            x[0] = x[1] = x[2] = x[3] = 0;
        }
        return;
    }
    for (int i = 0; i < 4; i++) {
        i64 r = s.along_k ? row : row + i;
        i64 d = s.along_k ? k + i : k;
        x[i] = r < s.count && d < s.k ? load(p, r * s.row + d * s.k_stride) : 0;
    }
}

__device__ __forceinline__ void put(const Source &s, float (*to)[PITCH], const float *x) {
    int row = row_of(s);
    int k = k_of(s);
    if (s.along_k) {
        for (int i = 0; i < 4; i++) {
            to[k + i][row] = x[i];
        }
    } else {
        Chunk c;
        for (int i = 0; i < 4; i++) {
            c.word[i] = bits_of(x[i]);
        }
        store_chunk(&to[k][row], c);
    }
}

template <class TB>
__device__ __forceinline__ void matmul_f32(
        Gemm g, Walk batch, int a_chunks, int b_chunks, const float *a, const TB *b, const float *bias, float *c) {
    __shared__ __align__(16) float as[2][DEPTH][PITCH];
    __shared__ __align__(16) float bs[2][DEPTH][PITCH];
    Place p = place(batch, blockIdx.z);
    a += p.at[0];
    b += p.at[1];
    c += (i64)blockIdx.z * g.m * g.n;
    TilePlace at = tile_place<TILE, TILE>(g);
    Source of_a = {g.a_row, g.a_col, at.row, g.m, g.k, g.a_col == 1, a_chunks != 0};
    Source of_b = {g.b_col, g.b_row, at.col, g.n, g.k, g.b_row == 1 && g.b_col != 1, b_chunks != 0};
    int ty = threadIdx.x / 16 * 4;
    int tx = threadIdx.x % 16 * 4;
    float sum[8][8] = {};
    float x[4];
    float y[4];
    fetch(of_a, a, 0, x);
    fetch(of_b, b, 0, y);
    put(of_a, as[0], x);
    put(of_b, bs[0], y);
    __syncthreads();
    int buffer = 0;
    for (i64 k0 = 0; k0 < g.k; k0 += DEPTH) {
        bool more = k0 + DEPTH < g.k;
        if (more) {
            fetch(of_a, a, k0 + DEPTH, x);
            fetch(of_b, b, k0 + DEPTH, y);
        }
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            float u[8];
            float v[8];
            widen(load_chunk(&as[buffer][k][ty]), u, u);
            widen(load_chunk(&as[buffer][k][TILE / 2 + ty]), u + 4, u);
            widen(load_chunk(&bs[buffer][k][tx]), v, v);
            widen(load_chunk(&bs[buffer][k][TILE / 2 + tx]), v + 4, v);
#pragma unroll
            for (int i = 0; i < 8; i++) {
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    sum[i][j] += u[i] * v[j];
                }
            }
        }
        if (more) {
            buffer ^= 1;
            put(of_a, as[buffer], x);
            put(of_b, bs[buffer], y);
            __syncthreads();
        }
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        i64 row = at.row + ty + i % 4 + i / 4 * (TILE / 2);
#pragma unroll
        for (int half = 0; half < 2; half++) {
            i64 col = at.col + tx + half * (TILE / 2);
            if (row >= g.m || col >= g.n) {
                continue;
            }
            Chunk s;
#pragma unroll
            for (int j = 0; j < 4; j++) {
                float z = sum[i][4 * half + j];
                s.word[j] = bits_of(bias && col + j < g.n ? z + bias[col + j] : z);
            }
            if (g.n % 4 == 0) {
                store_chunk(c + row * g.n + col, s);
            } else {
                for (int j = 0; j < 4 && col + j < g.n; j++) {
                    c[row * g.n + col + j] = float_of(s.word[j]);
                }
            }
        }
    }
}

// a_chunks and b_chunks: see Source.
#define MATMUL_F32(TB, name)                                                                                           \
    extern "C" __global__ void __launch_bounds__(THREADS, 2) name(Gemm g, Walk batch, int a_chunks, int b_chunks,      \
            const float *a, const TB *b, const float *bias, float *c) {                                                \
        matmul_f32(g, batch, a_chunks, b_chunks, a, b, bias, c);                                                       \
    }

MATMUL_F32(float, matmul_128_f32)
MATMUL_F32(bf16, matmul_128_f32_bf16)
MATMUL_F32(f16, matmul_128_f32_f16)
