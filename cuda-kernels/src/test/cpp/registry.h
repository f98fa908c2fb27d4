// The kernels by name, with the sizes of their parameters and a way to call them with CUDA's array of pointers.
#pragma once
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cuemu.h"

// The static data of a library, in which the shared memory of its kernels lies, and what the checker knows about it.
struct EmuStatics {
    char *start;
    size_t bytes;
    void *shadow;
};

struct EmuKernel {
    void (*call)(void (*)(), void **);
    void (*function)();
    std::vector<size_t> sizes;
    EmuStatics *statics;
};

EMU_EXPORT std::map<std::string, EmuKernel> &emu_kernels();

template <class F>
struct EmuThunk;

template <class... A>
struct EmuThunk<void (*)(A...)> {
    // Parameters are copied, as they may lie at places that are not aligned for them.
    template <class V>
    static V value(const void *p) {
        V v;
        memcpy(&v, p, sizeof v);
        return v;
    }
    template <size_t... I>
    static void spread(void (*f)(), void **p, std::index_sequence<I...>) {
        reinterpret_cast<void (*)(A...)>(f)(value<A>(p[I])...);
    }
    static void call(void (*f)(), void **p) {
        spread(f, p, std::index_sequence_for<A...>());
    }
    static std::vector<size_t> sizes() {
        return {sizeof(A)...};
    }
};

// Put there by the linker.
extern "C" char __bss_start[] __attribute__((visibility("hidden")));
extern "C" char _end[] __attribute__((visibility("hidden")));

static EmuStatics emu_statics = {__bss_start, (size_t)(_end - __bss_start), nullptr};

#define REGISTER(name)                                                                                       \
    static bool registered_##name = (emu_kernels()[#name] = {EmuThunk<decltype(&name)>::call,                \
                                             reinterpret_cast<void (*)()>(&name),                            \
                                             EmuThunk<decltype(&name)>::sizes(), &emu_statics},              \
            true);
