// N sums over a block at a time: N values of each thread become a value each of N threads.
#pragma once
#include "device.cuh"

namespace sums {
// The sum over lanes that are `LEFT`, 2 · `LEFT`.. apart of each of 2 · `LEFT` values; each step halves the values that a lane
// has left and gives the other half to its partner, so N sums cost N shuffles and not 5 N.
template <int LEFT, int N>
__device__ __forceinline__ void halve(float (&values)[N]) {
    if constexpr (LEFT > 0) {
        bool upper = threadIdx.x & LEFT;
#pragma unroll
        for (int i = 0; i < LEFT; i++) {
            float given = upper ? values[i] : values[i + LEFT], kept = upper ? values[i + LEFT] : values[i];
            values[i] = kept + __shfl_xor_sync(ALL_LANES, given, LEFT);
        }
        halve<LEFT / 2>(values);
    }
}

// Over the lanes of a warp: lane `l` gets the sum of value `l % N`.
template <int N>
__device__ __forceinline__ float of_warp(float (&values)[N]) {
    static_assert(N <= 32 && (N & (N - 1)) == 0, "a power of two of values");
    halve<N / 2>(values);
    float sum = values[0];
#pragma unroll
    for (int distance = N; distance < 32; distance *= 2) sum += __shfl_xor_sync(ALL_LANES, sum, distance);
    return sum;
}

// Over a block of up to `WARPS` warps: thread `i < N` gets the sum of value `i`, added in the order of the warps. Once in
// a kernel.
template <int WARPS, int N>
__device__ __forceinline__ float of_block(float (&values)[N]) {
    __shared__ float partial[WARPS][N];
    uint32_t lane = threadIdx.x % WARP;
    float sum = of_warp(values);
    if (lane < N) partial[threadIdx.x / WARP][lane] = sum;
    __syncthreads();
    if (threadIdx.x >= N) return 0.0f;
    sum = partial[0][threadIdx.x];
#pragma unroll
    for (uint32_t warp = 1; warp < WARPS; warp++)
        if (warp < blockDim.x / WARP) sum += partial[warp][threadIdx.x];
    return sum;
}
} // namespace sums
