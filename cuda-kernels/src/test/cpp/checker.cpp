// Finds accesses of kernels that a card would let pass or not, whatever order the threads happen to run in.
//
// Kernels are compiled with the instrumentation of the thread sanitizer, so every access of theirs calls a function here.
// In device memory it must lie in one allocation and be aligned to its size. In shared memory each pair of bytes remembers
// who wrote and who read it, and when: time counts the barriers of the block, and within that the synchronisations of each
// warp. Two accesses of different threads, of which one writes, race unless a barrier lies between them; so a missing
// barrier is found in every order of threads, and so is a read of what nobody wrote in this block. Where mbarriers order
// threads, the clocks of clocks.h say who has seen what; then products of warp groups are known to read pieces of 16 bytes
// from their start until each warp has waited for them.
#include <stdlib.h>

#include "async.h"
#include "clocks.h"
#include "machine.h"
#include "memory.h"

namespace {

const unsigned WARP = 32;
const unsigned GRAIN = 2;
const uint16_t LANES_OF = 0x8000;  // several readers of a warp, the number of which follows
const uint16_t ANYBODY = 0xFFFF;

struct Cell {
    uint32_t wrote, read;  // when
    uint32_t wrote_tick, read_tick;
    uint16_t writer, reader;
    uint16_t wrote_step, read_step;  // time of the warp
    bool under_way;
};

// 16 bytes that products of warp groups read.
struct Piece {
    uint32_t read_tick[MOST_THREADS / WARP];
    uint16_t under_way;
    uint32_t block;  // that this is about
};

uint32_t now;
uint32_t block_began;
uint16_t steps[MOST_THREADS / WARP];
uint32_t proxy_fences[MOST_THREADS];

// Statics of a library, or the memory that a launch asked for.
struct Range {
    uintptr_t start;
    size_t bytes;
    Cell *cells;

    bool holds(uintptr_t p) const {
        return p - start < bytes;
    }
    Cell *cell(uintptr_t p) const {
        return cells + (p - start) / GRAIN;
    }
};

Range statics, dynamic;
Piece *pieces;

Piece &piece(uintptr_t p) {
    Piece &x = pieces[(p - dynamic.start) / 16];
    if (x.block != block_began) {
        x = {};
        x.block = block_began;
    }
    return x;
}

// Whether the warp of thread t has synchronised since a thread of the same warp was at `step`.
bool ordered(unsigned warp, uint16_t step, unsigned t) {
    return warp == t / WARP && step < steps[warp];
}

// Whether thread t has seen what an actor did.
bool ordered(unsigned actor, uint16_t step, uint32_t when, unsigned t) {
    return (actor < MOST_THREADS && ordered(actor / WARP, step, t)) || (clocks_on && clock_seen(t, actor) > when);
}

// Whether what was written last may still race: other copies than those that threads wait for by themselves do until
// somebody has waited for them.
bool fresh_write(const Cell &c) {
    return c.wrote == now || (c.writer >= MOST_THREADS && c.wrote >= block_began);
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
    if (fresh_write(c) && c.writer != t && !ordered(c.writer, c.wrote_step, c.wrote_tick, t)) {
        race("writes", c.writer, "wrote");
    }
    if (c.read == now && c.reader != t) {
        bool before = c.reader == ANYBODY   ? false
                      : c.reader & LANES_OF ? ordered(c.reader & ~LANES_OF, c.read_step, t)
                                            : ordered(c.reader, c.read_step, c.read_tick, t);
        if (!before) {
            race("writes", c.reader & LANES_OF ? ANYBODY : c.reader, "read");
        }
    }
    c.read = 0;
    c.wrote = now;
    c.writer = (uint16_t)t;
    c.wrote_step = steps[t / WARP];
    c.wrote_tick = tick;
}

void read_cell(Cell &c, unsigned t) {
    if (c.wrote < block_began) {
        fail(LAUNCH_FAILED, "it reads shared memory that no thread of the block has written");
    }
    if (c.under_way) {
        fail(LAUNCH_FAILED, "it reads shared memory before the copy that goes there has landed");
    }
    if (fresh_write(c) && c.writer != t && !ordered(c.writer, c.wrote_step, c.wrote_tick, t)) {
        race("reads", c.writer, "wrote");
    }
    unsigned warp = t / WARP;
    uint16_t step = steps[warp];
    bool follows = c.read != now || c.reader == t
                   || (clocks_on && c.reader < MOST_THREADS && clock_seen(t, c.reader) > c.read_tick);
    if (follows) {
        c.reader = (uint16_t)t;
    } else if (c.reader != ANYBODY) {
        unsigned before = c.reader & LANES_OF ? c.reader & ~LANES_OF : c.reader / WARP;
        c.reader = before != warp ? ANYBODY : c.read_step < step ? (uint16_t)t : (uint16_t)(LANES_OF | warp);
    }
    c.read = now;
    c.read_step = step;
    c.read_tick = tick;
}

// Products of warp groups must have read what thread t overwrites.
void after_products(uintptr_t p, unsigned t) {
    Piece &x = piece(p);
    if (x.under_way != 0) {
        fail(LAUNCH_FAILED, "it writes shared memory that a product of a warp group may still read");
    }
    for (unsigned w = 0; w < MOST_THREADS / WARP; w++) {
        bool seen = x.read_tick[w] == 0 || w == t / WARP;
        for (unsigned lane = 0; lane < WARP && !seen; lane++) {
            seen = clock_seen(t, w * WARP + lane) > x.read_tick[w];
        }
        if (!seen) {
            fail(LAUNCH_FAILED,
                    "race: it writes shared memory that a product of warp " + std::to_string(w)
                            + " read, without having heard of that");
        }
        x.read_tick[w] = 0;
    }
}

void shared_access(const Range &range, uintptr_t p, unsigned bytes, bool writes) {
    unsigned t = running_thread();
    if (writes && clocks_on && &range == &dynamic) {
        for (uintptr_t q = p / 16 * 16; q < p + bytes; q += 16) {
            after_products(q, t);
        }
    }
    Cell *c = range.cell(p);
    Cell *end = range.cell(p + bytes + GRAIN - 1);
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
    if (statics.holds(p) || dynamic.holds(p)) {
        aligned(p, bytes);
        shared_access(statics.holds(p) ? statics : dynamic, p, bytes, writes);
    } else if (p - device_range < DEVICE_RANGE && device_range != 0) {
        aligned(p, bytes);
        if (!device_holds(p, bytes)) {
            fail(ILLEGAL_ADDRESS, "touches " + device_place(p));
        }
    }
}

}  // namespace

void check_launch(EmuStatics *of, uintptr_t asked, size_t bytes) {
    if (of == nullptr) {
        statics.bytes = dynamic.bytes = 0;
        return;
    }
    if (of->shadow == nullptr) {
        of->shadow = calloc(of->bytes / GRAIN + 1, sizeof(Cell));
    }
    statics = {(uintptr_t)of->start, of->bytes, (Cell *)of->shadow};
    if (bytes != 0 && pieces == nullptr) {
        dynamic.cells = (Cell *)calloc(MOST_DYNAMIC / GRAIN + 1, sizeof(Cell));
        pieces = (Piece *)calloc(MOST_DYNAMIC / 16 + 1, sizeof(Piece));
    }
    dynamic.start = asked;
    dynamic.bytes = bytes;
}

void check_block() {
    clocks_on = false;
    tick++;
    check_barrier();
    block_began = now;
}

void check_barrier() {
    now++;
    for (uint16_t &s : steps) {
        s = 0;
    }
    if (clocks_on) {
        clock_meet(0, blockDim.x * blockDim.y * blockDim.z);
    }
}

void check_warp(unsigned warp) {
    steps[warp]++;
    if (clocks_on) {
        clock_meet(warp * WARP, (warp + 1) * WARP);
    }
}

void check_copy(uintptr_t to, unsigned bytes, bool lands) {
    const Range &range = statics.holds(to) ? statics : dynamic;
    Cell *first = range.cell(to);
    for (unsigned i = 0; lands && i < bytes / GRAIN; i++) {
        first[i].under_way = false;
    }
    shared_access(range, to, bytes, true);
    for (unsigned i = 0; !lands && i < bytes / GRAIN; i++) {
        first[i].under_way = true;
    }
}

// ---- what runs beside the threads

void check_proxy_fence(unsigned t) {
    proxy_fences[t] = ++tick;
}

void check_bulk_starts(uintptr_t to) {
    shared_access(dynamic, to, 16, true);
    for (unsigned i = 0; i < 16 / GRAIN; i++) {
        dynamic.cell(to)[i].under_way = true;
    }
}

void check_bulk_lands(uintptr_t to, unsigned barrier) {
    for (unsigned i = 0; i < 16 / GRAIN; i++) {
        Cell &c = dynamic.cell(to)[i];
        c.under_way = false;
        c.wrote = now;
        c.wrote_tick = tick;
        c.writer = (uint16_t)phased_actor(barrier);
    }
}

void check_product_starts(uintptr_t p, const Clock &least) {
    for (unsigned i = 0; i < 16 / GRAIN; i++) {
        const Cell &c = dynamic.cell(p)[i];
        if (c.wrote < block_began) {
            fail(LAUNCH_FAILED, "a product of a warp group reads shared memory that nobody has written");
        }
        if (c.under_way) {
            fail(LAUNCH_FAILED, "a product of a warp group reads shared memory where a copy is under way");
        }
        if (fresh_write(c) && clock_seen(least, c.writer) <= c.wrote_tick) {
            fail(LAUNCH_FAILED,
                    "race: a product of a warp group reads shared memory that "
                            + (c.writer < MOST_THREADS ? "thread " + std::to_string(c.writer) + " wrote"
                                                       : std::string("a copy wrote"))
                            + ", and some thread of the group has not waited for that");
        }
        if (c.writer < MOST_THREADS && proxy_fences[c.writer] <= c.wrote_tick) {
            fail(LAUNCH_FAILED,
                    "a product of a warp group reads shared memory that thread " + std::to_string(c.writer)
                            + " wrote without a fence.proxy.async after it");
        }
    }
    piece(p).under_way++;
}

void check_product_ends(uintptr_t p, unsigned warp, bool last) {
    Piece &x = piece(p);
    x.read_tick[warp] = tick;
    x.under_way -= last ? 1 : 0;
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
