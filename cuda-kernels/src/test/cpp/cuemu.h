// Stands in for CUDA when a C++ compiler builds the kernels for the emulated device; included before every source.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

// With EMU_LIST the preprocessor's output is searched for the names of kernels.
#ifdef EMU_LIST
#define __global__ EMU_KERNEL
#else
#define __global__
#endif
#define __device__
#define __host__
#define __forceinline__ inline
#define __align__(n) __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __shared__ static
#define __syncthreads() emu_barrier(__COUNTER__)
#define __syncwarp() emu_sync_warp()

#define EMU_EXPORT __attribute__((visibility("default")))

struct EmuIndex {
    unsigned x, y, z;
};

EMU_EXPORT extern EmuIndex threadIdx, blockIdx, blockDim, gridDim;

// All threads of the block meet; they must stand at the same barrier of the source.
EMU_EXPORT void emu_barrier(int id);

// All lanes of a warp meet, each with a record of its own; the last to come works on the records of all.
typedef void (*EmuTogether)(void **records, unsigned lanes);
EMU_EXPORT void emu_warp(void *record, EmuTogether work);

// As a meeting, but it also orders what the lanes read and wrote in shared memory, which a shuffle does not.
EMU_EXPORT void emu_sync_warp();

// Reports a vector access, which the compiler may have split into smaller ones, to the checker.
EMU_EXPORT void emu_touch(const void *p, unsigned bytes, bool writes);

// Starts a copy of 16 bytes into shared memory, of which `bytes` come from device memory and the others are 0. It lands
// when this thread waits for it.
EMU_EXPORT void emu_copy_async(void *to, const void *from, unsigned bytes);
EMU_EXPORT void emu_copy_commit();
EMU_EXPORT void emu_copy_wait(unsigned groups);

// The memory that the launch asked for, and the address that instructions take for a place in it.
EMU_EXPORT void *emu_dynamic_shared();
EMU_EXPORT unsigned emu_shared_address(const void *p);

// mbarriers: an arrival may announce bytes, and a wait is for the end of the phase of a parity.
EMU_EXPORT void emu_phased_init(void *barrier, unsigned count);
EMU_EXPORT void emu_phased_fence();
EMU_EXPORT void emu_phased_arrive(void *barrier, unsigned bytes);
EMU_EXPORT void emu_phased_wait(void *barrier, unsigned parity);
EMU_EXPORT void emu_proxy_fence();

// Starts the copy of a box by a tensor map; its bytes arrive at an mbarrier.
EMU_EXPORT void emu_tensor_copy(void *to, const void *map, const int *at, unsigned rank, void *barrier);

// Products of warp groups; `across` says that a factor lies along M or N and not along K.
EMU_EXPORT void emu_group_fence();
EMU_EXPORT void emu_group_multiply(float *c, unsigned n, unsigned long long a, unsigned long long b, bool accumulate,
        bool a_across, bool b_across, bool half);
EMU_EXPORT void emu_group_multiply_rows(
        float *c, unsigned n, const unsigned *a, unsigned long long b, bool b_across, bool half);
EMU_EXPORT void emu_group_commit();
EMU_EXPORT void emu_group_wait(unsigned pending);

inline float half_to_float(unsigned short bits) {
    _Float16 h;
    std::memcpy(&h, &bits, 2);
    return (float)h;
}

inline unsigned short float_to_half(float x) {
    _Float16 h = (_Float16)x;
    unsigned short bits;
    std::memcpy(&bits, &h, 2);
    return bits;
}

struct EmuShuffle {
    const void *value;
    unsigned bytes, from;
    unsigned char result[8];
};

inline void emu_shuffle(void **records, unsigned lanes) {
    for (unsigned i = 0; i < lanes; i++) {
        auto *mine = (EmuShuffle *)records[i];
        auto *other = (EmuShuffle *)records[mine->from < lanes ? mine->from : i];
        std::memcpy(mine->result, other->value, mine->bytes);
    }
}

template <class T>
inline T __shfl_xor_sync(unsigned, T value, int mask) {
    EmuShuffle s = {&value, sizeof(T), (threadIdx.x % 32) ^ (unsigned)mask, {}};
    emu_warp(&s, emu_shuffle);
    T result;
    std::memcpy(&result, s.result, sizeof(T));
    return result;
}

// ---- the tensor cores; see tensor_core.cuh for the lanes that hold what

struct EmuFragments {
    const unsigned char *row;
    unsigned *x;
    bool transposed;
};

__attribute__((no_sanitize_thread)) inline void emu_load_all(void **records, unsigned) {
    for (unsigned l = 0; l < 32; l++) {
        auto *mine = (EmuFragments *)records[l];
        for (unsigned i = 0; i < 4; i++) {
            unsigned short pair[2];
            for (unsigned e = 0; e < 2; e++) {
                unsigned row = mine->transposed ? l % 4 * 2 + e : l / 4;
                unsigned col = mine->transposed ? l / 4 : l % 4 * 2 + e;
                std::memcpy(&pair[e], ((EmuFragments *)records[8 * i + row])->row + 2 * col, 2);
            }
            mine->x[i] = pair[0] | (unsigned)pair[1] << 16;
        }
    }
}

inline void emu_load_fragments(unsigned *x, const void *row, bool transposed) {
    emu_touch(row, 16, false);
    EmuFragments f = {(const unsigned char *)row, x, transposed};
    emu_warp(&f, emu_load_all);
}

struct EmuProduct {
    float *c;
    const unsigned *a, *b;
    bool half;
};

inline float emu_number(const EmuProduct *p, unsigned pair, unsigned which) {
    unsigned short bits = (unsigned short)(pair >> 16 * which);
    if (p->half) {
        return half_to_float(bits);
    }
    unsigned wide = (unsigned)bits << 16;
    float x;
    std::memcpy(&x, &wide, 4);
    return x;
}

__attribute__((no_sanitize_thread)) inline void emu_multiply_all(void **records, unsigned) {
    float a[16][16], b[16][8];
    for (unsigned l = 0; l < 32; l++) {
        auto *p = (EmuProduct *)records[l];
        for (unsigned e = 0; e < 2; e++) {
            for (unsigned i = 0; i < 4; i++) {
                a[l / 4 + i % 2 * 8][l % 4 * 2 + e + i / 2 * 8] = emu_number(p, p->a[i], e);
            }
            for (unsigned i = 0; i < 2; i++) {
                b[l % 4 * 2 + e + i * 8][l / 4] = emu_number(p, p->b[i], e);
            }
        }
    }
    for (unsigned l = 0; l < 32; l++) {
        float *c = ((EmuProduct *)records[l])->c;
        for (unsigned i = 0; i < 4; i++) {
            unsigned row = l / 4 + i / 2 * 8, col = l % 4 * 2 + i % 2;
            for (unsigned k = 0; k < 16; k++) {
                c[i] += a[row][k] * b[k][col];
            }
        }
    }
}

inline void emu_multiply_fragments(float *c, const unsigned *a, const unsigned *b, bool half) {
    EmuProduct p = {c, a, b, half};
    emu_warp(&p, emu_multiply_all);
}

// The hardware ignores the last 13 bits of a factor; kernels that do not round before would be found by their bias.
inline float emu_cut_tf32(unsigned bits) {
    bits &= ~0x1FFFu;
    float x;
    std::memcpy(&x, &bits, 4);
    return x;
}

__attribute__((no_sanitize_thread)) inline void emu_multiply_tf32_all(void **records, unsigned) {
    float a[16][8], b[8][8];
    for (unsigned l = 0; l < 32; l++) {
        auto *p = (EmuProduct *)records[l];
        for (unsigned i = 0; i < 4; i++) {
            a[l / 4 + i % 2 * 8][l % 4 + i / 2 * 4] = emu_cut_tf32(p->a[i]);
        }
        for (unsigned i = 0; i < 2; i++) {
            b[l % 4 + i * 4][l / 4] = emu_cut_tf32(p->b[i]);
        }
    }
    for (unsigned l = 0; l < 32; l++) {
        float *c = ((EmuProduct *)records[l])->c;
        for (unsigned i = 0; i < 4; i++) {
            unsigned row = l / 4 + i / 2 * 8, col = l % 4 * 2 + i % 2;
            for (unsigned k = 0; k < 8; k++) {
                c[i] += a[row][k] * b[k][col];
            }
        }
    }
}

inline void emu_multiply_tf32(float *c, const unsigned *a, const unsigned *b) {
    EmuProduct p = {c, a, b, false};
    emu_warp(&p, emu_multiply_tf32_all);
}
