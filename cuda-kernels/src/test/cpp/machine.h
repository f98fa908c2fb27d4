// The machine that runs kernels on this processor, and the checker of what they touch.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "registry.h"

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    MISALIGNED_ADDRESS = 716,
    LAUNCH_FAILED = 719
};

// Runs all blocks of a grid, one after the other. The answer is one of the driver's; says on stderr what is wrong.
int run_grid(const std::string &name, const EmuKernel &kernel, EmuIndex grid, EmuIndex block, size_t dynamic,
        void **arguments);

// The most shared memory that a launch can ask for: what a block of an H100 or H200 can have.
const size_t MOST_DYNAMIC = 227 << 10;

// What was wrong with the last launch that failed.
const char *last_error();

// Called by a thread of a kernel: ends the launch with that answer.
[[noreturn]] void fail(int result, const std::string &why);

// The number of the running thread in its block.
unsigned running_thread();

// For what makes threads wait other than barriers: the running fiber, which park() leaves until wake() was called for it.
void *running_fiber();
void park();
void wake(void *fiber);

// A random number below n if the order of threads is random; else 0 for the order forward and n - 1 for backward.
size_t choose(size_t n);

// Where the memory that the launch asked for starts.
uintptr_t dynamic_shared();

// ---- the checker: what threads of a block read and write in shared memory between two barriers must not meet

// A launch of a kernel whose shared memory lies in these statics and where the launch asked for some; or none.
void check_launch(EmuStatics *statics, uintptr_t dynamic, size_t bytes);
void check_block();
void check_barrier();
void check_warp(unsigned warp);

// A copy into shared memory that is under way, or lands: until then nobody may read there.
void check_copy(uintptr_t to, unsigned bytes, bool lands);
