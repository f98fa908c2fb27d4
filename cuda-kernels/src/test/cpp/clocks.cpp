#pragma GCC optimize("O3")
#include "clocks.h"

#include <algorithm>

uint32_t tick = 1;
bool clocks_on;

namespace {

unsigned threads;
unsigned width;
std::vector<uint32_t> *seen;

uint32_t *row(unsigned t) {
    return seen->data() + (size_t)t * width;
}

unsigned column(unsigned actor) {
    return actor < MOST_THREADS ? actor : threads + actor - MOST_THREADS;
}

void join(uint32_t *to, const uint32_t *from) {
    for (unsigned i = 0; i < width; i++) {
        to[i] = std::max(to[i], from[i]);
    }
}

}  // namespace

void clocks_start(unsigned count) {
    if (seen == nullptr) {
        seen = new std::vector<uint32_t>();
    }
    threads = count;
    width = count + MOST_PHASED;
    seen->assign((size_t)count * width, 0);
    clocks_on = true;
}

uint32_t clock_seen(unsigned t, unsigned actor) {
    return t == actor ? UINT32_MAX : row(t)[column(actor)];
}

uint32_t clock_seen(const Clock &clock, unsigned actor) {
    return clock[column(actor)];
}

void clock_release(unsigned t, Clock &to) {
    to.resize(width);
    row(t)[t] = ++tick;
    join(to.data(), row(t));
}

void clock_acquire(unsigned t, const Clock &from) {
    if (!from.empty()) {
        join(row(t), from.data());
    }
}

void clock_release_copy(unsigned barrier, Clock &to) {
    to.resize(width);
    to[column(phased_actor(barrier))] = ++tick;
}

void clock_meet(unsigned first, unsigned end) {
    static auto *all = new Clock();
    all->assign(width, 0);
    tick++;
    for (unsigned t = first; t < end; t++) {
        row(t)[t] = tick;
        join(all->data(), row(t));
    }
    for (unsigned t = first; t < end; t++) {
        std::copy(all->begin(), all->end(), row(t));
    }
}

void clock_least(unsigned t, Clock &least) {
    if (least.empty()) {
        least.assign(width, UINT32_MAX);
    }
    const uint32_t *mine = row(t);
    for (unsigned i = 0; i < width; i++) {
        least[i] = i == t ? least[i] : std::min(least[i], mine[i]);
    }
}
