// Values that a thread reads and writes 16 bytes at a time, and how threads share them out.
//
// Kernels that only pass over memory are as fast as memory if each access of a thread is 16 bytes wide. That needs
// addresses of multiples of 16, which rows of an odd length do not have, so every loop here comes in two widths: a pack
// of N values where it can, one value where it must (the tail, and all of what is not aligned).
#pragma once

#include "device.cuh"

using f32 = float;

namespace packs {

// The values that fill 16 bytes of the smallest of the types.
template <class T, class... U>
constexpr unsigned WIDTH = ((sizeof(U) < sizeof(T)) || ...) ? WIDTH<U...> : WIDTH<T>;
template <class T>
constexpr unsigned WIDTH<T> = 16 / sizeof(T);

template <class T, unsigned N>
struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) Pack {
    T values[N];
};

template <unsigned N, class T>
__device__ __forceinline__ void load(float (&to)[N], const T *from) {
    const Pack<T, N> pack = *reinterpret_cast<const Pack<T, N> *>(from);
#pragma unroll
    for (unsigned j = 0; j < N; j++) to[j] = to_float(pack.values[j]);
}

template <unsigned N, class T>
__device__ __forceinline__ void store(T *to, const float (&from)[N]) {
    Pack<T, N> pack;
#pragma unroll
    for (unsigned j = 0; j < N; j++) pack.values[j] = from_float<T>(from[j]);
    *reinterpret_cast<Pack<T, N> *>(to) = pack;
}

// Whether packs begin at all of these addresses.
template <class... P>
__device__ __forceinline__ bool aligned(const P *...pointers) {
    return ((reinterpret_cast<uintptr_t>(pointers) | ...) & 15) == 0;
}

// How many values a call of the work takes.
template <unsigned N>
struct Count {
    static constexpr unsigned value = N;
};

// Calls `work(Count<M>, i)` for the values i to i + M − 1, M being N or 1, so that `threads` threads come to all of n.
// A thread comes to the same values at each call with the same numbers.
template <unsigned N, class Index, class Work>
__device__ __forceinline__ void share(Index n, Index thread, Index threads, bool aligned, Work work) {
    const Index whole = aligned ? n - n % N : 0;
    for (Index i = thread * N; i < whole; i += threads * N) work(Count<N>{}, i);
    for (Index i = whole + thread; i < n; i += threads) work(Count<1>{}, i);
}

// Among all threads of a grid of one dimension, however many they are.
template <unsigned N, class Work>
__device__ __forceinline__ void over_grid(uint64_t n, bool aligned, Work work) {
    const uint64_t thread = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    share<N, uint64_t>(n, thread, uint64_t(gridDim.x) * blockDim.x, aligned, work);
}

// A pack of values, read.
template <unsigned N>
struct Loaded {
    float values[N];

    template <class T>
    __device__ __forceinline__ explicit Loaded(const T *from) {
        load(values, from);
    }
};

template <unsigned N, class To, class Of, class... From>
__device__ __forceinline__ void store_each(To *to, Of of, const From &...from) {
    float values[N];
#pragma unroll
    for (unsigned j = 0; j < N; j++) values[j] = of(from.values[j]...);
    store(to, values);
}

// to[i] = of(from[i]...) for all of n, among all threads of a grid of one dimension. `to` may be one of `from`.
template <class To, class Of, class... From>
__device__ __forceinline__ void each(uint64_t n, To *to, Of of, const From *...from) {
    over_grid<WIDTH<To, From...>>(n, aligned(to, from...), [=](auto count, uint64_t i) {
        constexpr unsigned N = decltype(count)::value;
        store_each<N>(to + i, of, Loaded<N>(from + i)...);
    });
}

// The columns of row blockIdx.x, among the blocks of that row: any number of them in y.
template <unsigned N, class Work>
__device__ __forceinline__ void over_columns(uint32_t cols, bool aligned, Work work) {
    share<N, uint32_t>(cols, blockIdx.y * blockDim.x + threadIdx.x, gridDim.y * blockDim.x, aligned, work);
}

// The threads that work on one row together: a warp, or the block.
struct Warp {
    __device__ __forceinline__ uint32_t thread() const { return threadIdx.x % WARP; }
    __device__ __forceinline__ uint32_t threads() const { return WARP; }
    __device__ __forceinline__ float sum(float x) const { return warp_sum(x); }
};
struct Block {
    __device__ __forceinline__ uint32_t thread() const { return threadIdx.x; }
    __device__ __forceinline__ uint32_t threads() const { return blockDim.x; }
    __device__ __forceinline__ float sum(float x) const { return block_sum(x); }
};

} // namespace packs
