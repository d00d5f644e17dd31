// What every kernel is written with, on a card (nvcc) and on a CPU (g++ and the emulator beside this file).
//
// A .cu file includes only this. Arithmetic is done in f32 whatever the storage type, so `to_float` and `from_float` are
// the only two things a kernel does with an element; sums over a warp or a block have one fixed order.
#pragma once

#ifdef TAILORA_EMULATOR
#include "emulator/emulator.h"
#else
#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_fp16.h>

// Registers the kernel by its name where there is no driver to look it up.
#define EXPORT(kernel)

extern __shared__ __align__(16) unsigned char tailora_dynamic_shared[];

// The memory of the block whose size the launch says, aligned to 16 bytes.
#define DYNAMIC_SHARED(type, name) type *const name = reinterpret_cast<type *>(tailora_dynamic_shared)
#endif

using bf16 = __nv_bfloat16;

constexpr unsigned WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

__device__ __forceinline__ float to_float(float x) { return x; }
__device__ __forceinline__ float to_float(bf16 x) { return __bfloat162float(x); }

// `from_float<T>(x)`: rounded to nearest, ties to even.
template <class T>
__device__ __forceinline__ T from_float(float x);
template <>
__device__ __forceinline__ float from_float<float>(float x) {
    return x;
}
template <>
__device__ __forceinline__ bf16 from_float<bf16>(float x) {
    return __float2bfloat16(x);
}

// The half-precision number with these bits, as GGML's blocks hold their scales.
__device__ __forceinline__ float half_to_float(uint16_t bits) { return __half2float(__ushort_as_half(bits)); }
__device__ __forceinline__ uint16_t float_to_half(float x) { return __half_as_ushort(__float2half_rn(x)); }

// `lo` in the lower half of the word, which is the earlier element in memory.
__device__ __forceinline__ uint32_t pack_bf16(float lo, float hi) {
    uint32_t low = __bfloat16_as_ushort(__float2bfloat16(lo));
    return low | uint32_t(__bfloat16_as_ushort(__float2bfloat16(hi))) << 16;
}
// The two elements of such a word.
__device__ __forceinline__ float low_bf16(uint32_t pair) { return __uint_as_float(pair << 16); }
__device__ __forceinline__ float high_bf16(uint32_t pair) { return __uint_as_float(pair & 0xffff0000u); }

// Every lane gets the sum; all add in the same tree, so all get the same bits.
__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) x += __shfl_xor_sync(ALL_LANES, x, distance);
    return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, distance));
    return x;
}

namespace device {
// Leaves `x` of each warp's first lane where all warps read it. Threads outside of the block count as `other`.
__device__ __forceinline__ float of_warps(float x, float other) {
    __shared__ float values[WARP];
    unsigned lane = threadIdx.x % WARP;
    __syncthreads(); // those of the call before have been read
    if (lane == 0) values[threadIdx.x / WARP] = x;
    __syncthreads();
    return lane < blockDim.x / WARP ? values[lane] : other;
}
} // namespace device

// Over the block: every thread calls and gets the result. The block has a multiple of 32 threads.
__device__ __forceinline__ float block_sum(float x) {
    x = warp_sum(x);
    return blockDim.x == WARP ? x : warp_sum(device::of_warps(x, 0.0f));
}

__device__ __forceinline__ float block_max(float x) {
    x = warp_max(x);
    return blockDim.x == WARP ? x : warp_max(device::of_warps(x, -INFINITY));
}

// Of a kernel that may begin before those in front of it are done (`Gpu::launch_early`): until they are, and what they wrote
// can be read; then the next one may begin. What comes before may read only what no kernel writes, such as weights; what
// comes behind must not be read as constant (`__ldg`, `__restrict__`), as it was written while the kernel ran.
__device__ __forceinline__ void wait_for_inputs() {
#if !defined(TAILORA_EMULATOR) && __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;\n\tgriddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Asks for memory that will be read later, so that it is in the cache by then.
__device__ __forceinline__ void prefetch(const void *at) {
#ifndef TAILORA_EMULATOR
    asm volatile("prefetch.global.L2 [%0];" ::"l"(at));
#endif
}

#ifndef TAILORA_EMULATOR
// d += a · b of a warp: a [16, 16] by rows, b [16, 8] by columns, d [16, 8]. With g = lane / 4 and t = lane % 4
//   a[0] = a(g, 2t..), a[1] = a(g + 8, 2t..), a[2] = a(g, 2t + 8..), a[3] = a(g + 8, 2t + 8..)     two elements each
//   b[0] = b(2t.., g), b[1] = b(2t + 8.., g)
//   d[0], d[1] = d(g, 2t..), d[2], d[3] = d(g + 8, 2t..)
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ uint32_t shared_address(const void *pointer) {
    return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Four 8 × 8 matrices of 16-bit elements; lane i gives the address (of 16 bytes) of row i % 8 of matrix i / 8.
// Lane 4r + c gets of each the elements (r, 2c) and (r, 2c + 1); transposed: (2c, r) and (2c + 1, r).
__device__ __forceinline__ void load_matrices(uint32_t (&d)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(shared_address(row))
                 : "memory");
}
__device__ __forceinline__ void load_matrices_transposed(uint32_t (&d)[4], const void *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// Copies 16 bytes (both sides aligned to 16) while the thread goes on; zeros where not `valid`.
__device__ __forceinline__ void cp_async16(void *shared, const void *global, bool valid = true) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)), "l"(global),
                 "r"(valid ? 16 : 0)
                 : "memory");
}

__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until at most the last N committed groups of this thread are under way; a barrier then shows them to the others.
template <int N>
__device__ __forceinline__ void cp_async_wait() {
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
}

// c + the products of the four signed bytes of a and b.
__device__ __forceinline__ int dp4a(int a, int b, int c) { return __dp4a(a, b, c); }
#endif
