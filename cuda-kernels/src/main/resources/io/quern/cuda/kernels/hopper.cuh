// Instructions of sm_90a (Hopper): mbarriers, copies of boxes of tensors into shared memory (TMA), products of warp
// groups, four warps whose first is a multiple of four (wgmma). Each has a twin for the emulated device (emu_...),
// which ends copies and products as late as it may, or at random, and reports what no thread has waited for. Sources
// that include this are compiled for sm_90a, which no other architecture runs, be it newer.
#pragma once
#include "tensor_core.cuh"

// The memory that the launch asks for, at a multiple of 1024 bytes, where the pattern of a swizzle by 128 bytes begins.
#ifdef __CUDACC__
#define DYNAMIC_SHARED(name) extern __shared__ __align__(1024) unsigned char name[]
#else
#define DYNAMIC_SHARED(name) unsigned char *const name = (unsigned char *)emu_dynamic_shared()
#endif

#ifdef __CUDACC__
#define GRID_CONSTANT __grid_constant__
#else
#define GRID_CONSTANT
#endif

// A tensor in device memory and the box of it that a copy takes, as the driver has written them down (CUtensorMap).
struct __align__(64) TensorMap {
    u64 words[16];
};

#ifdef __CUDACC__
__device__ __forceinline__ u32 shared_address(const void *p) {
    return (u32)__cvta_generic_to_shared(p);
}
#else
inline u32 shared_address(const void *p) {
    return emu_shared_address(p);
}
#endif

// ---- mbarriers: a phase ends when `count` arrivals have come, and all bytes that they announced

__device__ __forceinline__ void make_phased(u64 *barrier, u32 count) {
#ifdef __CUDACC__
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
#else
    emu_phased_init(barrier, count);
#endif
}

// After the last make_phased, by the same thread: copies see them. Other threads do after a barrier.
__device__ __forceinline__ void fence_phased() {
#ifdef __CUDACC__
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
    emu_phased_fence();
#endif
}

__device__ __forceinline__ void arrive(u64 *barrier) {
#ifdef __CUDACC__
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
#else
    emu_phased_arrive(barrier, 0);
#endif
}

// Arrives, and announces bytes of copies.
__device__ __forceinline__ void arrive_expecting(u64 *barrier, u32 bytes) {
#ifdef __CUDACC__
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
                 : "memory");
#else
    emu_phased_arrive(barrier, bytes);
#endif
}

#ifdef __CUDACC__
__device__ __forceinline__ bool phase_is_over(u32 barrier, u32 parity) {
    u32 over;
    asm volatile("{\n"
                 ".reg .pred p;\n"
                 "mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
                 "selp.u32 %0, 1, 0, p;\n"
                 "}"
                 : "=r"(over)
                 : "r"(barrier), "r"(parity)
                 : "memory");
    return over != 0;
}

// A wait that never ends would hold the card until the machine is started again: after 10 seconds it is a fault.
__device__ __forceinline__ void wait_long(u32 barrier, u32 parity) {
    u64 begin, now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(begin));
    while (!phase_is_over(barrier, parity)) {
        asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
        if (now - begin > 10000000000ull) {
            asm volatile("trap;");
        }
    }
}
#endif

// Waits for the end of the phase of that parity: phases count from 0, and before phase 0 one of parity 1 has ended.
__device__ __forceinline__ void wait_phase(u64 *barrier, u32 parity) {
#ifdef __CUDACC__
    u32 at = shared_address(barrier);
    if (!phase_is_over(at, parity)) {
        wait_long(at, parity);
    }
#else
    emu_phased_wait(barrier, parity);
#endif
}

// ---- copies of boxes, by one thread; beyond the tensor there are zeros, and bytes are those of the whole box

__device__ __forceinline__ void copy_box(void *to, const TensorMap *map, int x, int y, u64 *barrier) {
#ifdef __CUDACC__
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], "
                 "[%1, {%2, %3}], [%4];" ::"r"(shared_address(to)),
                 "l"(map), "r"(x), "r"(y), "r"(shared_address(barrier))
                 : "memory");
#else
    int at[2] = {x, y};
    emu_tensor_copy(to, map, at, 2, barrier);
#endif
}

__device__ __forceinline__ void copy_box(void *to, const TensorMap *map, int x, int y, int z, int w, u64 *barrier) {
#ifdef __CUDACC__
    asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], "
                 "[%1, {%2, %3, %4, %5}], [%6];" ::"r"(shared_address(to)),
                 "l"(map), "r"(x), "r"(y), "r"(z), "r"(w), "r"(shared_address(barrier))
                 : "memory");
#else
    int at[4] = {x, y, z, w};
    emu_tensor_copy(to, map, at, 4, barrier);
#endif
}

// ---- products of warp groups

// All warps of a group leave registers to others, or take them; COUNT a thread from then on.
template <int COUNT>
__device__ __forceinline__ void give_registers() {
#ifdef __CUDACC__
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(COUNT));
#endif
}

template <int COUNT>
__device__ __forceinline__ void take_registers() {
#ifdef __CUDACC__
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(COUNT));
#endif
}

// A matrix of 16-bit numbers in shared memory, swizzled by 128 bytes: rows of 64 numbers, the 16-byte pieces of row r
// exchanged by r % 8, as copies of boxes write them; 8 rows make 1024 bytes. Numbers lie along K, and rows are M or N;
// or rows are K, numbers lie along M or N, and the next 64 of these are `next` bytes away. The address is that of the
// first of 8 rows, plus 32 bytes for each 16 of K that come before in rows along K.
__device__ __forceinline__ u64 describe_matrix(u32 address, u32 next) {
    return (u64)(address >> 4 & 0x3FFF) | (u64)(next >> 4) << 16 | (u64)(1024 >> 4) << 32 | (u64)1 << 62;
}

// Before the first product, and after the sums were touched otherwise.
__device__ __forceinline__ void group_fence() {
#ifdef __CUDACC__
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
    emu_group_fence();
#endif
}

// Closes a group of products.
__device__ __forceinline__ void group_commit() {
#ifdef __CUDACC__
    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
    emu_group_commit();
#endif
}

// Waits until all but the last PENDING groups of products are done. The sums are there only after group_wait<0>.
template <int PENDING>
__device__ __forceinline__ void group_wait() {
#ifdef __CUDACC__
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(PENDING) : "memory");
#else
    emu_group_wait(PENDING);
#endif
}

// What the compiler does with the sums is not moved over this.
template <int COUNT>
__device__ __forceinline__ void hold(float *c) {
#ifdef __CUDACC__
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        asm volatile("" : "+f"(c[i])::"memory");
    }
#endif
}

// c [64, N] += a [64, 16] b [16, N] by a warp group, or without what c was, in float32. Thread t has of c the rows 16
// (t / 32) + t % 32 / 4 and that plus 8, of each 8 columns 2 (t % 4) and the next: two numbers of the first row, then
// two of the other. A factor that is ACROSS lies along M or N.
template <class T, int N, bool A_ACROSS, bool B_ACROSS>
struct GroupProduct;

// The same with a in registers, as fragments of 16 rows for each warp (tensor_core.cuh), and always with what c was.
template <class T, int N, bool B_ACROSS>
struct RowsProduct;

#ifdef __CUDACC__
#define SUMS(i)                                                                                                       \
    "+f"(c[i]), "+f"(c[i + 1]), "+f"(c[i + 2]), "+f"(c[i + 3]), "+f"(c[i + 4]), "+f"(c[i + 5]), "+f"(c[i + 6]),       \
            "+f"(c[i + 7])

template <bool A_ACROSS, bool B_ACROSS>
struct GroupProduct<bf16, 128, A_ACROSS, B_ACROSS> {
    static __device__ __forceinline__ void add(float *c, u64 a, u64 b, int accumulate) {
        asm volatile("{\n"
                     ".reg .pred p;\n"
                     "setp.ne.b32 p, %66, 0;\n"
                     "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                     "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                     "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                     "%64, %65, p, 1, 1, %67, %68;\n"
                     "}"
                     : SUMS(0), SUMS(8), SUMS(16), SUMS(24), SUMS(32), SUMS(40), SUMS(48), SUMS(56)
                     : "l"(a), "l"(b), "r"(accumulate), "n"((int)A_ACROSS), "n"((int)B_ACROSS)
                     : "memory");
    }
};
template <bool A_ACROSS, bool B_ACROSS>
struct GroupProduct<f16, 128, A_ACROSS, B_ACROSS> {
    static __device__ __forceinline__ void add(float *c, u64 a, u64 b, int accumulate) {
        asm volatile("{\n"
                     ".reg .pred p;\n"
                     "setp.ne.b32 p, %66, 0;\n"
                     "wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                     "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                     "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                     "%64, %65, p, 1, 1, %67, %68;\n"
                     "}"
                     : SUMS(0), SUMS(8), SUMS(16), SUMS(24), SUMS(32), SUMS(40), SUMS(48), SUMS(56)
                     : "l"(a), "l"(b), "r"(accumulate), "n"((int)A_ACROSS), "n"((int)B_ACROSS)
                     : "memory");
    }
};
template <bool A_ACROSS, bool B_ACROSS>
struct GroupProduct<bf16, 256, A_ACROSS, B_ACROSS> {
    static __device__ __forceinline__ void add(float *c, u64 a, u64 b, int accumulate) {
        asm volatile("{\n"
                     ".reg .pred p;\n"
                     "setp.ne.b32 p, %130, 0;\n"
                     "wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                     "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                     "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
                     "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
                     "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
                     "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
                     "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
                     "%128, %129, p, 1, 1, %131, %132;\n"
                     "}"
                     : SUMS(0), SUMS(8), SUMS(16), SUMS(24), SUMS(32), SUMS(40), SUMS(48), SUMS(56),
                       SUMS(64), SUMS(72), SUMS(80), SUMS(88), SUMS(96), SUMS(104), SUMS(112), SUMS(120)
                     : "l"(a), "l"(b), "r"(accumulate), "n"((int)A_ACROSS), "n"((int)B_ACROSS)
                     : "memory");
    }
};
template <bool A_ACROSS, bool B_ACROSS>
struct GroupProduct<f16, 256, A_ACROSS, B_ACROSS> {
    static __device__ __forceinline__ void add(float *c, u64 a, u64 b, int accumulate) {
        asm volatile("{\n"
                     ".reg .pred p;\n"
                     "setp.ne.b32 p, %130, 0;\n"
                     "wgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                     "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                     "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, "
                     "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, "
                     "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, "
                     "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, "
                     "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
                     "%128, %129, p, 1, 1, %131, %132;\n"
                     "}"
                     : SUMS(0), SUMS(8), SUMS(16), SUMS(24), SUMS(32), SUMS(40), SUMS(48), SUMS(56),
                       SUMS(64), SUMS(72), SUMS(80), SUMS(88), SUMS(96), SUMS(104), SUMS(112), SUMS(120)
                     : "l"(a), "l"(b), "r"(accumulate), "n"((int)A_ACROSS), "n"((int)B_ACROSS)
                     : "memory");
    }
};
template <bool B_ACROSS>
struct RowsProduct<bf16, 64, B_ACROSS> {
    static __device__ __forceinline__ void add(float *c, const u32 *a, u64 b) {
        asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
                     "{%32, %33, %34, %35}, %36, 1, 1, 1, %37;"
                     : SUMS(0), SUMS(8), SUMS(16), SUMS(24)
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"((int)B_ACROSS)
                     : "memory");
    }
};
template <bool B_ACROSS>
struct RowsProduct<f16, 64, B_ACROSS> {
    static __device__ __forceinline__ void add(float *c, const u32 *a, u64 b) {
        asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}, "
                     "{%32, %33, %34, %35}, %36, 1, 1, 1, %37;"
                     : SUMS(0), SUMS(8), SUMS(16), SUMS(24)
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"((int)B_ACROSS)
                     : "memory");
    }
};
template <bool B_ACROSS>
struct RowsProduct<bf16, 128, B_ACROSS> {
    static __device__ __forceinline__ void add(float *c, const u32 *a, u64 b) {
        asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                     "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                     "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                     "{%64, %65, %66, %67}, %68, 1, 1, 1, %69;"
                     : SUMS(0), SUMS(8), SUMS(16), SUMS(24), SUMS(32), SUMS(40), SUMS(48), SUMS(56)
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"((int)B_ACROSS)
                     : "memory");
    }
};
template <bool B_ACROSS>
struct RowsProduct<f16, 128, B_ACROSS> {
    static __device__ __forceinline__ void add(float *c, const u32 *a, u64 b) {
        asm volatile("wgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
                     "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
                     "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
                     "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                     "{%64, %65, %66, %67}, %68, 1, 1, 1, %69;"
                     : SUMS(0), SUMS(8), SUMS(16), SUMS(24), SUMS(32), SUMS(40), SUMS(48), SUMS(56)
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"((int)B_ACROSS)
                     : "memory");
    }
};
#else
template <class T>
struct IsHalf {
    enum { value = 0 };
};
template <>
struct IsHalf<f16> {
    enum { value = 1 };
};

template <class T, int N, bool A_ACROSS, bool B_ACROSS>
struct GroupProduct {
    static void add(float *c, u64 a, u64 b, int accumulate) {
        emu_group_multiply(c, N, a, b, accumulate != 0, A_ACROSS, B_ACROSS, IsHalf<T>::value);
    }
};

template <class T, int N, bool B_ACROSS>
struct RowsProduct {
    static void add(float *c, const u32 *a, u64 b) {
        emu_group_multiply_rows(c, N, a, b, B_ACROSS, IsHalf<T>::value);
    }
};
#endif
