// Products of 9 to 64 rows with a quantized weight, y = x Wᵀ, by tensor cores: the weight is read once. What few_rows.cu
// (blocks of 32) and staged.cu (blocks of 256) share.
//
// Operand, with tiles = 2 · ceil(rows / 16) and the width rounded up to 256: x in bf16, [32nds of the width][tiles][32 lanes] of
// 16 bytes. `Order` is the order of inputs in 32 (fragments.cuh).
//
// A warp makes the products of 32 outputs with 32 rows.
#pragma once
#include "fragments.cuh"

namespace few_rows {
using fragments::Order;
constexpr int M = 2, N = 4; // tiles of 16 outputs and of 8 rows that a warp has

// The value that lane o of the four has.
template <class T>
__device__ __forceinline__ T from_lane(T value, int o) {
    return __shfl_sync(ALL_LANES, value, o, 4);
}

// Where a warp is: its lane, its outputs, its rows; the blocks of a row of the weight.
struct Place {
    uint32_t g, t, lane, first_output, first_tile, tiles, row_blocks;
    const uint4 *x;
};

// Adds the products of a chunk of `P` tiles of rows. A product that adds to another's result waits for it, so those of other tiles
// come between.
template <int P>
__device__ __forceinline__ void add_products(float (&values)[M][P][4], const uint32_t (&a)[M][2][4], const uint4 (&x)[P]) {
#pragma unroll
    for (int s = 0; s < 2; s++)
#pragma unroll
        for (int p = 0; p < P; p++) {
            uint32_t b[2] = {s == 0 ? x[p].x : x[p].z, s == 0 ? x[p].y : x[p].w};
#pragma unroll
            for (int m = 0; m < M; m++) mma_bf16(values[m][p], a[m][s], b);
        }
}

// Hands each sum that a lane has to `to(row, output, sum)`, but those of rows and outputs that are not there.
template <int TILES, class To>
__device__ __forceinline__ void each_sum(const float (&values)[M][TILES][4], const Place &at, uint32_t rows, uint32_t outputs, To to) {
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int n = 0; n < TILES; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32_t row = (at.first_tile + n) * 8 + at.t * 2 + i % 2, output = at.first_output + m * 16 + i / 2 * 8 + at.g;
                if (row < rows && output < outputs) to(row, output, values[m][n][i]);
            }
}
} // namespace few_rows
