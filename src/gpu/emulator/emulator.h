// CUDA's device side for g++: a kernel's blocks run one after the other, its threads as fibers, on the thread that
// launches. It shows that a kernel computes what it should; it says nothing of speed, and little of races
// (TAILORA_EMULATOR_ORDER=reverse runs warps and lanes from the last to the first, which brings some to light).
#pragma once

#include "intrinsics.h"

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
// Blocks of one thread of the host never run at the same time.
#define __shared__ static thread_local
#define __grid_constant__

struct dim3 {
    unsigned x, y, z;
};
extern __thread dim3 threadIdx, blockIdx, blockDim, gridDim;
constexpr int warpSize = 32;

namespace emulator {
using Invoke = void (*)(void (*kernel)(), void **args);

// A kernel by its name: made by EXPORT before main.
struct Export {
    const char *name;
    void (*kernel)();
    Invoke invoke;
    unsigned count;
    unsigned char bytes[64]; // of each argument
    Export *next;

    template <class... A>
    Export(const char *name, void (*kernel)(A...)) : name(name), kernel((void (*)())kernel), count(sizeof...(A)), bytes{sizeof(A)...} {
        invoke = [](void (*kernel)(), void **args) { call((void (*)(A...))kernel, args, std::make_index_sequence<sizeof...(A)>()); };
        add();
    }

  private:
    template <class... A, size_t... I>
    static void call(void (*kernel)(A...), void **args, std::index_sequence<I...>) {
        kernel(*static_cast<A *>(args[I])...);
    }
    void add();
};

// What the lanes of a warp do together once all of `mask` have come: `payloads` by lane, null for those outside.
using Together = void (*)(unsigned mask, void **payloads);
void together(unsigned mask, Together function, void *payload);
void barrier(int line);
void copy_later(void *shared, const void *global, bool valid);
void commit_copies();
void finish_copies(unsigned under_way);
unsigned char *dynamic_shared();

// Every lane's value by the lane's choice of another.
template <class T>
struct Shuffle {
    T value, result;
    unsigned source;

    static T run(unsigned mask, T value, unsigned source) {
        Shuffle shuffle{value, value, source};
        together(mask, &Shuffle::exchange, &shuffle);
        return shuffle.result;
    }

  private:
    static void exchange(unsigned, void **payloads) {
        for (int lane = 0; lane < warpSize; lane++) {
            auto *shuffle = static_cast<Shuffle *>(payloads[lane]);
            if (!shuffle) continue;
            auto *other = static_cast<Shuffle *>(payloads[shuffle->source]);
            if (other) shuffle->result = other->value;
            else std::memset((void *)&shuffle->result, 0xff, sizeof(T)); // undefined on a card
        }
    }
};

inline unsigned lane() { return threadIdx.x % warpSize; }
unsigned ballot(unsigned mask, bool predicate);
void nothing(unsigned mask, void **payloads);
} // namespace emulator

#define EXPORT(kernel) static emulator::Export tailora_export_##kernel(#kernel, kernel);
#define DYNAMIC_SHARED(type, name) type *const name = reinterpret_cast<type *>(emulator::dynamic_shared())

#define __syncthreads() emulator::barrier(__LINE__)
inline void __syncwarp(unsigned mask = 0xffffffffu) { emulator::together(mask, emulator::nothing, &mask); }
inline void __threadfence() {}
inline void __threadfence_block() {}

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = warpSize) {
    unsigned base = emulator::lane() / width * width;
    return emulator::Shuffle<T>::run(mask, value, base + unsigned(source) % width);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int distance, int width = warpSize) {
    unsigned lane = emulator::lane(), other = lane ^ unsigned(distance);
    return emulator::Shuffle<T>::run(mask, value, other / width <= lane / width ? other : lane);
}
template <class T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = warpSize) {
    unsigned lane = emulator::lane(), other = lane + distance;
    return emulator::Shuffle<T>::run(mask, value, other / width == lane / width ? other : lane);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = warpSize) {
    unsigned lane = emulator::lane(), inside = lane % width;
    return emulator::Shuffle<T>::run(mask, value, inside >= distance ? lane - distance : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate); }
inline int __any_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return emulator::ballot(mask, !predicate) == 0; }

// Threads of a grid never run at the same time here.
template <class T>
inline T atomicAdd(T *to, T value) {
    T before = *to;
    *to = before + value;
    return before;
}
template <class T>
inline T atomicMax(T *to, T value) {
    T before = *to;
    *to = std::max(before, value);
    return before;
}
template <class T>
inline T atomicOr(T *to, T value) {
    T before = *to;
    *to = before | value;
    return before;
}
template <class T>
inline T atomicExch(T *to, T value) {
    T before = *to;
    *to = value;
    return before;
}

// As in device.cuh, which has their meaning.
void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void load_matrices(uint32_t (&d)[4], const void *row);
void load_matrices_transposed(uint32_t (&d)[4], const void *row);
inline void cp_async16(void *shared, const void *global, bool valid = true) {
    emulator::copy_later(shared, global, valid);
}
inline void cp_async_commit() { emulator::commit_copies(); }
template <int N>
inline void cp_async_wait() {
    emulator::finish_copies(N);
}

// 0: done. 1: no such kernel. 2: threads wait for others that never come; says which on stderr. 3: sizes no card takes.
extern "C" int tailora_emulator_launch(const char *name, const unsigned grid[3], unsigned threads,
                                       unsigned shared_bytes, void **args);
// The number of the kernel's arguments, and the bytes of each; -1: no such kernel.
extern "C" int tailora_emulator_arguments(const char *name, unsigned char bytes[64]);

namespace emulator {
// Fills the thread-local memory of the program, where `__shared__` variables lie, with NaN before each block: only for
// programs that keep nothing else there.
extern bool poison_static_shared;
} // namespace emulator
