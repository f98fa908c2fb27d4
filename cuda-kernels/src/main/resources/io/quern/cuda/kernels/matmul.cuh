// The shape of a matrix product c [M, N] = a [M, K] b [K, N] + bias [N], and the strides of its operands in elements.
// c is packed; batches follow one another.
#pragma once
#include "common.cuh"

struct Gemm {
    i64 m, n, k;
    i64 a_row, a_col;
    i64 b_row, b_col;
};

// Which tile of c a block computes. Blocks that run at the same time take GROUP rows of tiles, so that they share the
// columns of b and the rows of a in the L2.
struct TilePlace {
    i64 row, col;
};

#define GROUP 8

template <int TILE_M, int TILE_N>
__device__ __forceinline__ TilePlace tile_place(const Gemm &g) {
    i64 rows = (g.m + TILE_M - 1) / TILE_M;
    i64 columns = (g.n + TILE_N - 1) / TILE_N;
    i64 group = blockIdx.x / (GROUP * columns);
    i64 inside = blockIdx.x % (GROUP * columns);
    i64 height = rows - group * GROUP < GROUP ? rows - group * GROUP : GROUP;
    TilePlace p = {(group * GROUP + inside % height) * TILE_M, inside / height * TILE_N};
    return p;
}
