// Finds accesses of kernels that a card would let pass or not, whatever order the threads happen to run in.
//
// Kernels are compiled with the instrumentation of the thread sanitizer, so every access of theirs calls a function here.
// In device memory it must lie in one allocation and be aligned to its size. In shared memory each pair of bytes remembers
// who wrote and who read it, and when: time counts the barriers of the block, and within that the synchronisations of each
// warp. Two accesses of different threads, of which one writes, race unless a barrier lies between them; so a missing
// barrier is found in every order of threads, and so is a read of what nobody wrote in this block.
#include <stdlib.h>

#include "machine.h"
#include "memory.h"

namespace {

const unsigned WARP = 32;
const unsigned GRAIN = 2;
const uint16_t LANES_OF = 0x8000;  // several readers of a warp, the number of which follows
const uint16_t ANYBODY = 0xFFFF;

struct Cell {
    uint32_t wrote, read;  // when
    uint16_t writer, reader;
    uint16_t wrote_step, read_step;  // time of the warp
    bool under_way;
};

Cell *cells;
uint32_t now;
uint32_t block_began;
uint16_t steps[1024 / WARP];

uintptr_t shared_start;
size_t shared_bytes;

// Whether the warp of thread t has synchronised since a thread of the same warp was at `step`.
bool ordered(unsigned warp, uint16_t step, unsigned t) {
    return warp == t / WARP && step < steps[warp];
}

[[noreturn]] void race(const char *does, unsigned other, const char *did) {
    fail(LAUNCH_FAILED,
            "race: it " + std::string(does) + " shared memory that "
                    + (other == ANYBODY ? "other threads" : "thread " + std::to_string(other)) + " " + did
                    + ", with no barrier between");
}

void write_cell(Cell &c, unsigned t) {
    if (c.under_way) {
        if (c.wrote >= block_began) {
            fail(LAUNCH_FAILED, "it writes shared memory where a copy is under way");
        }
        c.under_way = false;
    }
    if (c.wrote == now && c.writer != t && !ordered(c.writer / WARP, c.wrote_step, t)) {
        race("writes", c.writer, "wrote");
    }
    if (c.read == now && c.reader != t) {
        unsigned warp = c.reader & LANES_OF ? c.reader & ~LANES_OF : c.reader / WARP;
        if (c.reader == ANYBODY || !ordered(warp, c.read_step, t)) {
            race("writes", c.reader & LANES_OF ? ANYBODY : c.reader, "read");
        }
    }
    c.wrote = now;
    c.writer = (uint16_t)t;
    c.wrote_step = steps[t / WARP];
}

void read_cell(Cell &c, unsigned t) {
    if (c.wrote < block_began) {
        fail(LAUNCH_FAILED, "it reads shared memory that no thread of the block has written");
    }
    if (c.under_way) {
        fail(LAUNCH_FAILED, "it reads shared memory before the copy that goes there has landed");
    }
    if (c.wrote == now && c.writer != t && !ordered(c.writer / WARP, c.wrote_step, t)) {
        race("reads", c.writer, "wrote");
    }
    unsigned warp = t / WARP;
    uint16_t step = steps[warp];
    if (c.read != now || c.reader == t) {
        c.reader = (uint16_t)t;
    } else if (c.reader != ANYBODY) {
        unsigned before = c.reader & LANES_OF ? c.reader & ~LANES_OF : c.reader / WARP;
        c.reader = before != warp ? ANYBODY : c.read_step < step ? (uint16_t)t : (uint16_t)(LANES_OF | warp);
    }
    c.read = now;
    c.read_step = step;
}

void shared_access(uintptr_t p, unsigned bytes, bool writes) {
    unsigned t = running_thread();
    Cell *c = cells + (p - shared_start) / GRAIN;
    Cell *end = cells + (p - shared_start + bytes + GRAIN - 1) / GRAIN;
    for (; c < end; c++) {
        if (writes) {
            write_cell(*c, t);
        } else {
            read_cell(*c, t);
        }
    }
}

void aligned(uintptr_t p, unsigned bytes) {
    if (p % bytes != 0) {
        fail(MISALIGNED_ADDRESS, "an access of " + std::to_string(bytes) + " bytes is not aligned: " + device_place(p));
    }
}

void touch(uintptr_t p, unsigned bytes, bool writes) {
    if (p - shared_start < shared_bytes) {
        aligned(p, bytes);
        shared_access(p, bytes, writes);
    } else if (p - device_range < DEVICE_RANGE && device_range != 0) {
        aligned(p, bytes);
        if (!device_holds(p, bytes)) {
            fail(ILLEGAL_ADDRESS, "touches " + device_place(p));
        }
    }
}

}  // namespace

void check_launch(EmuStatics *statics) {
    if (statics == nullptr) {
        shared_bytes = 0;
        return;
    }
    if (statics->shadow == nullptr) {
        statics->shadow = calloc(statics->bytes / GRAIN + 1, sizeof(Cell));
    }
    cells = (Cell *)statics->shadow;
    shared_start = (uintptr_t)statics->start;
    shared_bytes = statics->bytes;
}

void check_block() {
    check_barrier();
    block_began = now;
}

void check_barrier() {
    now++;
    for (uint16_t &s : steps) {
        s = 0;
    }
}

void check_warp(unsigned warp) {
    steps[warp]++;
}

void check_copy(uintptr_t to, unsigned bytes, bool lands) {
    Cell *first = cells + (to - shared_start) / GRAIN;
    for (unsigned i = 0; lands && i < bytes / GRAIN; i++) {
        first[i].under_way = false;
    }
    shared_access(to, bytes, true);
    for (unsigned i = 0; !lands && i < bytes / GRAIN; i++) {
        first[i].under_way = true;
    }
}

void emu_touch(const void *p, unsigned bytes, bool writes) {
    touch((uintptr_t)p, bytes, writes);
}

// ---- what the compiler calls

#define HOOK extern "C" EMU_EXPORT void
#define HOOKS(n)                                \
    HOOK __tsan_read##n(void *p) {              \
        touch((uintptr_t)p, n, false);          \
    }                                           \
    HOOK __tsan_write##n(void *p) {             \
        touch((uintptr_t)p, n, true);           \
    }                                           \
    HOOK __tsan_unaligned_read##n(void *p) {    \
        touch((uintptr_t)p, n, false);          \
    }                                           \
    HOOK __tsan_unaligned_write##n(void *p) {   \
        touch((uintptr_t)p, n, true);           \
    }

HOOKS(1)
HOOKS(2)
HOOKS(4)
HOOKS(8)
HOOKS(16)

static void touch_bytes(uintptr_t p, size_t bytes, bool writes) {
    for (size_t i = 0; i < bytes; i++) {
        touch(p + i, 1, writes);
    }
}

HOOK __tsan_read_range(void *p, size_t bytes) {
    touch_bytes((uintptr_t)p, bytes, false);
}

HOOK __tsan_write_range(void *p, size_t bytes) {
    touch_bytes((uintptr_t)p, bytes, true);
}

HOOK __tsan_init() {}
HOOK __tsan_func_entry(void *) {}
HOOK __tsan_func_exit() {}
HOOK __tsan_vptr_update(void *, void *) {}
HOOK __tsan_vptr_read(void *) {}
