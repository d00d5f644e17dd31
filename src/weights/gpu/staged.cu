// Products of 9 to 64 rows with a weight of K-quants (few_rows.cuh). Its blocks of 256, and the activations beside them, are
// copied to shared memory one ahead: all warps of a block have the same inputs, and outputs of their own, so that activations
// are read once for 128 outputs, and loads are under way while there is something to multiply.
//
//   staged_Q_Y(w, blocks of the matrix, operand, partial, y [rows, outputs], rows, outputs, width)
//   staged_sum_Y(partial, y, elements of y, splits)
//
// Where outputs are too few to fill a card, the inputs are split (the grid's second side): each part leaves its sums (f32,
// `partial` [splits][rows][outputs]), and staged_sum adds them in their order. A matrix has fewer than 2^32 blocks.
//
// Grid: (ceil(outputs / 128) · ceil(rows / 32), splits) of 128 threads, with two stages of shared memory: 64 · min(rows rounded
// up to 16, 32) bytes eight times, 8 · that of sums where there are mins, and 128 blocks of the weight, for each stage.
#include "few_rows.cuh"

namespace staged {
using namespace few_rows;
constexpr uint32_t THREADS = 128;

// A stage for so many tiles of rows: what lies where.
template <class Q, int TILES>
struct Stage {
    static constexpr uint32_t SUMS = 8 * TILES * WARP * 16, WEIGHTS = SUMS + (Q::MINS ? TILES * WARP * 8 : 0);
    static constexpr uint32_t BYTES = WEIGHTS + THREADS * Q::BYTES;
};

// Starts the copies of block `block` of the inputs.
template <class Q, int TILES>
__device__ __forceinline__ void fetch(uint8_t *stage, const uint8_t *w, const Place &at, uint32_t outputs, uint32_t block) {
    constexpr uint32_t CHUNK = TILES * WARP, PIECES = Q::BYTES / 16;
#pragma unroll 4
    for (uint32_t i = threadIdx.x; i < 8 * CHUNK; i += THREADS)
        cp_async16(stage + i * 16, at.x + ((block * 8 + i / CHUNK) * at.tiles + at.first_tile) * WARP + i % CHUNK);
    if constexpr (Q::MINS) {
        const uint4 *sums = at.x + uint64_t(at.row_blocks) * 8 * at.tiles * WARP + (block * at.tiles + at.first_tile) * (WARP / 2);
        for (uint32_t i = threadIdx.x; i < CHUNK / 2; i += THREADS) cp_async16(stage + Stage<Q, TILES>::SUMS + i * 16, sums + i);
    }
    const uint32_t first_output = at.first_output - threadIdx.x / WARP * (M * 16);
#pragma unroll
    for (uint32_t k = 0; k < PIECES; k++) {
        uint32_t i = k * THREADS + threadIdx.x, row = i / PIECES;
        uint64_t of_row = uint64_t(min(first_output + row, outputs - 1)) * at.row_blocks + block;
        cp_async16(stage + Stage<Q, TILES>::WEIGHTS + i * 16, w + of_row * Q::BYTES + i % PIECES * 16);
    }
}

// Subtracts the mins of a block: the first eight "inputs" are the rounded sums, the others what is left of them.
template <int TILES>
__device__ __forceinline__ void subtract_mins(const fragments::KHead &own, const Place &at, const uint2 *sums, float (&values)[M][TILES][4]) {
    uint32_t mins[M * 2];
    float scales[M * 2];
#pragma unroll
    for (int o = 0; o < M * 2; o++) {
        uint32_t lower = from_lane(own.mins(false), o), upper = from_lane(own.mins(true), o);
        mins[o] = fragments::pair<0>((at.t >= 2 ? upper : lower) >> at.t % 2 * 16, false);
        scales[o] = from_lane(own.min_scale(), o);
    }
#pragma unroll
    for (int n = 0; n < TILES; n++) {
        uint2 x = sums[n * WARP + at.lane];
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

// Adds the products of a block of 256; `d`: of the lane's own output, where it does not lie in the block.
template <class Q, int TILES>
__device__ __forceinline__ void add_stage(const uint8_t *stage, const Place &at, float d, float (&values)[M][TILES][4]) {
    const uint8_t *w = stage + Stage<Q, TILES>::WEIGHTS + threadIdx.x / WARP * (M * 16) * Q::BYTES;
    const typename Q::Scales own(w + (at.t * 8 + at.g) * Q::BYTES, d);
#pragma unroll 1
    for (uint32_t part = 0; part < 4; part++) {
        Q codes[M * 2];
#pragma unroll
        for (int o = 0; o < M * 2; o++) codes[o].take(w + (o * 8 + at.g) * Q::BYTES, part, at.t);
#pragma unroll
        for (int c = 0; c < 2; c++) {
            uint32_t a[M][2][4];
            float scales[M * 2][Q::SCALES];
#pragma unroll
            for (int s = 0; s < Q::SCALES; s++) {
                float scale = own.scale_of(part, c, s);
#pragma unroll
                for (int o = 0; o < M * 2; o++) scales[o][s] = from_lane(scale, o);
            }
#pragma unroll
            for (int o = 0; o < M * 2; o++) {
                uint32_t both[2];
                codes[o].codes(part, c, both);
                to_operand<Q>(a, o, both);
            }
            const uint4 *x = reinterpret_cast<const uint4 *>(stage) + Q::chunk(part, c) * (TILES * WARP) + at.lane;
            add_tiles<Q, TILES>(a, scales, x, 0, values);
        }
    }
    if constexpr (Q::MINS) subtract_mins(own, at, reinterpret_cast<const uint2 *>(stage + Stage<Q, TILES>::SUMS), values);
}

template <class Q, int TILES>
__device__ __forceinline__ void add_stages(const uint8_t *w, uint64_t count, const Place &at, uint32_t outputs, uint32_t block,
                                           uint32_t last, float (&values)[M][TILES][4]) {
    DYNAMIC_SHARED(uint8_t, shared);
    constexpr uint32_t BYTES = Stage<Q, TILES>::BYTES;
    const uint64_t own_row = uint64_t(min(at.first_output + at.t * 8 + at.g, outputs - 1)) * at.row_blocks;
    auto scale = [=](uint32_t block) { return Q::MINS || block >= last ? 0.0f : blocks::half_at(w + count * Q::BYTES, own_row + block); };
    if (block < last) fetch<Q, TILES>(shared, w, at, outputs, block);
    cp_async_commit();
    float d = scale(block);
    for (uint32_t slot = 0; block < last; block++, slot ^= 1) {
        cp_async_wait<0>();
        // All have this stage, and none reads the other any more.
        __syncthreads();
        if (block + 1 < last) fetch<Q, TILES>(shared + (slot ^ 1) * BYTES, w, at, outputs, block + 1);
        cp_async_commit();
        float next = scale(block + 1);
        add_stage<Q, TILES>(shared + slot * BYTES, at, d, values);
        d = next;
    }
}

template <class Q, int TILES, class Y>
__device__ __forceinline__ void write_tiles(const uint8_t *w, uint64_t count, const Place &at, float *partial, Y *y, uint32_t rows,
                                      uint32_t outputs) {
    const uint32_t split = blockIdx.y, splits = gridDim.y;
    float values[M][TILES][4] = {};
    add_stages<Q, TILES>(w, count, at, outputs, uint64_t(at.row_blocks) * split / splits, uint64_t(at.row_blocks) * (split + 1) / splits,
                         values);
    each_sum(values, at, rows, outputs, [=](uint32_t row, uint32_t output, float sum) {
        if (splits == 1) y[uint64_t(row) * outputs + output] = from_float<Y>(sum);
        else partial[(uint64_t(split) * rows + row) * outputs + output] = sum;
    });
}

template <class Q, class Y>
__device__ __forceinline__ void multiply(const uint8_t *w, uint64_t count, const uint4 *x, float *partial, Y *y, uint32_t rows,
                                        uint32_t outputs, uint32_t width) {
    Place at;
    at.lane = threadIdx.x % WARP, at.g = at.lane / 4, at.t = at.lane % 4;
    uint32_t times = (rows + N * 8 - 1) / (N * 8);
    at.first_output = blockIdx.x / times * THREADS + threadIdx.x / WARP * (M * 16);
    at.first_tile = blockIdx.x % times * N, at.tiles = (rows + 15) / 16 * 2, at.row_blocks = (width + 255) / 256, at.x = x;
    if (at.tiles - at.first_tile > 2) write_tiles<Q, N>(w, count, at, partial, y, rows, outputs);
    else write_tiles<Q, 2>(w, count, at, partial, y, rows, outputs);
}

template <class Y>
__device__ __forceinline__ void sum(const float *partial, Y *y, uint64_t count, uint32_t splits) {
    const uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    if (i >= count) return;
    float sum = 0.0f;
    for (uint32_t split = 0; split < splits; split++) sum += partial[split * count + i];
    y[i] = from_float<Y>(sum);
}
} // namespace staged

#define STAGED_TO(name, Q, Y_name, Y)                                                                                       \
    extern "C" __global__ void __launch_bounds__(staged::THREADS)                                                           \
        staged_##name##_##Y_name(const uint8_t *__restrict__ w, uint64_t count, const uint4 *__restrict__ x,                \
                                 float *__restrict__ partial, Y *__restrict__ y, uint32_t rows, uint32_t outputs,           \
                                 uint32_t width) {                                                                          \
        staged::multiply<fragments::Q>(w, count, x, partial, y, rows, outputs, width);                                       \
    }                                                                                                                       \
    EXPORT(staged_##name##_##Y_name)
#define STAGED(Y_name, Y)                                                                                                   \
    STAGED_TO(q4_k, Q4_K, Y_name, Y)                                                                                        \
    STAGED_TO(q5_k, Q5_K, Y_name, Y)                                                                                        \
    STAGED_TO(q6_k, Q6_K, Y_name, Y)                                                                                        \
    extern "C" __global__ void __launch_bounds__(256)                                                                       \
        staged_sum_##Y_name(const float *partial, Y *y, uint64_t count, uint32_t splits) {                                  \
        staged::sum(partial, y, count, splits);                                                                             \
    }                                                                                                                       \
    EXPORT(staged_sum_##Y_name)
STAGED(f32, float)
STAGED(bf16, bf16)
