// Products of 9 to 64 rows with a weight of K-quants (few_rows.cuh). Its blocks of 256, and the activations beside them, are
// copied to shared memory one ahead: all warps of a block have the same inputs, and outputs of their own, so that activations
// are read once for 128 outputs, and loads are under way while there is something to multiply.
//
//   staged_Y(three parts, low, operand in octets, operand in halves, partial, rows, width)      y of each part (`parts.cuh`)
//   staged_sum_Y(three parts, low, partial, rows, splits)
//
// Of the two orders of the operand (`fragments.cuh`), that which no part takes may be null. Where outputs are too few to fill a
// card, the inputs are split (the grid's second side): each split leaves its sums (f32, `partial` [splits][rows][outputs of
// all parts]), and staged_sum adds them in their order. A matrix has fewer than 2^32 blocks.
//
// Weights are dequantized to bf16, as those of many rows are: a code, which is exact, times its scale, less its min, both in
// bf16, rounded once.
//
// Grid: (Σ ceil(outputs / 128) · ceil(rows / 32), splits) of 128 threads, with two stages of shared memory: 64 · min(rows rounded
// up to 16, 32) bytes eight times and 128 blocks of the weight, for each stage; as much as the part takes that takes most.
#include "few_rows.cuh"
#include "parts.cuh"

namespace staged {
using namespace few_rows;
constexpr uint32_t THREADS = 128; // and the outputs that they have

// Blocks that have the same outputs, each with 32 rows: beside each other, so that one reads the weight and the other the cache.
__device__ __forceinline__ uint32_t times(uint32_t rows) { return (rows + N * 8 - 1) / (N * 8); }

// A stage for so many tiles of rows: what lies where.
template <class Q, int TILES>
struct Stage {
    static constexpr uint32_t WEIGHTS = 8 * TILES * WARP * 16, BYTES = WEIGHTS + THREADS * Q::BYTES;
};

// Starts the copies of a block of the inputs.
template <int TILES>
__device__ __forceinline__ void fetch_inputs(uint8_t *stage, const Place &at, uint32_t block) {
    constexpr uint32_t CHUNK = TILES * WARP;
#pragma unroll 4
    for (uint32_t i = threadIdx.x; i < 8 * CHUNK; i += THREADS)
        cp_async16(stage + i * 16, at.x + ((block * 8 + i / CHUNK) * at.tiles + at.first_tile) * WARP + i % CHUNK);
}

// The same of the weight.
template <class Q, int TILES>
__device__ __forceinline__ void fetch_weights(uint8_t *stage, const uint8_t *w, const Place &at, uint32_t outputs, uint32_t block) {
    constexpr uint32_t PIECES = Q::BYTES / 16;
    const uint32_t first_output = at.first_output - threadIdx.x / WARP * (M * 16), last = outputs - 1 - first_output;
    w += uint64_t(first_output) * at.row_blocks * Q::BYTES;
#pragma unroll
    for (uint32_t k = 0; k < PIECES; k++) {
        uint32_t i = k * THREADS + threadIdx.x;
        uint32_t at_block = (min(i / PIECES, last) * at.row_blocks + block) * Q::BYTES;
        cp_async16(stage + Stage<Q, TILES>::WEIGHTS + i * 16, w + at_block + i % PIECES * 16);
    }
}

// The weights of two chunks of 32 inputs, those of `part`, of the warp's outputs as products take them.
template <class Q>
__device__ __forceinline__ void weights_of(uint32_t (&a)[2][M][2][4], const uint8_t *w, const typename Q::Scales &own, const Place &at, uint32_t part) {
    Q codes[M * 2];
#pragma unroll
    for (int o = 0; o < M * 2; o++) codes[o].take(w + (o * 8 + at.g) * Q::BYTES, part, at.t);
#pragma unroll
    for (int c = 0; c < 2; c++) {
        uint32_t scales[Q::SCALES];
#pragma unroll
        for (int s = 0; s < Q::SCALES; s++) scales[s] = own.pair_of(part, c, s);
#pragma unroll
        for (int o = 0; o < M * 2; o++) {
            uint32_t both[2], scale = 0;
            codes[o].codes(part, c, both);
#pragma unroll
            for (int s = 0; s < 2; s++) {
                if (s < Q::SCALES) scale = from_lane(scales[s], o);
                a[c][o / 2][s][o % 2] = Q::scaled(Q::pair(both[s], false), scale);
                a[c][o / 2][s][o % 2 + 2] = Q::scaled(Q::pair(both[s], true), scale);
            }
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
        uint32_t a[2][M][2][4];
        weights_of<Q>(a, w, own, at, part);
#pragma unroll
        for (int c = 0; c < 2; c++) {
            uint4 x[TILES];
#pragma unroll
            for (int n = 0; n < TILES; n++)
                x[n] = reinterpret_cast<const uint4 *>(stage)[(Q::chunk(part, c) * TILES + n) * WARP + at.lane];
            add_products(values, a[c], x);
        }
    }
}

template <class Q, int TILES>
__device__ __forceinline__ void add_stages(const uint8_t *w, uint64_t count, const Place &at, uint32_t outputs, uint32_t block,
                                           uint32_t last, float (&values)[M][TILES][4]) {
    DYNAMIC_SHARED(uint8_t, shared);
    constexpr uint32_t BYTES = Stage<Q, TILES>::BYTES;
    const uint64_t own_row = uint64_t(min(at.first_output + at.t * 8 + at.g, outputs - 1)) * at.row_blocks;
    auto scale = [=](uint32_t block) { return !Q::D_APART || block >= last ? 0.0f : blocks::half_at(w + count * Q::BYTES, own_row + block); };
    // The first of the weights are on their way before the input is there.
    if (block < last) fetch_weights<Q, TILES>(shared, w, at, outputs, block);
    float d = scale(block);
    wait_for_inputs();
    if (block < last) fetch_inputs<TILES>(shared, at, block);
    cp_async_commit();
    for (uint32_t slot = 0; block < last; block++, slot ^= 1) {
        cp_async_wait<0>();
        // All have this stage, and none reads the other any more.
        __syncthreads();
        if (block + 1 < last) {
            fetch_weights<Q, TILES>(shared + (slot ^ 1) * BYTES, w, at, outputs, block + 1);
            fetch_inputs<TILES>(shared + (slot ^ 1) * BYTES, at, block + 1);
        }
        cp_async_commit();
        float next = scale(block + 1);
        add_stage<Q, TILES>(shared + slot * BYTES, at, d, values);
        d = next;
    }
}

template <class Q, int TILES, class Share>
__device__ __forceinline__ void write_tiles(const Share &share, const Place &at, float *partial, uint32_t rows) {
    using P = parts::Part<uint8_t, typename Share::Output>;
    const uint32_t split = blockIdx.y, splits = gridDim.y, outputs = share.of(&P::outputs);
    float values[M][TILES][4] = {};
    share.prefetch_top(THREADS);
    add_stages<Q, TILES>(share.of(&P::w), share.of(&P::blocks), at, outputs, uint64_t(at.row_blocks) * split / splits,
                         uint64_t(at.row_blocks) * (split + 1) / splits, values);
    float *own = partial + uint64_t(split) * rows * share.all_outputs() + share.outputs_before();
    each_sum(values, at, rows, outputs, [&](uint32_t row, uint32_t output, float sum) {
        if (splits == 1) share.put(row, output, share.top(row, output).on(sum));
        else own[uint64_t(row) * share.all_outputs() + output] = sum;
    });
}

template <class Q, class Share>
__device__ __forceinline__ void multiply(const Share &share, const uint4 *octets, const uint4 *halves, float *partial, uint32_t rows,
                                         uint32_t width) {
    Place at;
    at.lane = threadIdx.x % WARP, at.g = at.lane / 4, at.t = at.lane % 4;
    at.first_output = share.first + threadIdx.x / WARP * (M * 16);
    at.first_tile = blockIdx.x % times(rows) * N, at.tiles = (rows + 15) / 16 * 2, at.row_blocks = (width + 255) / 256;
    at.x = Q::ORDER == fragments::Order::Octets ? octets : halves;
    if (at.tiles - at.first_tile > 2) write_tiles<Q, N>(share, at, partial, rows);
    else write_tiles<Q, 2>(share, at, partial, rows);
}

template <class Share>
__device__ __forceinline__ void product(const Share &share, const uint4 *octets, const uint4 *halves, float *partial, uint32_t rows,
                                        uint32_t width) {
    switch (share.of(&parts::Part<uint8_t, typename Share::Output>::kind)) {
    case 3: return multiply<fragments::Q4_K>(share, octets, halves, partial, rows, width);
    case 4: return multiply<fragments::Q5_K>(share, octets, halves, partial, rows, width);
    default: return multiply<fragments::Q6_K>(share, octets, halves, partial, rows, width);
    }
}

// A thread has one output of a row.
template <class Share>
__device__ __forceinline__ void sum(const Share &share, const float *partial, uint32_t row, uint32_t rows, uint32_t splits) {
    const uint64_t all = share.all_outputs(), own = row * all + share.outputs_before() + share.first;
    wait_for_inputs();
    const parts::Top top = share.top(row, share.first);
    float sum = 0.0f;
#pragma unroll 4
    for (uint32_t split = 0; split < splits; split++) sum += partial[split * rows * all + own];
    share.put(row, share.first, top.on(sum));
}
} // namespace staged

#define STAGED(Y)                                                                                                           \
    extern "C" __global__ void __launch_bounds__(staged::THREADS)                                                           \
        staged_##Y(PARTS_PARAMETERS(uint8_t, Y), const uint4 *octets, const uint4 *halves, float *partial, uint32_t rows,   \
                   uint32_t width) {                                                                                        \
        PARTS_SHARE(uint8_t, Y, blockIdx.x / staged::times(rows), staged::THREADS);                                         \
        staged::product(share, octets, halves, partial, rows, width);                                                       \
    }                                                                                                                       \
    EXPORT(staged_##Y)                                                                                                      \
    extern "C" __global__ void __launch_bounds__(256)                                                                       \
        staged_sum_##Y(PARTS_PARAMETERS(uint8_t, Y), const float *partial, uint32_t rows, uint32_t splits) {                \
        const uint32_t all = outputs0 + outputs1 + outputs2, i = blockIdx.x * blockDim.x + threadIdx.x;                     \
        if (i >= rows * all) return;                                                                                        \
        PARTS_SHARE(uint8_t, Y, i % all, 1);                                                                                \
        staged::sum(share, partial, i / all, rows, splits);                                                                 \
    }                                                                                                                       \
    EXPORT(staged_sum_##Y)
STAGED(f32)
STAGED(bf16)
