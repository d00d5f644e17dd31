// Eight neighbours of a row at a time: 16 bytes of bf16, twice 16 of f32. Rows are aligned to that where their width is a
// multiple of 8; else they go element by element.
#pragma once
#include "device.cuh"

namespace octets {
// How often what is read will be read. What is read once leaves the cache to what is not.
enum class Use { Once, Often };

template <Use USE>
__device__ __forceinline__ void load16(const void *at, uint32_t (&words)[4]) {
#ifndef TAILORA_EMULATOR
    if constexpr (USE == Use::Once) {
        asm("ld.global.nc.L1::no_allocate.L2::128B.v4.u32 {%0, %1, %2, %3}, [%4];"
            : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
            : "l"(at));
        return;
    }
#endif
    uint4 four = __ldg(static_cast<const uint4 *>(at));
    words[0] = four.x, words[1] = four.y, words[2] = four.z, words[3] = four.w;
}

template <Use USE>
__device__ __forceinline__ void read8(const float *from, float (&values)[8]) {
    uint32_t words[4];
#pragma unroll
    for (int i = 0; i < 8; i++) {
        if (i % 4 == 0) load16<USE>(from + i, words);
        values[i] = __uint_as_float(words[i % 4]);
    }
}

template <Use USE>
__device__ __forceinline__ void read8(const bf16 *from, float (&values)[8]) {
    uint32_t words[4];
    load16<USE>(from, words);
#pragma unroll
    for (int i = 0; i < 4; i++) values[2 * i] = low_bf16(words[i]), values[2 * i + 1] = high_bf16(words[i]);
}

// Octet `i` of a row of `columns`; zeros behind its end. `WHOLE`: the width is a multiple of 8.
template <bool WHOLE, Use USE, class T>
__device__ __forceinline__ void read(const T *row, uint32_t i, uint32_t columns, float (&values)[8]) {
    if constexpr (WHOLE) {
        read8<USE>(row + i * 8, values);
    } else {
#pragma unroll
        for (uint32_t k = 0; k < 8; k++) values[k] = i * 8 + k < columns ? to_float(row[i * 8 + k]) : 0.0f;
    }
}

__device__ __forceinline__ void write8(bf16 *to, const float (&values)[8]) {
    *reinterpret_cast<uint4 *>(to) = {pack_bf16(values[0], values[1]), pack_bf16(values[2], values[3]),
                                      pack_bf16(values[4], values[5]), pack_bf16(values[6], values[7])};
}

__device__ __forceinline__ void write8(float *to, const float (&values)[8]) {
    reinterpret_cast<float4 *>(to)[0] = {values[0], values[1], values[2], values[3]};
    reinterpret_cast<float4 *>(to)[1] = {values[4], values[5], values[6], values[7]};
}

// Octet `i` of a row of `columns`, whose last one may be short.
template <class T>
__device__ __forceinline__ void write(T *row, uint32_t i, uint32_t columns, const float (&values)[8]) {
    if (columns % 8 == 0) return write8(row + i * 8, values);
#pragma unroll
    for (uint32_t k = 0; k < 8; k++)
        if (i * 8 + k < columns) row[i * 8 + k] = from_float<T>(values[k]);
}
} // namespace octets
