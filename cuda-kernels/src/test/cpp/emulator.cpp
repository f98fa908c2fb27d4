// An emulated CUDA device: the driver functions that JCuda calls for us. Kernels run on the machine of machine.cpp.
//
// Every allocation lies between pages without access, and freed memory is unmapped; the checker finds all other accesses
// out of bounds, and races in shared memory. They become errors and not wrong numbers. New memory is full of NaN.
//
// Limits: no timing meaning, launches run at once. x86-64 and Linux.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mutex>

#include "machine.h"
#include "memory.h"

std::map<std::string, EmuKernel> &emu_kernels() {
    static auto *all = new std::map<std::string, EmuKernel>();
    return *all;
}

namespace {

std::recursive_mutex &lock() {
    static auto *m = new std::recursive_mutex();
    return *m;
}

int sticky;

struct Function {
    std::string name;
    const EmuKernel *kernel;
    unsigned dynamic = 48 << 10;  // most bytes of shared memory that a launch may ask for
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

// What another driver or card would say, for tests of what is then said to people.
static int setting(const char *name, int usual) {
    const char *value = getenv(name);
    return value == nullptr ? usual : atoi(value);
}

API cuInit(unsigned) {
    return setting("QUERN_EMU_INIT", SUCCESS);
}

API cuDriverGetVersion(int *version) {
    *version = setting("QUERN_EMU_VERSION", 12000);
    return SUCCESS;
}

API cuDeviceGetCount(int *count) {
    *count = setting("QUERN_EMU_CARDS", 1);
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
    *bytes = DEVICE_MEMORY;
    return SUCCESS;
}

API cuDeviceGetAttribute(int *value, int attribute, int) {
    *value = attribute == 75 ? setting("QUERN_EMU_CAPABILITY", 9) : attribute == 76 ? 0 : attribute == 16 ? 4 : 1;
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
    *total = DEVICE_MEMORY;
    *free = DEVICE_MEMORY - device_used();
    return SUCCESS;
}

API cuMemAlloc_v2(Address *result, size_t bytes) {
    NEEDS_CONTEXT
    GUARDED
    if (bytes == 0) {
        return INVALID_VALUE;
    }
    *result = device_allocate(bytes);
    return *result != 0 ? SUCCESS : OUT_OF_MEMORY;
}

API cuMemFree_v2(Address p) {
    GUARDED
    return device_free(p) ? SUCCESS : INVALID_VALUE;
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
    if (n != 0 && !device_holds(device, n)) {
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
    if (n != 0 && !device_holds(to, n)) {
        return INVALID_VALUE;
    }
    return copy((void *)to, (void *)from, from, n);
}

API cuMemsetD8Async(Address to, unsigned char value, size_t n, void *) {
    NEEDS_CONTEXT
    GUARDED
    if (n != 0 && !device_holds(to, n)) {
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
    int refused = setting("QUERN_EMU_PTX", SUCCESS);
    if (refused != SUCCESS) {
        return refused;
    }
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

API cuFuncSetAttribute(void *function, int attribute, int value) {
    NEEDS_CONTEXT
    GUARDED
    if (attribute != 8 || value < 0 || (size_t)value > MOST_DYNAMIC) {
        return INVALID_VALUE;
    }
    ((Function *)function)->dynamic = (unsigned)value;
    return SUCCESS;
}

API cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
        unsigned shared, void *, void **arguments, void **) {
    NEEDS_CONTEXT
    GUARDED
    if (shared > ((Function *)function)->dynamic) {
        return INVALID_VALUE;
    }
    if (gx == 0 || gy == 0 || gz == 0 || gy > 65535 || gz > 65535 || (size_t)bx * by * bz > 1024 || bx * by * bz == 0) {
        return INVALID_VALUE;
    }
    auto *f = (Function *)function;
    int result = run_grid(f->name, *f->kernel, {gx, gy, gz}, {bx, by, bz}, shared, arguments);
    // A real context is lost after such an error; tests of errors ask for it to be kept.
    if (result != SUCCESS && getenv("QUERN_EMU_FORGIVE") == nullptr) {
        sticky = result;
    }
    return result;
}

API cuGetErrorName(int error, const char **name) {
    switch (error) {
        case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
        case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
        case INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
        case INVALID_CONTEXT: *name = "CUDA_ERROR_INVALID_CONTEXT"; break;
        case INVALID_PTX: *name = "CUDA_ERROR_INVALID_PTX"; break;
        case 100: *name = "CUDA_ERROR_NO_DEVICE"; break;
        case 222: *name = "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"; break;
        case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
        case ILLEGAL_ADDRESS: *name = "CUDA_ERROR_ILLEGAL_ADDRESS"; break;
        case MISALIGNED_ADDRESS: *name = "CUDA_ERROR_MISALIGNED_ADDRESS"; break;
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

// Puts kernels of another library, built from changed sources, in the place of those of the same names; null puts the
// first ones back.
API quern_emu_replace(const char *library) {
    std::lock_guard<std::recursive_mutex> g(lock());
    static auto *first = new std::map<std::string, EmuKernel>(emu_kernels());
    for (auto &e : *first) {
        emu_kernels()[e.first] = e.second;
    }
    if (library != nullptr && dlopen(library, RTLD_NOW | RTLD_LOCAL) == nullptr) {
        fprintf(stderr, "emulated device: %s\n", dlerror());
        return INVALID_VALUE;
    }
    return SUCCESS;
}

// Runs one block of a kernel by name, for kernels of tests, which have no PTX.
API quern_emu_run(const char *name, unsigned threads, unsigned shared, void **arguments) {
    NEEDS_CONTEXT
    GUARDED
    auto i = emu_kernels().find(name);
    return i == emu_kernels().end() ? NOT_FOUND
                                    : run_grid(name, i->second, {1, 1, 1}, {threads, 1, 1}, shared, arguments);
}

// What was wrong with the last kernel that failed, in at most 1000 bytes.
API quern_emu_error(char *text) {
    snprintf(text, 1000, "%s", last_error());
    return SUCCESS;
}
