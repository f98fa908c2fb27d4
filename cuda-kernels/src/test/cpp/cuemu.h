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
#define __shared__ static
#define __syncthreads() emu_barrier(__COUNTER__)

struct EmuIndex {
    unsigned x, y, z;
};

extern EmuIndex threadIdx, blockIdx, blockDim, gridDim;

void emu_barrier(int id);

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
