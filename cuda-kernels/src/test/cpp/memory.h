// Memory of the emulated device: one range of addresses, every allocation on pages of its own between pages without access.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

const size_t PAGE = 4096;
const size_t DEVICE_MEMORY = (size_t)1 << 30;
const size_t DEVICE_RANGE = (size_t)1 << 37;

struct Allocation {
    uintptr_t start;
    size_t bytes;
};

extern uintptr_t device_range;          // where it begins; 0 before the first allocation
extern uint32_t *device_pages;          // the number of the allocation that holds a page, or 0
extern Allocation *device_allocations;  // by number

// The address of fresh memory full of NaN, or 0.
uintptr_t device_allocate(size_t bytes);

// Whether there was such an allocation.
bool device_free(uintptr_t p);

size_t device_used();

// Whether all these bytes lie in one allocation.
inline bool device_holds(uintptr_t p, size_t n) {
    if (device_range == 0 || p - device_range >= DEVICE_RANGE) {
        return false;
    }
    const Allocation &a = device_allocations[device_pages[(p - device_range) / PAGE]];
    return a.bytes != 0 && p >= a.start && p + n <= a.start + a.bytes;
}

// Says where an address lies.
std::string device_place(uintptr_t p);
