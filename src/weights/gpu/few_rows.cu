// Products of 9 to 64 rows with a weight of blocks of 32 (few_rows.cuh); and the activations as all such products take them.
//
//   y(r, o) = Σ over blocks: d(o) · Σ q(o, i) x(r, i)
//
// Codes are exact in bf16, and inner sums are mma's (f32): the only rounding beside that of f32 is of x to bf16.
//
//   few_rows_operand_T(x [rows, width], out, rows, width, order)     x in bf16, as lanes take it
//   few_rows_Q_Y(w, blocks of the matrix, operand, y [rows, outputs], rows, outputs, width, across)
//
// A warp makes the products of 32 outputs with 32 rows, and a block of `across` · `along` warps those of 32 · `across`
// outputs: `along` warps, a power of two, divide the inputs. Activations come from the nearest cache. Sums over `along` have
// one order. Blocks that have the same outputs are beside each other, so that one reads the weight and the other the cache.
// A matrix has fewer than 2^32 blocks.
// Grids: operand (256ths of the width, tiles) of 256 threads; product ceil(outputs / (32 · across)) · ceil(rows / 32) of 32
// to 512 threads.
#include "few_rows.cuh"

namespace few_rows {
constexpr uint32_t WARPS = 16;

// A warp has a 32nd of eight rows.
template <class T>
__device__ __forceinline__ void operand(const T *x, uint4 *out, uint32_t rows, uint32_t width, Order order) {
    wait_for_inputs();
    uint32_t lane = threadIdx.x % WARP, c = threadIdx.x / WARP, g = lane / 4, t = lane % 4;
    uint32_t block = blockIdx.x, tile = blockIdx.y, tiles = gridDim.y, row = tile * 8 + g;
    uint32_t words[4];
#pragma unroll
    for (uint32_t i = 0; i < 8; i += 2) {
        uint32_t of_32 = order == Order::Octets ? t * 8 + i : i / 4 * 16 + t * 4 + i % 4, column = block * 256 + c * 32 + of_32;
        const T *at = x + uint64_t(row) * width + column;
        float first = row < rows && column < width ? to_float(at[0]) : 0.0f;
        float second = row < rows && column + 1 < width ? to_float(at[1]) : 0.0f;
        words[i / 2] = pack_bf16(first, second);
    }
    out[(uint64_t(block * 8 + c) * tiles + tile) * WARP + lane] = {words[0], words[1], words[2], words[3]};
}

// What a warp multiplies at a time.
template <class Q>
struct Run {
    Q codes[M * 2];
    typename Q::Scales scales; // of output t

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, const uint32_t (&rows)[M * 2], uint32_t row_of_t,
                                         uint32_t block, uint32_t t) {
#pragma unroll
        for (int o = 0; o < M * 2; o++) codes[o].load(w, count, rows[o] + block, t);
        scales.load(w, count, row_of_t + block);
    }
};

// Adds the products of codes with `P` tiles of rows, times their scales.
template <int P, int TILES>
__device__ __forceinline__ void add_tiles(const uint32_t (&a)[M][2][4], const float (&scales)[M * 2], const uint4 *operand, int n,
                                          float (&values)[M][TILES][4]) {
    uint4 x[P];
    float sums[M][P][4] = {};
#pragma unroll
    for (int p = 0; p < P; p++) x[p] = operand[(n + p) * WARP];
    add_products(sums, a, x);
#pragma unroll
    for (int i = 0; i < P * M * 4; i++) {
        int p = i / (M * 4), m = i / 4 % M, k = i % 4;
        values[m][n + p][k] = fmaf(scales[m * 2 + k / 2], sums[m][p][k], values[m][n + p][k]);
    }
}

// Adds the products of a block of 32 inputs.
template <class Q, int TILES>
__device__ __forceinline__ void add_block(const Run<Q> &w, const Place &at, uint32_t block, float (&values)[M][TILES][4]) {
    uint32_t a[M][2][4];
    float scales[M * 2], own = w.scales.scale();
#pragma unroll
    for (int o = 0; o < M * 2; o++) {
        scales[o] = from_lane(own, o);
        uint32_t codes[2];
        w.codes[o].codes(at.t, codes);
#pragma unroll
        for (int s = 0; s < 2; s++)
            a[o / 2][s][o % 2] = Q::pair(codes[s], false), a[o / 2][s][o % 2 + 2] = Q::pair(codes[s], true);
    }
    const uint4 *operand = at.x + (block * at.tiles + at.first_tile) * WARP + at.lane;
#pragma unroll
    for (int n = 0; n < TILES; n += 2) add_tiles<2>(a, scales, operand, n, values);
}

// Blocks `block` to `last`, `AHEAD` of which are loaded or under way.
template <class Q, int TILES>
__device__ __forceinline__ void add_blocks(const uint8_t *w, uint64_t count, const Place &at, uint32_t outputs, uint32_t block,
                                           uint32_t last, float (&values)[M][TILES][4]) {
    if (block >= last) return;
    // First blocks of rows of the weight; outputs that are not there repeat the last one.
    uint32_t rows[M * 2], row_of_t = min(at.first_output + at.t * 8 + at.g, outputs - 1) * at.row_blocks;
#pragma unroll
    for (int o = 0; o < M * 2; o++) rows[o] = min(at.first_output + o * 8 + at.g, outputs - 1) * at.row_blocks;
    Run<Q> ring[Q::AHEAD];
#pragma unroll
    for (uint32_t i = 0; i < Q::AHEAD; i++) ring[i].load(w, count, rows, row_of_t, min(block + i, last - 1), at.t);
    for (; block < last; block += Q::AHEAD) {
#pragma unroll
        for (uint32_t i = 0; i < Q::AHEAD; i++) {
            uint32_t now = block + i;
            if (now >= last) break;
            add_block(ring[i], at, now, values);
            ring[i].load(w, count, rows, row_of_t, min(now + Q::AHEAD, last - 1), at.t);
        }
    }
}

using Partial = float[M * N * 4][WARP];

// Sums over the warps along the inputs; the first of them has the result.
template <int TILES>
__device__ __forceinline__ void add_warps(float (&values)[M][TILES][4], Partial *partial, uint32_t warp, uint32_t across, uint32_t along) {
    uint32_t k = warp / across, lane = threadIdx.x % WARP;
    for (uint32_t left = along / 2; left > 0; left /= 2) {
        bool gives = k >= left && k < 2 * left;
        float(*place)[WARP] = partial[(gives ? warp - left * across : warp) % (WARPS / 2)];
#pragma unroll
        for (int i = 0; i < M * TILES * 4; i++)
            if (gives) place[i][lane] = values[i / (TILES * 4)][i / 4 % TILES][i % 4];
        __syncthreads();
#pragma unroll
        for (int i = 0; i < M * TILES * 4; i++)
            if (k < left) values[i / (TILES * 4)][i / 4 % TILES][i % 4] += place[i][lane];
        __syncthreads();
    }
}

template <class Q, int TILES, class Y>
__device__ __forceinline__ void tiles(const uint8_t *w, uint64_t count, const Place &at, Partial *partial, Y *y, uint32_t rows, uint32_t outputs,
                                      uint32_t across) {
    uint32_t warp = threadIdx.x / WARP, along = blockDim.x / WARP / across, k = warp / across, blocks = at.row_blocks;
    float values[M][TILES][4] = {};
    if (at.first_output < outputs)
        add_blocks<Q>(w, count, at, outputs, uint32_t(uint64_t(blocks) * k / along), uint32_t(uint64_t(blocks) * (k + 1) / along), values);
    add_warps(values, partial, warp, across, along);
    if (k > 0) return;
    each_sum(values, at, rows, outputs, [=](uint32_t row, uint32_t output, float sum) {
        y[uint64_t(row) * outputs + output] = from_float<Y>(sum);
    });
}

template <class Q, class Y>
__device__ __forceinline__ void product(const uint8_t *w, uint64_t count, const uint4 *x, Y *y, uint32_t rows, uint32_t outputs,
                                        uint32_t width, uint32_t across) {
    __shared__ Partial partial[WARPS / 2];
    Place at;
    at.lane = threadIdx.x % WARP, at.g = at.lane / 4, at.t = at.lane % 4;
    uint32_t times = (rows + N * 8 - 1) / (N * 8);
    at.first_output = (blockIdx.x / times * across + threadIdx.x / WARP % across) * (M * 16);
    at.first_tile = blockIdx.x % times * N, at.tiles = (rows + 15) / 16 * 2, at.row_blocks = (width + 31) / 32, at.x = x;
    if (at.tiles - at.first_tile > 2) tiles<Q, N>(w, count, at, partial, y, rows, outputs, across);
    else tiles<Q, 2>(w, count, at, partial, y, rows, outputs, across);
}
} // namespace few_rows

#define FEW_ROWS_OPERAND(T_name, T)                                                                                       \
    extern "C" __global__ void __launch_bounds__(256)                                                                     \
        few_rows_operand_##T_name(const T *x, uint4 *out, uint32_t rows, uint32_t width, uint32_t order) {                \
        few_rows::operand(x, out, rows, width, few_rows::Order(order));                                                   \
    }                                                                                                                     \
    EXPORT(few_rows_operand_##T_name)
FEW_ROWS_OPERAND(f32, float)
FEW_ROWS_OPERAND(bf16, bf16)

#define FEW_ROWS_TO(name, Q, Y_name, Y)                                                                                   \
    extern "C" __global__ void __launch_bounds__(few_rows::WARPS * WARP, 1)                                               \
        few_rows_##name##_##Y_name(const uint8_t *__restrict__ w, uint64_t count, const uint4 *__restrict__ x,            \
                                   Y *__restrict__ y, uint32_t rows, uint32_t outputs, uint32_t width, uint32_t across) { \
        few_rows::product<fragments::Q>(w, count, x, y, rows, outputs, width, across);                                    \
    }                                                                                                                     \
    EXPORT(few_rows_##name##_##Y_name)
#define FEW_ROWS(name, Q)             \
    FEW_ROWS_TO(name, Q, f32, float)  \
    FEW_ROWS_TO(name, Q, bf16, bf16)
FEW_ROWS(q8_0, Q8_0)
FEW_ROWS(q4_0, Q4_0)
FEW_ROWS(q5_0, Q5_0)
