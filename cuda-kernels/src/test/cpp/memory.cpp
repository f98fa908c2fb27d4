#include "memory.h"

#include <string.h>
#include <sys/mman.h>

#include <map>
#include <set>
#include <vector>

uintptr_t device_range;
uint32_t *device_pages;
Allocation *device_allocations;

namespace {

const size_t PAGES = DEVICE_RANGE / PAGE;
const size_t MOST = DEVICE_MEMORY / PAGE + 1;

size_t used;
size_t cursor = 1;
uint32_t allocations = 1;

std::vector<uint32_t> &free_numbers() {
    static auto *all = new std::vector<uint32_t>();
    return *all;
}

// Runs of pages that were free again, by their length. The lowest is used first, so that work that comes again meets the
// same addresses.
std::map<size_t, std::set<size_t>> &free_runs() {
    static auto *all = new std::map<size_t, std::set<size_t>>();
    return *all;
}

void *reserve(size_t bytes, int access) {
    void *p = mmap(nullptr, bytes, access, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? nullptr : p;
}

bool open_range() {
    if (device_range == 0) {
        device_pages = (uint32_t *)reserve(PAGES * sizeof(uint32_t), PROT_READ | PROT_WRITE);
        device_allocations = (Allocation *)reserve(MOST * sizeof(Allocation), PROT_READ | PROT_WRITE);
        void *range = reserve(DEVICE_RANGE, PROT_NONE);
        if (device_pages == nullptr || device_allocations == nullptr || range == nullptr) {
            return false;
        }
        device_range = (uintptr_t)range;
    }
    return true;
}

// The first of `pages` free pages that have no neighbours.
size_t find_run(size_t pages) {
    std::set<size_t> &same = free_runs()[pages];
    if (!same.empty()) {
        size_t first = *same.begin();
        same.erase(same.begin());
        return first;
    }
    if (pages + 1 > PAGES - cursor) {
        return 0;
    }
    size_t first = cursor;
    cursor += pages + 1;
    return first;
}

}  // namespace

uintptr_t device_allocate(size_t bytes) {
    if (bytes > DEVICE_MEMORY - used || !open_range()) {
        return 0;
    }
    if (free_numbers().empty() && allocations == MOST) {
        return 0;
    }
    size_t pages = (bytes + PAGE - 1) / PAGE;
    size_t first = find_run(pages);
    char *base = (char *)device_range + first * PAGE;
    if (first == 0 || mprotect(base, pages * PAGE, PROT_READ | PROT_WRITE) != 0) {
        return 0;
    }
    memset(base, 0xFF, pages * PAGE);
    uint32_t number = allocations;
    if (free_numbers().empty()) {
        allocations++;
    } else {
        number = free_numbers().back();
        free_numbers().pop_back();
    }
    // The end, rounded up to the alignment of the start, meets the page without access.
    uintptr_t start = (uintptr_t)base + pages * PAGE - (bytes + 15) / 16 * 16;
    device_allocations[number] = {start, bytes};
    for (size_t i = 0; i < pages; i++) {
        device_pages[first + i] = number;
    }
    used += bytes;
    return start;
}

bool device_free(uintptr_t p) {
    if (!device_holds(p, 1)) {
        return false;
    }
    size_t first = (p - device_range) / PAGE;
    uint32_t number = device_pages[first];
    Allocation &a = device_allocations[number];
    if (a.start != p) {
        return false;
    }
    size_t pages = (a.bytes + PAGE - 1) / PAGE;
    void *base = (char *)device_range + first * PAGE;
    mmap(base, pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    for (size_t i = 0; i < pages; i++) {
        device_pages[first + i] = 0;
    }
    used -= a.bytes;
    a = {0, 0};
    free_numbers().push_back(number);
    free_runs()[pages].insert(first);
    return true;
}

size_t device_used() {
    return used;
}

std::string device_place(uintptr_t p) {
    if (device_range == 0 || p - device_range >= DEVICE_RANGE) {
        return "no device memory";
    }
    size_t page = (p - device_range) / PAGE;
    for (size_t i : {page, page == 0 ? 0 : page - 1, page + 1}) {
        const Allocation &a = device_allocations[i < PAGES ? device_pages[i] : 0];
        if (a.bytes != 0) {
            return "byte " + std::to_string((long)(p - a.start)) + " of an allocation of " + std::to_string(a.bytes);
        }
    }
    return "no allocation";
}
