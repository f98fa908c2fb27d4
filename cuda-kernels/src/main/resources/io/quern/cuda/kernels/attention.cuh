// What kernels of attention share: shapes and strides, which keys a query sees, dropout, rows of a cache.
#pragma once
#include "common.cuh"

// Shapes and the strides of batch, position and head, in elements; the innermost stride is 1.
struct Heads {
    i64 batch, queries, keys, heads, key_heads, size, cache_rows;
    i64 q[3], k[3], v[3];
    i64 causal;
    double scale, dropout;
    u64 seed, stream;
};

__device__ __forceinline__ bool sees(const Heads &a, const int *mask, i64 b, i64 i, i64 j) {
    return i < a.queries && j < a.keys && (!mask || mask[b * a.keys + j] != 0)
            && (!a.causal || j <= i + a.keys - a.queries);
}

// What dropout multiplies the weight of key j in a row by.
template <class M>
__device__ __forceinline__ M kept(const Heads &a, i64 row, i64 j) {
    if (a.dropout == 0) {
        return 1;
    }
    u32 bits = random_bits(a.seed, a.stream, (u64)(row * a.keys + j));
    return (double)uniform(bits) < a.dropout ? (M)0 : (M)(1 / (1 - a.dropout));
}

// Where key j of sequence b lies: in its own row or in one that the table names.
__device__ __forceinline__ i64 key_row(const Heads &a, const int *rows, i64 b, i64 j, Fault *fault) {
    if (!rows) {
        return b;
    }
    i64 r = rows[b * a.keys + j];
    if (r < 0 || r >= a.cache_rows) {
        report(fault, FAULT_ROW, b * a.keys + j, r, a.cache_rows);
        return -1;
    }
    return r;
}
