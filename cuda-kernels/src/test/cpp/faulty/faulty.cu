// A kernel that takes the place of fill_b4 and does, by the number it is to fill with, what no kernel may.
#include "common.cuh"

extern "C" __global__ void fill_b4(Walk, u32 *target, u64 bits, i64 n) {
    __shared__ u32 numbers[1024];
    int t = threadIdx.x;
    u32 x = 0;
    switch ((int)bits) {
        case 1: target[n] = 0; break;
        case 2: target[-1] = 0; break;
        case 3: x = *(volatile u32 *)((char *)target + 2); break;
        case 4: x = ((volatile u32 *)nullptr)[1]; break;
        case 5:
            numbers[t / 2] = (u32)t;
            break;
        case 6:
            if (t == 3) {
                numbers[t] = 1;
            }
            x = ((volatile u32 *)numbers)[t];
            break;
        case 7:
            numbers[t] = 1;
            __syncwarp();
            x = ((volatile u32 *)numbers)[t ^ 1];
            if (t >= 32) {
                x = ((volatile u32 *)numbers)[t ^ 32];
            }
            break;
        case 8:
            if (t < 32) {
                __syncthreads();
            }
            break;
        case 9:
            if (t != 5) {
                __syncwarp();
            }
            break;
        case 10:
            if (t < 32) {
                __syncthreads();
            } else {
                __syncthreads();
            }
            break;
        default: emu_copy_async(numbers + 4 * t, target, 16); x = ((volatile u32 *)numbers)[4 * t]; break;
    }
    if (x == 77) {
        target[0] = x;
    }
}
