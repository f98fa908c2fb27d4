// Runs the threads of a block as fibers of one thread of the system.
//
// A fiber runs until it meets others, at a barrier or in a warp, or until its end; one that ends starts the next thread on
// the same stack. QUERN_EMU_ORDER chooses the order of threads between meetings: forward, backward, or a seed for a random
// one. x86-64 and Linux.
#include "machine.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>

#include "async.h"
#include "memory.h"

// Not 0, so that they lie apart from the kernels' shared memory.
EmuIndex threadIdx = {1, 1, 1}, blockIdx = {1, 1, 1}, blockDim = {1, 1, 1}, gridDim = {1, 1, 1};

namespace {

const size_t STACK = 256 << 10;
const unsigned WARP = 32;

struct Copy {
    uintptr_t to;
    std::array<unsigned char, 16> bytes;
    unsigned group;
};

struct Fiber {
    void *sp;
    char *stack;
    unsigned thread;
    EmuIndex index;
    unsigned groups;  // of copies that it has closed
    std::vector<Copy> copies;
};

struct Warp {
    unsigned arrived;
    EmuTogether work;
    void *records[WARP];
    Fiber *fibers[WARP];
};

struct Machine {
    std::vector<Fiber *> pool;
    std::vector<Fiber *> ready;
    size_t next_ready = 0;
    Fiber *waiting[MOST_THREADS];
    unsigned waits = 0;
    Warp warps[MOST_THREADS / WARP] = {};
    std::vector<unsigned> order;
    size_t next_thread = 0;
    unsigned finished = 0;
    unsigned threads = 0;
    int barrier = -1;
    Fiber *current = nullptr;
    void *scheduler = nullptr;
    const EmuKernel *kernel = nullptr;
    void **arguments = nullptr;
    std::string error;
    int result = SUCCESS;
    char wish = 'f';
    char *dynamic_end = nullptr;
    size_t dynamic = 0;
    uint64_t random = 0x9E3779B97F4A7C15ull;
};

Machine *machine;
sigjmp_buf escape;
volatile bool inside;
pthread_t worker;
volatile uintptr_t fault_address;
struct sigaction old_segv, old_bus;

extern "C" void emu_switch(void **save, void *to);

asm(R"(
.text
.globl emu_switch
.hidden emu_switch
emu_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");

uint64_t draw() {
    uint64_t x = machine->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return machine->random = x;
}

template <class V>
void shuffle(V &v, size_t from) {
    for (size_t i = v.size() - from; machine->wish == 'r' && i > 1; i--) {
        std::swap(v[from + i - 1], v[from + draw() % i]);
    }
}

// Threads in the order that was asked for.
void arrange() {
    Machine &m = *machine;
    m.order.resize(m.threads);
    for (unsigned i = 0; i < m.threads; i++) {
        m.order[i] = m.wish == 'b' ? m.threads - 1 - i : i;
    }
    shuffle(m.order, 0);
}

void begin_thread() {
    Machine &m = *machine;
    unsigned t = m.order[m.next_thread++];
    Fiber &f = *m.current;
    f.thread = t;
    f.index = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
    f.groups = 0;
    f.copies.clear();
    threadIdx = f.index;
}

// Where a fiber starts, and where it comes back to when it is used again.
void fiber_main() {
    for (;;) {
        Machine &m = *machine;
        while (m.next_thread < m.threads) {
            begin_thread();
            m.kernel->call(m.kernel->function, m.arguments);
            async_thread_ends(m.current->thread);
            m.finished++;
        }
        Fiber *self = m.current;
        m.pool.push_back(self);
        emu_switch(&self->sp, m.scheduler);
    }
}

Fiber *fresh() {
    Machine &m = *machine;
    if (!m.pool.empty()) {
        Fiber *f = m.pool.back();
        m.pool.pop_back();
        return f;
    }
    Fiber *f = new Fiber();
    f->stack = (char *)mmap(
            nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mprotect(f->stack, PAGE, PROT_NONE);
    void **top = (void **)(f->stack + PAGE + STACK);
    *--top = nullptr;  // keeps the stack 8 modulo 16 at entry, as after a call
    *--top = (void *)&fiber_main;
    for (int i = 0; i < 6; i++) {
        *--top = nullptr;
    }
    f->sp = top;
    return f;
}

void resume(Fiber *f) {
    machine->current = f;
    threadIdx = f->index;
    emu_switch(&machine->scheduler, f->sp);
}

void leave() {
    Fiber *self = machine->current;
    emu_switch(&self->sp, machine->scheduler);
}

void release_barrier() {
    Machine &m = *machine;
    m.barrier = -1;
    m.waits = 0;
    shuffle(m.order, 0);
    for (unsigned t : m.order) {
        m.ready.push_back(m.waiting[t]);
    }
    check_barrier();
}

// All threads of the current block.
void run_block() {
    Machine &m = *machine;
    arrange();
    m.ready.clear();
    m.next_thread = m.next_ready = 0;
    m.finished = m.waits = 0;
    m.barrier = -1;
    check_block();
    async_block();
    for (;;) {
        // In random orders what runs beside the threads may end at any time, else as late as possible.
        if (m.wish == 'r' && async_pending() && draw() % 4 == 0) {
            async_step();
        }
        if (m.next_ready < m.ready.size()) {
            resume(m.ready[m.next_ready++]);
            if (m.next_ready == m.ready.size()) {
                m.ready.clear();
                m.next_ready = 0;
            }
        } else if (m.next_thread < m.threads) {
            resume(fresh());
        } else if (m.finished == m.threads) {
            async_block_ends();
            return;
        } else if (async_pending()) {
            async_step();
        } else if (m.waits == m.threads) {
            release_barrier();
        } else if (async_waiters() != 0) {
            fail(LAUNCH_FAILED, std::to_string(async_waiters()) + " threads wait for a phase of an mbarrier, or for a"
                    " product of their warp group, that never ends");
        } else if (m.waits == m.threads - m.finished) {
            fail(LAUNCH_FAILED, std::to_string(m.waits) + " threads wait at a barrier that "
                    + std::to_string(m.finished) + " others never reach");
        } else {
            fail(LAUNCH_FAILED, "lanes of a warp wait for others that never come");
        }
    }
}

void on_fault(int signal, siginfo_t *info, void *context) {
    if (inside && pthread_equal(pthread_self(), worker)) {
        fault_address = (uintptr_t)info->si_addr;
        siglongjmp(escape, 2);
    }
    struct sigaction *old = signal == SIGSEGV ? &old_segv : &old_bus;
    if (old->sa_flags & SA_SIGINFO) {
        old->sa_sigaction(signal, info, context);
    } else if (old->sa_handler != SIG_IGN && old->sa_handler != SIG_DFL) {
        old->sa_handler(signal);
    } else {
        ::signal(signal, SIG_DFL);
        raise(signal);
    }
}

// The JVM may replace handlers after us, so they are set for each launch and put back after it.
void guard(bool on) {
    if (on) {
        struct sigaction mine = {};
        mine.sa_sigaction = on_fault;
        mine.sa_flags = SA_SIGINFO | SA_NODEFER;
        sigemptyset(&mine.sa_mask);
        sigaction(SIGSEGV, &mine, &old_segv);
        sigaction(SIGBUS, &mine, &old_bus);
    } else {
        sigaction(SIGSEGV, &old_segv, nullptr);
        sigaction(SIGBUS, &old_bus, nullptr);
    }
}

void run_blocks() {
    for (unsigned z = 0; z < gridDim.z; z++) {
        for (unsigned y = 0; y < gridDim.y; y++) {
            for (unsigned x = 0; x < gridDim.x; x++) {
                blockIdx = {x, y, z};
                run_block();
            }
        }
    }
}

void choose_order() {
    static unsigned long seed;
    const char *wish = getenv("QUERN_EMU_ORDER");
    machine->wish = wish == nullptr || *wish == 'f' ? 'f' : *wish == 'b' ? 'b' : 'r';
    unsigned long number = machine->wish == 'r' ? strtoul(wish, nullptr, 10) : 0;
    if (number != seed) {
        seed = number;
        machine->random = 0x9E3779B97F4A7C15ull ^ number * 2654435761u;
    }
}

}  // namespace

int run_grid(const std::string &name, const EmuKernel &kernel, EmuIndex grid, EmuIndex block, size_t dynamic,
        void **arguments) {
    if (machine == nullptr) {
        machine = new Machine();
        // It ends at a page without access, whatever its size.
        size_t most = (MOST_DYNAMIC + PAGE - 1) / PAGE * PAGE;
        char *room = (char *)mmap(
                nullptr, most + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        mprotect(room + most, PAGE, PROT_NONE);
        machine->dynamic_end = room + most;
    }
    Machine &m = *machine;
    m.dynamic = (dynamic + 1023) / 1024 * 1024;
    gridDim = grid;
    blockDim = block;
    m.kernel = &kernel;
    m.arguments = arguments;
    m.threads = block.x * block.y * block.z;
    m.result = SUCCESS;
    choose_order();
    check_launch(kernel.statics, dynamic_shared(), m.dynamic);
    worker = pthread_self();
    guard(true);
    int jumped = sigsetjmp(escape, 1);
    if (jumped == 0) {
        inside = true;
        run_blocks();
    } else if (jumped == 2) {
        m.result = ILLEGAL_ADDRESS;
        m.error = "touches " + device_place(fault_address);
    }
    inside = false;
    guard(false);
    check_launch(nullptr, 0, 0);
    if (m.result != SUCCESS) {
        fprintf(stderr, "emulated device: %s, block (%u, %u, %u), thread (%u, %u, %u): %s\n", name.c_str(), blockIdx.x,
                blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z, m.error.c_str());
        // Fibers of the failed block are abandoned where they stand.
        m.pool.clear();
        for (Warp &w : m.warps) {
            w.arrived = 0;
        }
    }
    return m.result;
}

void fail(int result, const std::string &why) {
    machine->result = result;
    machine->error = why;
    siglongjmp(escape, 1);
}

const char *last_error() {
    return machine == nullptr ? "" : machine->error.c_str();
}

unsigned running_thread() {
    return machine->current->thread;
}

void *running_fiber() {
    return machine->current;
}

void park() {
    leave();
}

void wake(void *fiber) {
    machine->ready.push_back((Fiber *)fiber);
}

size_t choose(size_t n) {
    return machine->wish == 'r' ? draw() % n : machine->wish == 'b' ? n - 1 : 0;
}

uintptr_t dynamic_shared() {
    return (uintptr_t)machine->dynamic_end - machine->dynamic;
}

void emu_barrier(int id) {
    Machine &m = *machine;
    if (m.waits > 0 && m.barrier != id) {
        fail(LAUNCH_FAILED, "threads wait at different barriers");
    }
    m.barrier = id;
    m.waiting[m.current->thread] = m.current;
    m.waits++;
    leave();
}

void emu_warp(void *record, EmuTogether work) {
    Machine &m = *machine;
    unsigned t = m.current->thread;
    Warp &w = m.warps[t / WARP];
    unsigned lanes = std::min(WARP, m.threads - t / WARP * WARP);
    if (w.arrived > 0 && w.work != work) {
        fail(LAUNCH_FAILED, "lanes of a warp meet for different work");
    }
    w.work = work;
    w.records[t % WARP] = record;
    w.fibers[w.arrived++] = m.current;
    if (w.arrived < lanes) {
        leave();
        return;
    }
    work(w.records, lanes);
    w.arrived = 0;
    size_t from = m.ready.size();
    for (unsigned i = 0; i + 1 < lanes; i++) {
        m.ready.push_back(w.fibers[i]);
    }
    shuffle(m.ready, from);
}

void emu_sync_warp() {
    emu_warp(nullptr, [](void **, unsigned) { check_warp(running_thread() / WARP); });
}

void emu_copy_async(void *to, const void *from, unsigned bytes) {
    Machine &m = *machine;
    Copy c = {(uintptr_t)to, {}, m.current->groups};
    if (c.to % 16 != 0 || (uintptr_t)from % 16 != 0) {
        fail(MISALIGNED_ADDRESS, "a copy of 16 bytes is not aligned: " + device_place((uintptr_t)from));
    }
    if (bytes != 0) {
        if (!device_holds((uintptr_t)from, bytes)) {
            fail(ILLEGAL_ADDRESS, "touches " + device_place((uintptr_t)from));
        }
        memcpy(c.bytes.data(), from, bytes);
    }
    check_copy(c.to, 16, false);
    memset(to, 0xFF, 16);
    m.current->copies.push_back(c);
}

void emu_copy_commit() {
    machine->current->groups++;
}

// Copies of all but the last `groups` groups land.
void emu_copy_wait(unsigned groups) {
    Fiber &f = *machine->current;
    size_t landed = 0;
    while (landed < f.copies.size() && f.copies[landed].group + groups < f.groups) {
        Copy &c = f.copies[landed++];
        memcpy((void *)c.to, c.bytes.data(), 16);
        check_copy(c.to, 16, true);
    }
    f.copies.erase(f.copies.begin(), f.copies.begin() + landed);
}
