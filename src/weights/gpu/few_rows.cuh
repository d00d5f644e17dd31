// Products of 9 to 64 rows with a quantized weight, y = x Wᵀ, by tensor cores: the weight is read once, and its codes, which
// are exact in bf16, are multiplied as they are. What few_rows.cu (blocks of 32) and staged.cu (blocks of 256) share.
//
// y(r, o) = Σ over groups of one scale: d(o) s(o) · Σ q(o, i) x(r, i), and where there are mins: − Σ over blocks of 256:
// dmin(o) · Σ over eight 32nds: m(o) · Σ x(r, i). Inner sums are mma's (f32), the sums of x in two parts of bf16; the only
// rounding beside that of f32 is of x to bf16. `Order` is the order of inputs in 32 (fragments.cuh).
//
// Operand, with tiles = 2 · ceil(rows / 16) and the width rounded up to 256: [32nds of the width][tiles][32 lanes] of 16 bytes,
// then [256ths][tiles][lanes] of 8 bytes: sums of the 32nds 2t and 2t + 1 of row g, rounded, and what is left of them.
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

// The codes of output o · 8 + g as the product has them.
template <class Q>
__device__ __forceinline__ void to_operand(uint32_t (&a)[M][2][4], int o, const uint32_t (&codes)[2]) {
#pragma unroll
    for (int s = 0; s < 2; s++)
        a[o / 2][s][o % 2] = Q::pair(codes[s], false), a[o / 2][s][o % 2 + 2] = Q::pair(codes[s], true);
}

// Adds the products of codes with `P` tiles of rows, those of inputs of one scale at a time. A product that adds to another's
// result waits for it, so those of other tiles come between.
template <class Q, int P, int TILES>
__device__ __forceinline__ void add_tiles(const uint32_t (&a)[M][2][4], const float (&scales)[M * 2][Q::SCALES], const uint4 *operand,
                                          int n, float (&values)[M][TILES][4]) {
    uint4 x[P];
#pragma unroll
    for (int p = 0; p < P; p++) x[p] = operand[(n + p) * WARP];
#pragma unroll
    for (int scale = 0; scale < Q::SCALES; scale++) {
        constexpr int STEPS = 2 / Q::SCALES;
        float sums[P][M][4] = {};
#pragma unroll
        for (int s = scale * STEPS; s < (scale + 1) * STEPS; s++)
#pragma unroll
            for (int p = 0; p < P; p++) {
                uint32_t b[2] = {s == 0 ? x[p].x : x[p].z, s == 0 ? x[p].y : x[p].w};
#pragma unroll
                for (int m = 0; m < M; m++) mma_bf16(sums[p][m], a[m][s], b);
            }
#pragma unroll
        for (int i = 0; i < P * M * 4; i++) {
            int p = i / (M * 4), m = i / 4 % M, k = i % 4;
            values[m][n + p][k] = fmaf(scales[m * 2 + k / 2][scale], sums[p][m][k], values[m][n + p][k]);
        }
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
