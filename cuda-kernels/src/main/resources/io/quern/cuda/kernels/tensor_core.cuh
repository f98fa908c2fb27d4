// Instructions for the tensor cores: products of small matrices by a warp, loads of their fragments from shared memory, and
// copies to shared memory that run while the threads go on. Each has a twin for the emulated device (emu_...).
#pragma once
#include "chunk.cuh"

// Starts a copy to shared memory; the last 16 - bytes of it become 0, and with 0 bytes nothing is read.
__device__ __forceinline__ void cp_async(Chunk *to, const void *from, int bytes) {
#ifdef __CUDACC__
    u32 at = (u32)__cvta_generic_to_shared(to);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from), "r"(bytes) : "memory");
#else
    emu_copy_async(to, from, bytes);
#endif
}

// Closes a group of copies of this thread.
__device__ __forceinline__ void cp_async_commit() {
#ifdef __CUDACC__
    asm volatile("cp.async.commit_group;" ::: "memory");
#else
    emu_copy_commit();
#endif
}

// Waits for the copies of this thread but for the last GROUPS groups. Others see them after a barrier.
template <int GROUPS>
__device__ __forceinline__ void cp_async_wait() {
#ifdef __CUDACC__
    asm volatile("cp.async.wait_group %0;" ::"n"(GROUPS) : "memory");
#else
    emu_copy_wait(GROUPS);
#endif
}

// Four matrices of 8 x 8 numbers of 16 bits: lane 8 i + r names row r of matrix i. Lane l gets of each matrix the numbers
// 2 (l % 4) and the next of row l / 4, or if TRANSPOSED those of column l / 4.
template <bool TRANSPOSED>
__device__ __forceinline__ void load_fragments(u32 *x, const Chunk *row) {
#ifdef __CUDACC__
    u32 at = (u32)__cvta_generic_to_shared(row);
    if (TRANSPOSED) {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(at)
                     : "memory");
    } else {
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(at)
                     : "memory");
    }
#else
    emu_load_fragments(x, row, TRANSPOSED);
#endif
}

// c [16, 8] += a [16, 16] b [16, 8] by a warp, in float32. Lane l holds of c the columns 2 (l % 4) and the next of the rows
// l / 4 and l / 4 + 8; of a, b the fragments of load_fragments.
__device__ __forceinline__ void multiply_fragments(float *c, const u32 *a, const u32 *b, const bf16 *) {
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    emu_multiply_fragments(c, a, b, false);
#endif
}

__device__ __forceinline__ void multiply_fragments(float *c, const u32 *a, const u32 *b, const f16 *) {
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    emu_multiply_fragments(c, a, b, true);
#endif
}

// The float32 of these bits, rounded to the 10 bits after the point that TF32 has: to nearest, halves away from 0.
__device__ __forceinline__ u32 to_tf32(u32 bits) {
#ifdef __CUDACC__
    u32 rounded;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(float_of(bits)));
    return rounded;
#else
    return (bits & 0x7F800000u) == 0x7F800000u ? bits : (bits + 0x1000u) & ~0x1FFFu;
#endif
}

// c [16, 8] += a [16, 8] b [8, 8] by a warp, in TF32 with sums in float32. Lane l holds of c what it does above; of a the
// columns l % 4 and l % 4 + 4 of the rows l / 4 and l / 4 + 8, rows first; of b the rows l % 4 and l % 4 + 4 of column l / 4.
__device__ __forceinline__ void multiply_tf32(float *c, const u32 *a, const u32 *b) {
#ifdef __CUDACC__
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    emu_multiply_tf32(c, a, b);
#endif
}

// Two numbers rounded, the first in the low half.
__device__ __forceinline__ u32 round_pair(float low, float high, const bf16 *) {
#ifdef __CUDACC__
    u32 pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
#else
    bf16 x[2];
    store(x, 0, low);
    store(x, 1, high);
    return x[0].bits | (u32)x[1].bits << 16;
#endif
}

__device__ __forceinline__ u32 round_pair(float low, float high, const f16 *) {
#ifdef __CUDACC__
    u32 pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
#else
    f16 x[2];
    store(x, 0, low);
    store(x, 1, high);
    return x[0].bits | (u32)x[1].bits << 16;
#endif
}
