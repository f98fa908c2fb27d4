// mbarriers, which count arrivals and bytes phase by phase, and copies of boxes of tensors that arrive at them.
#include <string.h>

#include <algorithm>
#include <vector>

#include "async.h"
#include "machine.h"
#include "memory.h"

namespace {

struct Waiter {
    void *fiber;
    unsigned parity;
};

struct Phased {
    uintptr_t address;
    unsigned expected, pending, phase;
    long bytes;  // that are still to come
    Clock arriving, completed;
    unsigned by;
    uint32_t since;  // when it was made, and by whom
    bool fenced;
    std::vector<Waiter> waiters;

    bool over(unsigned parity) const {
        return phase % 2 != parity;
    }
};

struct Copy {
    TensorMap map;
    int at[5];
    uint32_t to;
    unsigned barrier;
};

std::vector<Phased> &all() {
    static auto *x = new std::vector<Phased>();
    return *x;
}

std::vector<Copy> &copies() {
    static auto *x = new std::vector<Copy>();
    return *x;
}

// The barrier, which the running thread must know to be there.
unsigned find(const void *barrier) {
    shared_address(barrier, "an mbarrier", 8);
    for (unsigned i = 0; i < all().size(); i++) {
        if (all()[i].address == (uintptr_t)barrier) {
            if (clock_seen(running_thread(), all()[i].by) <= all()[i].since) {
                fail(LAUNCH_FAILED, "race: it uses an mbarrier that another thread made, without having waited for that");
            }
            return i;
        }
    }
    fail(LAUNCH_FAILED, "it uses an mbarrier that nobody has made");
}

void advance(Phased &p) {
    if (p.pending != 0 || p.bytes != 0) {
        return;
    }
    p.phase++;
    p.pending = p.expected;
    p.completed = p.arriving;
    for (size_t i = p.waiters.size(); i-- > 0;) {
        if (p.over(p.waiters[i].parity)) {
            wake(p.waiters[i].fiber);
            p.waiters.erase(p.waiters.begin() + i);
        }
    }
}

// Calls f with the place in device memory of each 16 bytes of a box, or 0 beyond the tensor, and how many of these count.
template <class F>
void for_pieces(const Copy &c, F f) {
    const TensorMap &m = c.map;
    uint32_t logical = c.to;
    unsigned row_bytes = m.box[0] * m.element;
    unsigned rows = m.box[1] * m.box[2] * m.box[3] * m.box[4];
    for (unsigned r = 0; r < rows; r++) {
        unsigned rest = r;
        uint64_t from = m.address;
        bool inside = true;
        for (unsigned d = 1; d < 5; d++) {
            long at = (long)c.at[d] + rest % m.box[d];
            rest /= m.box[d];
            inside = inside && at >= 0 && at < (long)m.dims[d];
            from += at * m.strides[d];
        }
        for (unsigned x = 0; x < row_bytes; x += 16, logical += 16) {
            long first = (long)c.at[0] * m.element + x;
            long end = (long)m.dims[0] * m.element;
            // Rows are whole pieces away from the start, so a piece is cut off at its end alone.
            unsigned count = inside && first >= 0 && first < end ? (unsigned)std::min(16l, end - first) : 0;
            f(shared_place(m.swizzle == 0 ? logical : swizzled(logical, m.swizzle)), count == 0 ? 0 : from + first, count);
        }
    }
}

}  // namespace

void phased_block() {
    all().clear();
    copies().clear();
}

void phased_block_ends() {
    if (!copies().empty()) {
        fail(LAUNCH_FAILED, "the block ends while copies into its shared memory are under way");
    }
    for (Phased &p : all()) {
        if (p.bytes != 0) {
            fail(LAUNCH_FAILED, "the block ends and an mbarrier expects " + std::to_string(p.bytes) + " more bytes");
        }
    }
}

size_t phased_copies() {
    return copies().size();
}

unsigned phased_waiters() {
    unsigned n = 0;
    for (Phased &p : all()) {
        n += p.waiters.size();
    }
    return n;
}

void phased_land(size_t which) {
    Copy c = copies()[which];
    copies().erase(copies().begin() + which);
    long bytes = 0;
    for_pieces(c, [&](uintptr_t to, uint64_t from, unsigned count) {
        if (count != 0 && !device_holds(from, count)) {
            fail(ILLEGAL_ADDRESS, "a copy of a box touches " + device_place(from));
        }
        memset((void *)to, 0, 16);
        memcpy((void *)to, (void *)from, count);
        check_bulk_lands(to, c.barrier);
        bytes += 16;
    });
    Phased &p = all()[c.barrier];
    clock_release_copy(c.barrier, p.arriving);
    p.bytes -= bytes;
    advance(p);
}

void emu_phased_init(void *barrier, unsigned count) {
    shared_address(barrier, "an mbarrier", 8);
    if (all().size() == MOST_PHASED || count == 0) {
        fail(LAUNCH_FAILED, "it makes an mbarrier for " + std::to_string(count) + " threads as number "
                + std::to_string(all().size() + 1));
    }
    for (Phased &p : all()) {
        if (p.address == (uintptr_t)barrier) {
            fail(LAUNCH_FAILED, "it makes an mbarrier where there is one");
        }
    }
    if (!clocks_on) {
        clocks_start(blockDim.x * blockDim.y * blockDim.z);
    }
    all().push_back({(uintptr_t)barrier, count, count, 0, 0, {}, {}, running_thread(), tick, false, {}});
}

void emu_phased_fence() {
    for (Phased &p : all()) {
        p.fenced = p.fenced || p.by == running_thread();
    }
    emu_proxy_fence();
}

void emu_proxy_fence() {
    check_proxy_fence(running_thread());
}

void emu_phased_arrive(void *barrier, unsigned bytes) {
    Phased &p = all()[find(barrier)];
    if (p.pending == 0) {
        fail(LAUNCH_FAILED, "more threads arrive at an mbarrier than it was made for");
    }
    p.bytes += bytes;
    clock_release(running_thread(), p.arriving);
    p.pending--;
    advance(p);
}

void emu_phased_wait(void *barrier, unsigned parity) {
    unsigned i = find(barrier);
    if (!all()[i].over(parity)) {
        all()[i].waiters.push_back({running_fiber(), parity});
        park();
    }
    clock_acquire(running_thread(), all()[i].completed);
}

void emu_tensor_copy(void *to, const void *map, const int *at, unsigned rank, void *barrier) {
    Copy c = {*(const TensorMap *)map, {}, 0, find(barrier)};
    if (c.map.magic != TENSOR_MAP || c.map.rank != rank) {
        fail(LAUNCH_FAILED, "it copies by what is no tensor map of rank " + std::to_string(rank));
    }
    if (!all()[c.barrier].fenced) {
        fail(LAUNCH_FAILED, "a copy is to arrive at an mbarrier that was not fenced when it was made");
    }
    // 128 bytes, or the size of the pattern of the swizzle, which we never begin in its middle.
    c.to = shared_address(to, "the target of a copy", c.map.swizzle == 0 ? 128 : 8 * c.map.swizzle);
    memcpy(c.at, at, rank * sizeof(int));
    for_pieces(c, [](uintptr_t place, uint64_t, unsigned) { check_bulk_starts(place); });
    copies().push_back(c);
}

// As the driver's function, which refuses what the hardware cannot.
extern "C" EMU_EXPORT int cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *address, const uint64_t *dims,
        const uint64_t *strides, const uint32_t *box, const uint32_t *steps, int interleave, int swizzle, int promotion,
        int fill) {
    TensorMap m = {};
    m.magic = TENSOR_MAP;
    m.rank = rank;
    // FLOAT16, FLOAT32, BFLOAT16.
    m.element = type == 6 || type == 9 ? 2 : type == 7 ? 4 : 0;
    m.address = (uint64_t)address;
    m.swizzle = swizzle == 0 ? 0 : 16u << swizzle;
    bool ok = (uintptr_t)map % 64 == 0 && m.element != 0 && rank >= 1 && rank <= 5 && m.address % 16 == 0 && interleave == 0
              && swizzle >= 0 && swizzle <= 3 && promotion >= 0 && promotion <= 3 && fill == 0;
    for (unsigned d = 0; ok && d < 5; d++) {
        m.dims[d] = d < rank ? dims[d] : 1;
        m.box[d] = d < rank ? box[d] : 1;
        m.strides[d] = d == 0 || d >= rank ? 0 : strides[d - 1];
        ok = m.dims[d] >= 1 && m.dims[d] <= (uint64_t)1 << 32 && m.box[d] >= 1 && m.box[d] <= 256
             && (d >= rank || steps[d] == 1);
        ok = ok && (d == 0 || d >= rank || (m.strides[d] % 16 == 0 && m.strides[d] != 0 && m.strides[d] < (uint64_t)1 << 40));
    }
    unsigned row = m.box[0] * m.element;
    // A narrower row than the swizzle is allowed by the driver, with gaps in shared memory; nothing here makes them.
    if (!ok || row % 16 != 0 || (m.swizzle != 0 && row != m.swizzle)) {
        return INVALID_VALUE;
    }
    memset(map, 0, 128);
    memcpy(map, &m, sizeof m);
    return SUCCESS;
}
static_assert(sizeof(TensorMap) <= 128);
