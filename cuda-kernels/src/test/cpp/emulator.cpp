// An emulated CUDA device: the driver functions that JCuda calls for us, and a machine that runs kernels on this processor.
//
// Threads of a block are fibers of one OS thread. A fiber runs until its barrier or its end; one that ends starts the next
// thread on the same stack. QUERN_EMU_ORDER chooses the order of threads between barriers: forward, backward, or a seed for
// a random one; right kernels give equal results in all. Every allocation ends at a page without access, and freed memory
// is unmapped, so that a read or write out of bounds becomes error 700 and not a wrong number. New memory is full of NaN.
//
// Limits: no timing meaning, launches run at once, warps do not exist. x86-64 and Linux.
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <mutex>

#include "cuemu.h"
#include "registry.h"

EmuIndex threadIdx, blockIdx, blockDim, gridDim;

std::map<std::string, EmuKernel> &emu_kernels() {
    static auto *all = new std::map<std::string, EmuKernel>();
    return *all;
}

namespace {

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_FAILED = 719
};

const size_t PAGE = 4096;
const size_t STACK = 256 << 10;
const size_t MEMORY = (size_t)1 << 30;

// ---- memory

struct Block {
    char *base;
    size_t mapped;
    size_t bytes;
};

std::recursive_mutex &lock() {
    static auto *m = new std::recursive_mutex();
    return *m;
}

std::map<uintptr_t, Block> &blocks() {
    static auto *all = new std::map<uintptr_t, Block>();
    return *all;
}

size_t used;
int sticky;

// The block that holds [p, p + n), or null.
const Block *find(uintptr_t p, size_t n) {
    auto i = blocks().upper_bound(p);
    if (i == blocks().begin()) {
        return nullptr;
    }
    --i;
    return p + n <= i->first + i->second.bytes ? &i->second : nullptr;
}

// ---- fibers

struct Fiber {
    void *sp;
    char *stack;
    EmuIndex thread;
};

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

struct Machine {
    std::vector<Fiber *> pool;
    std::vector<Fiber *> waiting;
    std::vector<Fiber *> running;
    std::vector<int> order;
    size_t next_thread = 0;
    size_t next_resume = 0;
    size_t finished = 0;
    size_t threads = 0;
    int barrier = -1;
    Fiber *current = nullptr;
    void *scheduler = nullptr;
    const EmuKernel *kernel = nullptr;
    void **arguments = nullptr;
    std::string error;
    uint64_t random = 1;
};

Machine *machine;
sigjmp_buf escape;
volatile bool inside;
pthread_t worker;
volatile uintptr_t fault_address;
struct sigaction old_segv, old_bus;

uint64_t draw() {
    uint64_t x = machine->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return machine->random = x;
}

// forward, backward, or a seed; read at every launch.
void arrange(std::vector<int> &v) {
    const char *wish = getenv("QUERN_EMU_ORDER");
    if (wish == nullptr || *wish == 'f') {
        return;
    }
    if (*wish == 'b') {
        std::reverse(v.begin(), v.end());
        return;
    }
    for (size_t i = v.size(); i > 1; i--) {
        std::swap(v[i - 1], v[draw() % i]);
    }
}

void run_threads() {
    Machine &m = *machine;
    while (m.next_thread < m.threads) {
        unsigned t = m.order[m.next_thread++];
        m.current->thread = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
        threadIdx = m.current->thread;
        m.kernel->call(m.kernel->function, m.arguments);
        m.finished++;
    }
}

// Where a fiber starts, and where it comes back to when it is used again.
void fiber_main() {
    for (;;) {
        run_threads();
        Machine &m = *machine;
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
    f->stack = (char *)mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    mprotect(f->stack, PAGE, PROT_NONE);
    void **top = (void **)(f->stack + PAGE + STACK);
    *--top = nullptr;                   // keeps the stack 8 modulo 16 at entry, as after a call
    *--top = (void *)&fiber_main;
    for (int i = 0; i < 6; i++) {
        *--top = nullptr;
    }
    f->sp = top;
    return f;
}

void resume(Fiber *f) {
    machine->current = f;
    threadIdx = f->thread;
    emu_switch(&machine->scheduler, f->sp);
}

// All threads of the current block; false if they break the rules of barriers.
bool run_block() {
    Machine &m = *machine;
    m.order.resize(m.threads);
    for (size_t i = 0; i < m.threads; i++) {
        m.order[i] = (int)i;
    }
    arrange(m.order);
    m.next_thread = m.finished = 0;
    m.waiting.clear();
    while (m.next_thread < m.threads) {
        resume(fresh());
    }
    while (!m.waiting.empty()) {
        if (m.finished != 0) {
            m.error = std::to_string(m.waiting.size()) + " threads wait at a barrier that " + std::to_string(m.finished)
                    + " others never reach";
            return false;
        }
        m.running.swap(m.waiting);
        m.waiting.clear();
        m.barrier = -1;
        std::vector<int> turn(m.running.size());
        for (size_t i = 0; i < turn.size(); i++) {
            turn[i] = (int)i;
        }
        std::vector<Fiber *> now(m.running);
        std::sort(now.begin(), now.end(), [](Fiber *a, Fiber *b) {
            return std::make_pair(a->thread.y, a->thread.x) < std::make_pair(b->thread.y, b->thread.x);
        });
        arrange(turn);
        for (int i : turn) {
            resume(now[i]);
        }
        if (!m.error.empty()) {
            return false;
        }
    }
    return true;
}

void on_fault(int signal, siginfo_t *info, void *context) {
    if (inside && pthread_equal(pthread_self(), worker)) {
        fault_address = (uintptr_t)info->si_addr;
        siglongjmp(escape, 1);
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

std::string nearest(uintptr_t p) {
    for (auto &e : blocks()) {
        if (p >= e.first - PAGE && p < e.first + e.second.bytes + PAGE) {
            return "byte " + std::to_string((long)(p - e.first)) + " of an allocation of " + std::to_string(e.second.bytes);
        }
    }
    return "no allocation";
}

int launch(const std::string &name, const EmuKernel &kernel, void **arguments) {
    machine->kernel = &kernel;
    machine->arguments = arguments;
    machine->threads = (size_t)blockDim.x * blockDim.y * blockDim.z;
    machine->error.clear();
    worker = pthread_self();
    guard(true);
    int result = SUCCESS;
    if (sigsetjmp(escape, 1) == 0) {
        inside = true;
        for (unsigned z = 0; z < gridDim.z && result == SUCCESS; z++) {
            for (unsigned y = 0; y < gridDim.y && result == SUCCESS; y++) {
                for (unsigned x = 0; x < gridDim.x && result == SUCCESS; x++) {
                    blockIdx = {x, y, z};
                    if (!run_block()) {
                        result = LAUNCH_FAILED;
                    }
                }
            }
        }
    } else {
        result = ILLEGAL_ADDRESS;
        machine->error = "touches " + nearest(fault_address);
    }
    inside = false;
    guard(false);
    if (result != SUCCESS) {
        fprintf(stderr, "emulated device: %s, block (%u, %u, %u), thread (%u, %u, %u): %s\n", name.c_str(), blockIdx.x,
                blockIdx.y, blockIdx.z, threadIdx.x, threadIdx.y, threadIdx.z, machine->error.c_str());
        // Fibers of the failed block are abandoned where they stand.
        machine->pool.clear();
        // A real context is lost after such an error; tests of errors ask for it to be kept.
        if (getenv("QUERN_EMU_FORGIVE") == nullptr) {
            sticky = result;
        }
    }
    return result;
}

struct Function {
    std::string name;
    const EmuKernel *kernel;
};

// Sizes of the parameters of an entry in PTX, as ".param .u64 name" and ".param .align 8 .b8 name[136]".
std::vector<size_t> parameters(const std::string &ptx, size_t at) {
    std::vector<size_t> sizes;
    size_t end = ptx.find(')', at);
    for (size_t p = ptx.find(".param", at); p < end; p = ptx.find(".param", p + 1)) {
        size_t stop = ptx.find_first_of(",)", p);
        std::string text = ptx.substr(p, stop - p);
        size_t bracket = text.find('[');
        if (bracket != std::string::npos) {
            sizes.push_back(strtoul(text.c_str() + bracket + 1, nullptr, 10));
        } else {
            size_t type = text.find_first_of("0123456789");
            sizes.push_back(strtoul(text.c_str() + type, nullptr, 10) / 8);
        }
    }
    return sizes;
}

}  // namespace

void emu_barrier(int id) {
    Machine &m = *machine;
    if (m.barrier >= 0 && m.barrier != id) {
        m.error = "threads wait at different barriers";
    }
    m.barrier = id;
    Fiber *self = m.current;
    m.waiting.push_back(self);
    emu_switch(&self->sp, m.scheduler);
}

// For graphs, which keep copies of the parameters of a kernel.
const std::vector<size_t> &emu_parameters(void *function) {
    return ((Function *)function)->kernel->sizes;
}

#define API extern "C" __attribute__((visibility("default"))) int
#define GUARDED                                          \
    std::lock_guard<std::recursive_mutex> guard_(lock()); \
    if (sticky) {                                        \
        return sticky;                                   \
    }

typedef unsigned long long Address;

API cuInit(unsigned) {
    std::lock_guard<std::recursive_mutex> g(lock());
    if (machine == nullptr) {
        machine = new Machine();
        const char *wish = getenv("QUERN_EMU_ORDER");
        machine->random = 0x9E3779B97F4A7C15ull ^ (wish == nullptr ? 0 : strtoull(wish, nullptr, 10) * 2654435761u);
    }
    return SUCCESS;
}

API cuDriverGetVersion(int *version) {
    *version = 12000;
    return SUCCESS;
}

API cuDeviceGetCount(int *count) {
    *count = 1;
    return SUCCESS;
}

API cuDeviceGet(int *device, int index) {
    *device = 0;
    return index == 0 ? SUCCESS : INVALID_DEVICE;
}

API cuDeviceGetName(char *name, int length, int) {
    snprintf(name, length, "emulated device");
    return SUCCESS;
}

API cuDeviceTotalMem_v2(size_t *bytes, int) {
    *bytes = MEMORY;
    return SUCCESS;
}

API cuDeviceGetAttribute(int *value, int attribute, int) {
    *value = attribute == 75 ? 8 : attribute == 76 ? 0 : attribute == 16 ? 4 : 1;
    return SUCCESS;
}

API cuDevicePrimaryCtxRetain(void **context, int) {
    *context = (void *)0x10;
    return SUCCESS;
}

API cuDevicePrimaryCtxRelease_v2(int) {
    return SUCCESS;
}

static thread_local void *current_context;

API cuCtxSetCurrent(void *context) {
    current_context = context;
    return SUCCESS;
}

#define NEEDS_CONTEXT                   \
    if (current_context == nullptr) {   \
        return INVALID_CONTEXT;         \
    }

API cuMemGetInfo_v2(size_t *free, size_t *total) {
    GUARDED
    *total = MEMORY;
    *free = MEMORY - used;
    return SUCCESS;
}

API cuMemAlloc_v2(Address *result, size_t bytes) {
    NEEDS_CONTEXT
    GUARDED
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    if (bytes > MEMORY - used) {
        return OUT_OF_MEMORY;
    }
    size_t inner = (bytes + PAGE - 1) / PAGE * PAGE;
    char *base = (char *)mmap(nullptr, inner + 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return OUT_OF_MEMORY;
    }
    mprotect(base, PAGE, PROT_NONE);
    mprotect(base + PAGE + inner, PAGE, PROT_NONE);
    memset(base + PAGE, 0xFF, inner);
    // The end of the allocation, rounded up to what a number may need, meets the guard page.
    uintptr_t p = (uintptr_t)base + PAGE + inner - (bytes + 15) / 16 * 16;
    blocks()[p] = {base, inner + 2 * PAGE, bytes};
    used += bytes;
    *result = p;
    return SUCCESS;
}

API cuMemFree_v2(Address p) {
    GUARDED
    auto i = blocks().find(p);
    if (i == blocks().end()) {
        return INVALID_VALUE;
    }
    used -= i->second.bytes;
    munmap(i->second.base, i->second.mapped);
    blocks().erase(i);
    return SUCCESS;
}

API cuMemHostAlloc(void **p, size_t bytes, unsigned) {
    NEEDS_CONTEXT
    *p = aligned_alloc(PAGE, (bytes + PAGE - 1) / PAGE * PAGE);
    return *p ? SUCCESS : OUT_OF_MEMORY;
}

API cuMemFreeHost(void *p) {
    free(p);
    return SUCCESS;
}

API cuMemHostGetDevicePointer_v2(Address *p, void *host, unsigned) {
    *p = (Address)host;
    return SUCCESS;
}

static int copy(void *to, const void *from, uintptr_t device, size_t n) {
    if (n != 0 && find(device, n) == nullptr) {
        return INVALID_VALUE;
    }
    memcpy(to, from, n);
    return SUCCESS;
}

API cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t n, void *) {
    NEEDS_CONTEXT
    GUARDED
    return copy((void *)to, from, to, n);
}

API cuMemcpyDtoHAsync_v2(void *to, Address from, size_t n, void *) {
    NEEDS_CONTEXT
    GUARDED
    return copy(to, (void *)from, from, n);
}

API cuMemcpyDtoDAsync_v2(Address to, Address from, size_t n, void *) {
    NEEDS_CONTEXT
    GUARDED
    if (n != 0 && find(to, n) == nullptr) {
        return INVALID_VALUE;
    }
    return copy((void *)to, (void *)from, from, n);
}

API cuMemsetD8Async(Address to, unsigned char value, size_t n, void *) {
    NEEDS_CONTEXT
    GUARDED
    if (n != 0 && find(to, n) == nullptr) {
        return INVALID_VALUE;
    }
    memset((void *)to, value, n);
    return SUCCESS;
}

API cuStreamCreate(void **stream, unsigned) {
    NEEDS_CONTEXT
    *stream = (void *)0x20;
    return SUCCESS;
}

API cuStreamSynchronize(void *) {
    NEEDS_CONTEXT
    GUARDED
    return SUCCESS;
}

API cuModuleLoadData(void **module, const void *image) {
    NEEDS_CONTEXT
    GUARDED
    std::string ptx((const char *)image);
    auto *functions = new std::map<std::string, Function *>();
    for (size_t at = ptx.find(".entry "); at != std::string::npos; at = ptx.find(".entry ", at + 1)) {
        size_t end = ptx.find_first_of("( \n\t", at + 7);
        std::string name = ptx.substr(at + 7, end - at - 7);
        auto i = emu_kernels().find(name);
        if (i == emu_kernels().end() || i->second.sizes != parameters(ptx, at)) {
            fprintf(stderr, "emulated device: the PTX of %s does not fit its source\n", name.c_str());
            return INVALID_PTX;
        }
        (*functions)[name] = new Function{name, &i->second};
    }
    *module = functions;
    return SUCCESS;
}

API cuModuleGetFunction(void **function, void *module, const char *name) {
    auto *functions = (std::map<std::string, Function *> *)module;
    auto i = functions->find(name);
    if (i == functions->end()) {
        return NOT_FOUND;
    }
    *function = i->second;
    return SUCCESS;
}

API cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
        unsigned, void *, void **arguments, void **) {
    NEEDS_CONTEXT
    GUARDED
    if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || (size_t)bx * by * bz > 1024 || bx * by * bz == 0) {
        return INVALID_VALUE;
    }
    gridDim = {gx, gy, gz};
    blockDim = {bx, by, bz};
    auto *f = (Function *)function;
    return launch(f->name, *f->kernel, arguments);
}

API cuGetErrorName(int error, const char **name) {
    switch (error) {
        case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
        case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
        case INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
        case INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
        case INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
        case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
        case ILLEGAL_ADDRESS: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
        default: *name = "CUDA_ERROR_LAUNCH_FAILED";
    }
    return SUCCESS;
}

API cuGetErrorString(int error, const char **text) {
    return cuGetErrorName(error, text);
}

// For the tests, which change the schedule between launches.
API quern_emu_order(const char *order) {
    return setenv("QUERN_EMU_ORDER", order, 1);
}

API quern_emu_forgive(int on) {
    sticky = 0;
    return on ? setenv("QUERN_EMU_FORGIVE", "1", 1) : unsetenv("QUERN_EMU_FORGIVE");
}
