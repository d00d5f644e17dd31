// Products of 9 to 64 rows with a quantized weight, y = x Wᵀ, by tensor cores: the weight is read once, and its codes, which
// are exact in bf16, are multiplied as they are.
//
//   few_rows_operand_T(x [rows, width], out, rows, width, order)     x in bf16, as lanes take it, and sums of 32
//   few_rows_Q_Y(w, blocks of the matrix, operand, y [rows, outputs], rows, outputs, width, across)
//
// y(r, o) = Σ over groups of one scale: d(o) s(o) · Σ q(o, i) x(r, i), and where there are mins: − Σ over blocks of 256:
// dmin(o) · Σ over eight 32nds: m(o) · Σ x(r, i). Inner sums are mma's (f32), the sums of x in two parts of bf16; the only
// rounding beside that of f32 is of x to bf16. `Order` is the order of inputs in 32 (fragments.cuh).
//
// Operand, with tiles = 2 · ceil(rows / 16) and the width rounded up to 256: [32nds of the width][tiles][32 lanes] of 16 bytes,
// then [256ths][tiles][lanes] of 8 bytes: sums of the 32nds 2t and 2t + 1 of row g, rounded, and what is left of them.
//
// A warp makes the products of 32 outputs with 32 rows, and a block of `across` · `along` warps those of 32 · `across`
// outputs: `along` warps, a power of two, divide the inputs. Activations come from the nearest cache. Sums over `along` have
// one order. Blocks that have the same outputs are beside each other, so that one reads the weight and the other the cache.
// A matrix has fewer than 2^32 blocks.
// Grids: operand (256ths of the width, tiles) of 256 threads; product ceil(outputs / (32 · across)) · ceil(rows / 32) of 32
// to 512 threads.
#include "fragments.cuh"

namespace few_rows {
using fragments::Order;
constexpr uint32_t WARPS = 16;
constexpr int M = 2, N = 4; // tiles of 16 outputs and of 8 rows that a warp has

// A warp has a 32nd of eight rows.
template <class T>
__device__ __forceinline__ void operand(const T *x, uint4 *out, uint32_t rows, uint32_t width, Order order) {
    __shared__ float sums[8][8];
    uint32_t lane = threadIdx.x % WARP, c = threadIdx.x / WARP, g = lane / 4, t = lane % 4;
    uint32_t block = blockIdx.x, tile = blockIdx.y, tiles = gridDim.y, row = tile * 8 + g;
    uint32_t words[4];
    float sum = 0.0f;
#pragma unroll
    for (uint32_t i = 0; i < 8; i += 2) {
        uint32_t of_32 = order == Order::Octets ? t * 8 + i : i / 4 * 16 + t * 4 + i % 4, column = block * 256 + c * 32 + of_32;
        const T *at = x + uint64_t(row) * width + column;
        float first = row < rows && column < width ? to_float(at[0]) : 0.0f;
        float second = row < rows && column + 1 < width ? to_float(at[1]) : 0.0f;
        words[i / 2] = pack_bf16(first, second);
        sum += low_bf16(words[i / 2]) + high_bf16(words[i / 2]);
    }
    out[(uint64_t(block * 8 + c) * tiles + tile) * WARP + lane] = {words[0], words[1], words[2], words[3]};
    sum += __shfl_xor_sync(ALL_LANES, sum, 1);
    sum += __shfl_xor_sync(ALL_LANES, sum, 2);
    if (t == 0) sums[g][c] = sum;
    __syncthreads();
    if (c > 0) return;
    auto *to = reinterpret_cast<uint2 *>(out + uint64_t(gridDim.x) * 8 * tiles * WARP);
    float first = sums[g][t * 2], second = sums[g][t * 2 + 1];
    uint32_t rounded = pack_bf16(first, second);
    to[(uint64_t(block) * tiles + tile) * WARP + lane] = {rounded, pack_bf16(first - low_bf16(rounded), second - high_bf16(rounded))};
}

// What a warp multiplies at a time.
template <class Q>
struct Run {
    Q codes[M * 2];
    typename Q::Scales scales; // of output t

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, const uint32_t (&rows)[M * 2], uint32_t row_of_t,
                                         uint32_t run, uint32_t t) {
        uint32_t block = run / Q::RUNS, part = run % Q::RUNS;
#pragma unroll
        for (int o = 0; o < M * 2; o++) codes[o].load(w, count, rows[o] + block, part, t);
        scales.load(w, count, row_of_t + block, part);
    }
};

// The value that lane o of the four has.
template <class T>
__device__ __forceinline__ T from_lane(T value, int o) {
    return __shfl_sync(ALL_LANES, value, o, 4);
}

// Where a warp is: its lane, its outputs, its rows, its runs.
struct Place {
    uint32_t g, t, lane, first_output, first_tile, tiles, row_blocks;
    const uint4 *x;
    const uint2 *sums;

    __device__ __forceinline__ const uint4 *chunk(uint32_t c) const { return x + (c * tiles + first_tile) * WARP + lane; }
    __device__ __forceinline__ const uint2 *sum(uint32_t block) const { return sums + (block * tiles + first_tile) * WARP + lane; }
};

// Adds the products of codes with `P` tiles of rows. A product that adds to another's result waits for it, so those of other
// tiles come between.
template <class Q, int P, int TILES>
__device__ __forceinline__ void add_tiles(const uint32_t (&a)[M][2][4], const float (&scales)[M * 2][Q::SCALES], const uint4 *operand,
                                          int n, float (&values)[M][TILES][4]) {
    uint4 x[P];
#pragma unroll
    for (int p = 0; p < P; p++) x[p] = __ldg(operand + (n + p) * WARP);
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

// Adds the products of a chunk of 32 inputs, those of inputs of one scale at a time.
template <class Q, int TILES>
__device__ __forceinline__ void add_chunk(const Run<Q> &w, const Place &at, uint32_t part, int c, uint32_t chunk,
                                          float (&values)[M][TILES][4]) {
    const uint4 *operand = at.chunk(chunk);
    uint32_t a[M][2][4];
    float scales[M * 2][Q::SCALES];
#pragma unroll
    for (int s = 0; s < Q::SCALES; s++) {
        float own = w.scales.scale(part, c, s);
#pragma unroll
        for (int o = 0; o < M * 2; o++) scales[o][s] = from_lane(own, o);
    }
#pragma unroll
    for (int o = 0; o < M * 2; o++) {
        uint32_t codes[2];
        w.codes[o].codes(part, c, at.t, codes);
#pragma unroll
        for (int s = 0; s < 2; s++)
            a[o / 2][s][o % 2] = Q::pair(codes[s], false), a[o / 2][s][o % 2 + 2] = Q::pair(codes[s], true);
    }
#pragma unroll
    for (int n = 0; n < TILES; n += 2) add_tiles<Q, 2>(a, scales, operand, n, values);
}

// Subtracts the mins of a block of 256: the first eight "inputs" are the rounded sums, the others what is left of them.
template <class Q, int TILES>
__device__ __forceinline__ void subtract_mins(const Run<Q> &w, const Place &at, uint32_t block,
                                              float (&values)[M][TILES][4]) {
    const uint2 *operand = at.sum(block);
    uint32_t mins[M * 2];
    float scales[M * 2];
#pragma unroll
    for (int o = 0; o < M * 2; o++) {
        uint32_t lower = from_lane(w.scales.mins(false), o), upper = from_lane(w.scales.mins(true), o);
        mins[o] = fragments::pair<0>((at.t >= 2 ? upper : lower) >> at.t % 2 * 16, false);
        scales[o] = from_lane(w.scales.min_scale(), o);
    }
#pragma unroll
    for (int n = 0; n < TILES; n++) {
        uint2 x = __ldg(operand + n * WARP);
        uint32_t b[2] = {x.x, x.y};
#pragma unroll
        for (int m = 0; m < M; m++) {
            float sum[4] = {};
            uint32_t a[4] = {mins[m * 2], mins[m * 2 + 1], mins[m * 2], mins[m * 2 + 1]};
            mma_bf16(sum, a, b);
#pragma unroll
            for (int i = 0; i < 4; i++) values[m][n][i] = fmaf(-scales[m * 2 + i / 2], sum[i], values[m][n][i]);
        }
    }
}

// Runs `run` to `last`, `AHEAD` of which are loaded or under way.
template <class Q, int TILES>
__device__ __forceinline__ void add_runs(const uint8_t *w, uint64_t count, const Place &at, uint32_t outputs, uint32_t run,
                                         uint32_t last, float (&values)[M][TILES][4]) {
    if (run >= last) return;
    // First blocks of rows of the weight; outputs that are not there repeat the last one.
    uint32_t rows[M * 2], row_of_t = min(at.first_output + at.t * 8 + at.g, outputs - 1) * at.row_blocks;
#pragma unroll
    for (int o = 0; o < M * 2; o++) rows[o] = min(at.first_output + o * 8 + at.g, outputs - 1) * at.row_blocks;
    Run<Q> ring[Q::AHEAD];
#pragma unroll
    for (uint32_t i = 0; i < Q::AHEAD; i++) ring[i].load(w, count, rows, row_of_t, min(run + i, last - 1), at.t);
    for (; run < last; run += Q::AHEAD) {
#pragma unroll
        for (uint32_t i = 0; i < Q::AHEAD; i++) {
            uint32_t now = run + i, block = now / Q::RUNS, part = now % Q::RUNS;
            if (now >= last) break;
#pragma unroll 1
            for (int c = 0; c < Q::CHUNKS; c++)
                add_chunk(ring[i], at, part, c, block * (Q::BLOCK / 32) + Q::chunk(part, c), values);
            if constexpr (Q::MINS)
                if (part == Q::RUNS - 1) subtract_mins(ring[i], at, block, values);
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
    uint32_t warp = threadIdx.x / WARP, along = blockDim.x / WARP / across, k = warp / across, runs = at.row_blocks * Q::RUNS;
    float values[M][TILES][4] = {};
    if (at.first_output < outputs)
        add_runs<Q>(w, count, at, outputs, uint32_t(uint64_t(runs) * k / along), uint32_t(uint64_t(runs) * (k + 1) / along), values);
    add_warps(values, partial, warp, across, along);
    if (k > 0) return;
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int n = 0; n < TILES; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32_t row = (at.first_tile + n) * 8 + at.t * 2 + i % 2, output = at.first_output + m * 16 + i / 2 * 8 + at.g;
                if (row < rows && output < outputs) y[uint64_t(row) * outputs + output] = from_float<Y>(values[m][n][i]);
            }
}

template <class Q, class Y>
__device__ __forceinline__ void product(const uint8_t *w, uint64_t count, const uint4 *x, Y *y, uint32_t rows, uint32_t outputs,
                                        uint32_t width, uint32_t across) {
    __shared__ Partial partial[WARPS / 2];
    Place at;
    at.lane = threadIdx.x % WARP, at.g = at.lane / 4, at.t = at.lane % 4;
    uint32_t times = (rows + N * 8 - 1) / (N * 8);
    at.first_output = (blockIdx.x / times * across + threadIdx.x / WARP % across) * (M * 16);
    at.first_tile = blockIdx.x % times * N, at.tiles = (rows + 15) / 16 * 2, at.row_blocks = (width + Q::BLOCK - 1) / Q::BLOCK;
    at.x = x, at.sums = reinterpret_cast<const uint2 *>(x + uint64_t((width + 255) / 256) * 8 * at.tiles * WARP);
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
FEW_ROWS(q4_k, Q4_K)
FEW_ROWS(q5_k, Q5_K)
FEW_ROWS(q6_k, Q6_K)
