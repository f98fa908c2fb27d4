#include "async.h"

#include "machine.h"

// Not 0, so that who takes offsets for addresses is found; with the alignment of the memory.
const uint32_t FIRST_ADDRESS = 1024;

void async_block() {
    phased_block();
    products_block();
}

void async_block_ends() {
    phased_block_ends();
}

void async_thread_ends(unsigned thread) {
    products_thread_ends(thread);
}

bool async_pending() {
    return phased_copies() + products_ready() != 0;
}

void async_step() {
    size_t copies = phased_copies();
    size_t i = choose(copies + products_ready());
    if (i < copies) {
        phased_land(i);
    } else {
        products_run(i - copies);
    }
}

unsigned async_waiters() {
    return phased_waiters() + products_waiters();
}

uint32_t shared_address(const void *p, const char *what, unsigned alignment) {
    uintptr_t offset = (uintptr_t)p - dynamic_shared();
    if (offset >= MOST_DYNAMIC) {
        fail(ILLEGAL_ADDRESS, std::string(what) + " is not in the shared memory that the launch asked for");
    }
    if (offset % alignment != 0) {
        fail(MISALIGNED_ADDRESS,
                std::string(what) + " is not aligned to " + std::to_string(alignment) + " bytes in shared memory");
    }
    return (uint32_t)offset + FIRST_ADDRESS;
}

uintptr_t shared_place(uint32_t address) {
    return dynamic_shared() + address - FIRST_ADDRESS;
}

unsigned emu_shared_address(const void *p) {
    return shared_address(p, "a matrix of a product", 16);
}

void *emu_dynamic_shared() {
    return (void *)dynamic_shared();
}
