// A product c [64, 64] = a [64, K] b [K, 64] by one warp group, with the thread after it as the producer, in stages of
// 64 along K; and the same with faults, by number. a lies along K, b along N; or a along M and b along K if `turned`.
#include "hopper.cuh"

#define STAGES 2
#define BOX 8192

extern "C" int cuTensorMapEncodeTiled(void *, int, unsigned, void *, const uint64_t *, const uint64_t *, const uint32_t *,
        const uint32_t *, int, int, int, int);

enum Mistake {
    NONE,
    NO_WAIT_FOR_COPIES,
    NO_GROUP_FENCE,
    NO_WAIT_FOR_SUMS,
    ARRIVES_BEFORE_ITS_WAIT,
    NO_ARRIVAL,
    NO_WAIT_FOR_ROOM,
    TOO_FEW_BYTES,
    TOO_MANY_BYTES,
    NO_BLOCK_BARRIER,
    NO_BARRIER_FENCE,
    TOO_MANY_ARRIVALS,
    WRONG_PARITY,
    NO_COMMIT,
    ONE_WARP_ARRIVES,
    MISPLACED_MATRIX,
    DIFFERENT_PRODUCTS,
    WRITTEN_BY_THREADS,
    WRONG_STRIDE,
};

static TensorMap map_of(const bf16 *x, u64 inner, u64 outer) {
    TensorMap map;
    uint64_t dims[] = {inner, outer};
    uint64_t strides[] = {2 * inner};
    uint32_t box[] = {64, 64};
    uint32_t steps[] = {1, 1};
    cuTensorMapEncodeTiled(&map, 9, 2, (void *)x, dims, strides, box, steps, 0, 3, 2, 0);
    return map;
}

extern "C" __global__ void product(i64 fault, i64 turned, i64 k, const bf16 *a, const bf16 *b, float *c) {
    DYNAMIC_SHARED(shared);
    u64 *full = (u64 *)(shared + 2 * STAGES * BOX);
    u64 *empty = full + STAGES;
    int t = threadIdx.x;
    if (t == 0) {
        for (int s = 0; s < STAGES; s++) {
            make_phased(full + s, 1);
            make_phased(empty + s, fault == ONE_WARP_ARRIVES ? 1 : 4);
        }
        if (fault != NO_BARRIER_FENCE) {
            fence_phased();
        }
    }
    if (fault != NO_BLOCK_BARRIER) {
        __syncthreads();
    }
    if (t >= 128) {
        if (t == 128) {
            TensorMap x = turned ? map_of(a, 64, k) : map_of(a, k, 64);
            TensorMap y = turned ? map_of(b, k, 64) : map_of(b, 64, k);
            for (int i = 0; i * 64 < k; i++) {
                int s = i % STAGES;
                if (fault != NO_WAIT_FOR_ROOM) {
                    wait_phase(empty + s, i / STAGES % 2 ^ 1);
                }
                arrive_expecting(full + s, 2 * BOX + (fault == TOO_FEW_BYTES ? -BOX : fault == TOO_MANY_BYTES ? 16 : 0));
                copy_box(shared + 2 * s * BOX, &x, turned ? 0 : 64 * i, turned ? 64 * i : 0, full + s);
                copy_box(shared + (2 * s + 1) * BOX, &y, turned ? 64 * i : 0, turned ? 0 : 64 * i, full + s);
            }
        }
        return;
    }
    float sum[32];
    for (int i = 0; i * 64 < k; i++) {
        int s = i % STAGES;
        if (fault == TOO_MANY_ARRIVALS && t == 0) {
            arrive(full + s);
        }
        if (fault != NO_WAIT_FOR_COPIES) {
            wait_phase(full + s, (i / STAGES % 2) ^ (fault == WRONG_PARITY));
        }
        if (fault == WRITTEN_BY_THREADS && t == 5) {
            *(u32 *)(shared + 2 * s * BOX) = 0;
        }
        u32 step = fault == MISPLACED_MATRIX ? 128 : 0;
        u64 x = describe_matrix(shared_address(shared + 2 * s * BOX) + step, BOX);
        u64 y = describe_matrix(shared_address(shared + (2 * s + 1) * BOX), BOX);
        if (fault == WRONG_STRIDE) {
            y += 1ull << 32;
        }
        if (fault == DIFFERENT_PRODUCTS && t == 77) {
            x += 2;
        }
        if (fault != NO_GROUP_FENCE) {
            group_fence();
        }
        for (int d = 0; d < 4; d++) {
            if (turned) {
                GroupProduct<bf16, 64, true, false>::add(sum, x + 128 * d, y + 2 * d, i + d != 0);
            } else {
                GroupProduct<bf16, 64, false, true>::add(sum, x + 2 * d, y + 128 * d, i + d != 0);
            }
        }
        if (fault != NO_COMMIT) {
            group_commit();
        }
        bool arrives = t % 32 == 0 && fault != NO_ARRIVAL && (fault != ONE_WARP_ARRIVES || t == 0);
        if (fault == ARRIVES_BEFORE_ITS_WAIT && arrives) {
            arrive(empty + s);
        }
        if (fault != NO_WAIT_FOR_SUMS) {
            group_wait<0>();
        }
        if (fault != ARRIVES_BEFORE_ITS_WAIT && arrives) {
            arrive(empty + s);
        }
    }
    for (int i = 0; i < 32; i++) {
        c[(t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8) * 64 + i / 4 * 8 + t % 4 * 2 + i % 2] = sum[i];
    }
}

// The same with K = 16 and matrices that threads write, in each layout that descriptors have: swizzled by so many
// bytes, 16 for none. Offsets as in the PTX ISA: in units of 16 bytes, of 8 x 8 numbers (T x 8) that descriptors place
// by two strides.
extern "C" __global__ void layouts(i64 swizzle, i64 a_across, i64 b_across, const bf16 *a, const bf16 *b, float *c) {
    DYNAMIC_SHARED(shared);
    int t = threadIdx.x;
    u32 pieces = swizzle / 16;
    u64 kind = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
    u64 descriptor[2];
    for (int f = 0; f < 2; f++) {
        bool across = f == 0 ? a_across != 0 : b_across != 0;
        unsigned char *to = shared + 16384 * f;
        // From 8 pieces of 16 bytes to the next 8, along K and along the outer dimension.
        u32 leading = 0, stride = 0, k_stride, outer_stride;
        if (across) {
            outer_stride = 8 * swizzle;
            k_stride = 8 * swizzle * (64 / (8 * pieces)) + (swizzle == 16 ? 256 : 0);
            leading = swizzle == 16 ? k_stride : outer_stride;
            stride = swizzle == 16 ? outer_stride : k_stride;
        } else {
            k_stride = swizzle == 16 ? 8 * 16 * 8 : 16;
            outer_stride = 8 * swizzle;
            leading = k_stride;
            stride = outer_stride;
        }
        for (int e = t; e < 64 * 16; e += 128) {
            u32 outer = e / 16;
            u32 k = e % 16;
            u32 at = across ? outer % 8 * 2 + outer / 8 % pieces * 16 + outer / 8 / pieces * outer_stride
                                      + k % 8 * swizzle + k / 8 * k_stride
                            : k % 8 * 2 + k / 8 * k_stride + outer % 8 * swizzle + outer / 8 * outer_stride;
            u32 piece = at / 16 ^ (at / 128 & (pieces - 1));
            ((bf16 *)to)[piece * 8 + at % 16 / 2] = f == 0 ? a[outer * 16 + k] : b[k * 64 + outer];
        }
        descriptor[f] = (shared_address(to) >> 4) | (u64)(leading >> 4) << 16 | (u64)(stride >> 4) << 32 | kind << 62;
    }
    emu_proxy_fence();
    __syncthreads();
    float sum[32];
    group_fence();
    emu_group_multiply(sum, 64, descriptor[0], descriptor[1], false, a_across != 0, b_across != 0, false);
    group_commit();
    group_wait<0>();
    for (int i = 0; i < 32; i++) {
        c[(t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8) * 64 + i / 4 * 8 + t % 4 * 2 + i % 2] = sum[i];
    }
}
