// Slices along K of both operands of a matrix product in shared memory, for the tensor cores: STAGES of them, brought by
// asynchronous copies. A block of 4 warps computes a tile of TILE x TILE, each warp a quarter of it.
//
// A slice has ROW_CHUNKS chunks of 16 bytes along K: 32 numbers of 16 bits or 16 of 32. Its rows lie along K or across, as the
// operand does in global memory. Chunks are permuted within their rows so that neither ldmatrix nor a warp that reads number
// by number meets a bank twice.
#pragma once
#include "matmul.cuh"
#include "tensor_core.cuh"

#define STAGES 3
#define WARPS_N 2
#define THREADS 128
#define ROW_CHUNKS 4

// Chunks of a slice.
template <int TILE>
struct Slice {
    enum { chunks = TILE * ROW_CHUNKS };
};

// Where chunk c of a row lies: of rows along K, or of rows across, TILE long.
template <bool ALONG_K, int TILE, class T>
__device__ __forceinline__ int chunk_place(int row, int c) {
    return ALONG_K ? row * ROW_CHUNKS + (c ^ (row >> 1 & 3))
                   : row * (TILE / Per<T>::chunk) + (c ^ (sizeof(T) == 2 ? row & 7 : (row & 3) * 2));
}

// Starts the copies of a slice: rows first to first + TILE - 1 of an operand [count, k], or of its transpose.
template <bool ALONG_K, int TILE, class T>
__device__ __forceinline__ void copy_slice(Chunk *to, const T *x, i64 stride, i64 first, i64 count, i64 k0, i64 k) {
    for (int e = threadIdx.x; e < Slice<TILE>::chunks; e += THREADS) {
        int in_row = ALONG_K ? ROW_CHUNKS : TILE / Per<T>::chunk;
        int row = e / in_row;
        int c = e % in_row;
        i64 outer = (ALONG_K ? first : k0) + row;
        i64 inner = (ALONG_K ? k0 : first) + c * Per<T>::chunk;
        bool in = outer < (ALONG_K ? count : k) && inner < (ALONG_K ? k : count);
        cp_async(to + chunk_place<ALONG_K, TILE, T>(row, c), in ? x + outer * stride + inner : x, in ? 16 : 0);
    }
}

// Starts the copies of both operands for the slice at k0 and closes their group, which is empty behind the last slice.
template <bool A_ALONG_K, bool B_ALONG_K, int TILE, class T>
__device__ __forceinline__ void start_slice(
        const Gemm &g, Chunk *as, Chunk *bs, const T *a, const T *b, TilePlace at, i64 k0) {
    if (k0 < g.k) {
        copy_slice<A_ALONG_K, TILE>(as, a, A_ALONG_K ? g.a_row : g.a_col, at.row, g.m, k0, g.k);
        copy_slice<B_ALONG_K, TILE>(bs, b, B_ALONG_K ? g.b_col : g.b_row, at.col, g.n, k0, g.k);
    }
    cp_async_commit();
}
