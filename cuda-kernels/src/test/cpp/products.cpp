// Products of warp groups: wgmma.mma_async with both factors in shared memory, described as the PTX ISA does in
// "Asynchronous warpgroup-level matrix shared memory layout".
//
// A product runs when all four warps have asked for it, those before it have run and the machine lets it. Until a thread has
// waited for it its sums are NaN, and until all have, what it reads must stay as it is.
#pragma GCC optimize("O3")
#include <math.h>
#include <string.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <vector>

#include "async.h"
#include "machine.h"

namespace {

const unsigned GROUP = 128;
const unsigned ROWS = 64;
const unsigned DEPTH = 16;
const unsigned MOST_COLUMNS = 256;

// Sums of a thread that products change.
struct Sums {
    float *registers;
    std::vector<float> values;
    unsigned last;  // product that changes them
};

struct Product {
    unsigned n;
    uint64_t a, b;
    bool accumulate, a_across, b_across, half;
    bool has_rows;  // of a, in registers
    float rows[ROWS][DEPTH] = {};
    unsigned asked = 0;
    Sums *sums[GROUP] = {};
    Clock least;
    std::vector<uint32_t> reads = {};
    bool done = false;
    unsigned waited = 0;  // warps
};

struct Thread {
    unsigned asked, closed;
    bool fenced;
    std::vector<unsigned> group;  // of each product that was asked for
    std::vector<std::unique_ptr<Sums>> sums;
};

struct WarpGroup {
    std::vector<std::unique_ptr<Product>> products;
    size_t next;  // to run
    unsigned waited[4];  // products that each warp has waited for
    std::vector<void *> waiters;
    Thread threads[GROUP];
};

WarpGroup groups[MOST_THREADS / GROUP];

WarpGroup &mine() {
    return groups[running_thread() / GROUP];
}

Thread &self() {
    return mine().threads[running_thread() % GROUP];
}

float number(unsigned short bits, bool half) {
    unsigned wide = (unsigned)bits << 16;
    float x;
    memcpy(&x, &wide, 4);
    return half ? half_to_float(bits) : x;
}

// A matrix as a descriptor has it: `across` is the outer dimension of the product.
struct Matrix {
    uint32_t start, leading, stride;
    unsigned swizzle;  // bytes, 16 for none
    bool is_across;    // numbers lie along the outer dimension, not along K

    Matrix(uint64_t d, bool along) : is_across(along) {
        start = (uint32_t)(d & 0x3FFF) << 4;
        leading = (uint32_t)(d >> 16 & 0x3FFF) << 4;
        stride = (uint32_t)(d >> 32 & 0x3FFF) << 4;
        const unsigned sizes[] = {16, 128, 64, 32};
        swizzle = sizes[d >> 62];
        if ((d >> 49 & 7) != 0 || (swizzle != 16 && start % (8 * swizzle) >= swizzle)) {
            fail(LAUNCH_FAILED, "the matrix of a descriptor begins in the middle of the pattern of its swizzle");
        }
        const uint64_t known = 0x3FFFull | 0x3FFFull << 16 | 0x3FFFull << 32 | 7ull << 49 | 3ull << 62;
        if ((d & ~known) != 0) {
            fail(LAUNCH_FAILED, "a descriptor of a matrix has bits that mean nothing");
        }
    }

    // Where the 8 numbers are that begin at (across, k).
    uint32_t piece(unsigned across, unsigned k) const {
        unsigned wide = swizzle / 2;
        uint32_t p = is_across ? start + k % 8 * swizzle + across % wide * 2
                               : start + across % 8 * swizzle + across / 8 * stride + k * 2;
        if (is_across) {
            // Without swizzle the two offsets change their roles.
            p += swizzle == 16 ? across / wide * stride + k / 8 * leading : across / wide * leading + k / 8 * stride;
        } else if (swizzle == 16) {
            p += k / 8 * (leading - 16);
        }
        return swizzle == 16 ? p : swizzled(p, swizzle);
    }

    template <class F>
    void for_pieces(unsigned count, F f) const {
        for (unsigned across = 0; across < count; across += is_across ? 8 : 1) {
            for (unsigned k = 0; k < DEPTH; k += is_across ? 1 : 8) {
                uintptr_t p = shared_place(piece(across, k));
                if (p - dynamic_shared() >= MOST_DYNAMIC) {
                    fail(ILLEGAL_ADDRESS, "a product of a warp group reads beyond shared memory");
                }
                f(across, k, p);
            }
        }
    }

    void read(unsigned count, bool half, float *to, unsigned across_step, unsigned k_step) const {
        for_pieces(count, [&](unsigned across, unsigned k, uintptr_t p) {
            unsigned short bits[8];
            memcpy(bits, (void *)p, 16);
            for (unsigned i = 0; i < 8; i++) {
                to[(across + (is_across ? i : 0)) * across_step + (k + (is_across ? 0 : i)) * k_step] =
                        number(bits[i], half);
            }
        });
    }
};

void multiply(Product &p) {
    static float a[ROWS][DEPTH], b[DEPTH][MOST_COLUMNS], c[ROWS][MOST_COLUMNS];
    if (p.has_rows) {
        memcpy(a, p.rows, sizeof a);
    } else {
        Matrix(p.a, p.a_across).read(ROWS, p.half, a[0], DEPTH, 1);
    }
    Matrix(p.b, p.b_across).read(p.n, p.half, b[0], 1, MOST_COLUMNS);
    for (unsigned r = 0; r < ROWS; r++) {
        std::fill(c[r], c[r] + p.n, 0.0f);
        for (unsigned k = 0; k < DEPTH; k++) {
            for (unsigned j = 0; j < p.n; j++) {
                c[r][j] += a[r][k] * b[k][j];
            }
        }
    }
    for (unsigned t = 0; t < GROUP; t++) {
        float *x = p.sums[t]->values.data();
        for (unsigned i = 0; i < p.n / 2; i++) {
            unsigned row = t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8, col = i / 4 * 8 + t % 4 * 2 + i % 2;
            x[i] = (p.accumulate ? x[i] : 0) + c[row][col];
        }
    }
}

// All have asked for it: from here on it reads.
void start(Product &p) {
    auto note = [&](unsigned, unsigned, uintptr_t place) {
        check_product_starts(place, p.least);
        p.reads.push_back((uint32_t)(place - dynamic_shared()));
    };
    if (!p.has_rows) {
        Matrix(p.a, p.a_across).for_pieces(ROWS, note);
    }
    Matrix(p.b, p.b_across).for_pieces(p.n, note);
}

Sums *sums_of(Thread &t, float *registers, unsigned n, bool accumulate) {
    for (auto &s : t.sums) {
        if (s->registers == registers) {
            if (s->values.size() != n) {
                fail(LAUNCH_FAILED, "products of different shapes share sums without a wait between");
            }
            return s.get();
        }
    }
    t.sums.push_back(std::make_unique<Sums>(Sums{registers, std::vector<float>(registers, registers + n), 0}));
    if (!accumulate) {
        std::fill(t.sums.back()->values.begin(), t.sums.back()->values.end(), NAN);
    }
    std::fill(registers, registers + n, NAN);
    return t.sums.back().get();
}

// What a warp waits for, when all its lanes do.
void retire(void **records, unsigned) {
    WarpGroup &g = mine();
    unsigned warp = running_thread() / 32;
    unsigned &waited = g.waited[warp % 4];
    tick++;
    for (unsigned end = *(unsigned *)records[0]; waited < end; waited++) {
        Product &p = *g.products[waited];
        p.waited++;
        for (uint32_t offset : p.reads) {
            check_product_ends(dynamic_shared() + offset, warp, p.waited == 4);
        }
    }
}

}  // namespace

void products_block() {
    for (WarpGroup &g : groups) {
        g.products.clear();
        g.waiters.clear();
        g.next = 0;
        memset(g.waited, 0, sizeof g.waited);
        for (Thread &t : g.threads) {
            t.asked = t.closed = 0;
            t.fenced = false;
            t.group.clear();
            t.sums.clear();
        }
    }
}

void products_thread_ends(unsigned thread) {
    if (!groups[thread / GROUP].threads[thread % GROUP].sums.empty()) {
        fail(LAUNCH_FAILED, "a thread ends that has not waited for a product of its warp group");
    }
}

static bool ready(const WarpGroup &g) {
    return g.next < g.products.size() && g.products[g.next]->asked == GROUP;
}

size_t products_ready() {
    return std::count_if(std::begin(groups), std::end(groups), ready);
}

void products_run(size_t which) {
    for (WarpGroup &g : groups) {
        if (!ready(g) || which-- != 0) {
            continue;
        }
        Product &p = *g.products[g.next++];
        multiply(p);
        p.done = true;
        for (void *fiber : g.waiters) {
            wake(fiber);
        }
        g.waiters.clear();
        return;
    }
}

unsigned products_waiters() {
    unsigned n = 0;
    for (WarpGroup &g : groups) {
        n += g.waiters.size();
    }
    return n;
}

void emu_group_fence() {
    self().fenced = true;
}

// The running thread asks for a product; all of its group must ask for the same.
static Product &ask(float *c, const Product &wanted) {
    WarpGroup &g = mine();
    Thread &t = self();
    if (!t.fenced) {
        fail(LAUNCH_FAILED, "a product of a warp group without wgmma.fence before it");
    }
    unsigned n = wanted.n;
    if (blockDim.x % GROUP != 0 || n % 8 != 0 || n == 0 || n > MOST_COLUMNS) {
        fail(LAUNCH_FAILED, "there is no product of a warp group with " + std::to_string(n) + " columns here");
    }
    unsigned count = t.asked++;
    t.group.push_back(t.closed);
    if (count == g.products.size()) {
        if (!clocks_on) {
            clocks_start(blockDim.x * blockDim.y * blockDim.z);
        }
        g.products.push_back(std::make_unique<Product>(wanted));
    }
    Product &p = *g.products[count];
    if (p.n != n || p.a != wanted.a || p.b != wanted.b || p.accumulate != wanted.accumulate
            || p.a_across != wanted.a_across || p.b_across != wanted.b_across || p.half != wanted.half
            || p.has_rows != wanted.has_rows) {
        fail(LAUNCH_FAILED, "threads of a warp group ask for different products");
    }
    Sums *s = sums_of(t, c, n / 2, p.accumulate);
    s->last = count;
    p.sums[running_thread() % GROUP] = s;
    clock_least(running_thread(), p.least);
    return p;
}

void emu_group_multiply(float *c, unsigned n, unsigned long long a, unsigned long long b, bool accumulate, bool a_across,
        bool b_across, bool half) {
    Product &p = ask(c, {n, a, b, accumulate, a_across, b_across, half, false});
    if (++p.asked == GROUP) {
        start(p);
    }
}

void emu_group_multiply_rows(
        float *c, unsigned n, const unsigned *a, unsigned long long b, bool b_across, bool half) {
    Product &p = ask(c, {n, 0, b, true, false, b_across, half, true});
    unsigned t = running_thread() % GROUP;
    for (unsigned i = 0; i < 8; i++) {
        p.rows[t / 32 * 16 + t % 32 / 4 + i / 2 % 2 * 8][t % 4 * 2 + i % 2 + i / 4 * 8] =
                number((unsigned short)(a[i / 2] >> 16 * (i % 2)), half);
    }
    if (++p.asked == GROUP) {
        start(p);
    }
}

void emu_group_commit() {
    self().closed++;
}

void emu_group_wait(unsigned pending) {
    WarpGroup &g = mine();
    Thread &t = self();
    // Products of groups that are closed, but for the last ones.
    unsigned end = 0;
    while (end < t.asked && t.group[end] + pending < t.closed) {
        end++;
    }
    while (end > 0 && !g.products[end - 1]->done) {
        g.waiters.push_back(running_fiber());
        park();
    }
    emu_warp(&end, retire);
    for (size_t i = t.sums.size(); i-- > 0;) {
        if (t.sums[i]->last < end) {
            std::copy(t.sums[i]->values.begin(), t.sums[i]->values.end(), t.sums[i]->registers);
            t.sums.erase(t.sums.begin() + i);
        }
    }
    t.fenced = false;
}
