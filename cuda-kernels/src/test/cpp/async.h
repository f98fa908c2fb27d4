// What runs beside the threads of a block on Hopper: copies of boxes of tensors into shared memory, which arrive at mbarriers,
// and products of warp groups. The machine ends them at times of its own choice.
#pragma once
#include <cstdint>

#include "clocks.h"

void async_block();
void async_block_ends();
void async_thread_ends(unsigned thread);

// Whether something could end now, and ends one of these.
bool async_pending();
void async_step();
// Threads that wait for something to end.
unsigned async_waiters();

// ---- the parts: mbarriers with their copies, and products

void phased_block();
void phased_block_ends();
size_t phased_copies();
void phased_land(size_t which);
unsigned phased_waiters();

void products_block();
void products_thread_ends(unsigned thread);
// Warp groups whose next product could run.
size_t products_ready();
void products_run(size_t which);
unsigned products_waiters();

// ---- their checks

void check_proxy_fence(unsigned thread);
// A copy of 16 bytes on behalf of the running thread.
void check_bulk_starts(uintptr_t to);
void check_bulk_lands(uintptr_t to, unsigned barrier);
// A product reads 16 bytes, which all threads of the group must have waited for.
void check_product_starts(uintptr_t p, const Clock &least);
// A warp has waited for it; the last of the group ends it.
void check_product_ends(uintptr_t p, unsigned warp, bool last);

// The address that instructions take for a place in the memory that the launch asked for, or the end of the launch.
uint32_t shared_address(const void *p, const char *what, unsigned alignment);
// The place at such an address.
uintptr_t shared_place(uint32_t address);

// Shared addresses with the bits exchanged that swizzling by 32, 64 or 128 bytes exchanges.
inline uint32_t swizzled(uint32_t address, unsigned bytes) {
    return address ^ (address >> 3 & (bytes / 16 - 1) << 4);
}

// The emulated CUtensorMap.
struct TensorMap {
    uint32_t magic, rank, swizzle, element;
    uint64_t address;
    uint64_t dims[5];
    uint64_t strides[5];  // in bytes
    uint32_t box[5];
};

const uint32_t TENSOR_MAP = 0x7E4502;
