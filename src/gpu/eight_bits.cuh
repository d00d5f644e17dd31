// Activations in 8 bits, as products of few rows with quantized weights take them: codes around zero, and for every 32 of
// them a scale and the sum of the codes.
//
// A matrix [rows, width] lies as `rows` times the width rounded up to 32 in bytes, then as many 32nds of (scale, sum) in
// pairs of f32. Who makes the activations makes these, too, with the same bits as `quantize_q8`.
#pragma once
#include "packs.cuh"

namespace eight_bits {
__device__ __forceinline__ uint32_t padded(uint32_t width) { return (width + 31) / 32 * 32; }

// N neighbours of a row of `width`, from `i` on, a multiple of N; zeros behind its end.
template <unsigned N, class T>
__device__ __forceinline__ void read(const T *row, uint32_t i, uint32_t width, float (&values)[N]) {
    if (width % N == 0 && i < width) return packs::load(values, row + i);
#pragma unroll
    for (uint32_t j = 0; j < N; j++) values[j] = i + j < width ? to_float(row[i + j]) : 0.0f;
}

// The same, written; the values become what was written, as whoever reads them sees them.
template <unsigned N, class T>
__device__ __forceinline__ void write(T *row, uint32_t i, uint32_t width, float (&values)[N]) {
#pragma unroll
    for (uint32_t j = 0; j < N; j++) values[j] = to_float(from_float<T>(values[j]));
    if (width % N == 0 && i < width) return packs::store(row + i, values);
#pragma unroll
    for (uint32_t j = 0; j < N; j++)
        if (i + j < width) row[i + j] = from_float<T>(values[j]);
}

// A row of such a matrix.
struct Row {
    uint8_t *codes;
    float2 *scales;

    __device__ __forceinline__ Row(uint8_t *matrix, uint32_t rows, uint32_t width, uint32_t row)
        : codes(matrix + uint64_t(row) * padded(width)),
          scales(reinterpret_cast<float2 *>(matrix + uint64_t(rows) * padded(width)) + uint64_t(row) * (padded(width) / 32)) {}

    // N neighbours from `i` on, a multiple of N. Whole warps call, of which each 32 / N lanes have 32 neighbours; what
    // these have behind the end of the row does not exist.
    template <unsigned N>
    __device__ __forceinline__ void put(uint32_t i, bool exists, const float (&values)[N]) const {
        static_assert(N == 1 || N == 4, "a byte or a word of codes");
        // The bits of what is not negative are ordered as the numbers are; what is not a number is above infinity and stays.
        uint32_t largest = 0;
#pragma unroll
        for (unsigned j = 0; j < N; j++) largest = max(largest, __float_as_uint(fabsf(values[j])));
#pragma unroll
        for (unsigned distance = 16 / N; distance > 0; distance /= 2)
            largest = max(largest, __shfl_xor_sync(ALL_LANES, largest, distance));
        float scale = __uint_as_float(largest) / 127.0f;
        // Below, the inverse would not be finite.
        float inverse = scale > 1e-37f ? 1.0f / scale : 0.0f;
        uint32_t word = 0;
        int sum = 0;
#pragma unroll
        for (unsigned j = 0; j < N; j++) {
            int code = __float2int_rn(values[j] * inverse);
            sum += code, word |= (uint32_t(code) & 255) << 8 * j;
        }
#pragma unroll
        for (unsigned distance = 16 / N; distance > 0; distance /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, distance);
        if (!exists) return;
        if (N == 1) codes[i] = uint8_t(word);
        else *reinterpret_cast<uint32_t *>(codes + i) = word;
        if (i % 32 == 0) scales[i / 32] = {scale, float(sum)};
    }
};
} // namespace eight_bits
