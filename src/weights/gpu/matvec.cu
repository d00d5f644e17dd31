// Products of few rows with quantized weights, as decoding makes them: a weight is read once, and reading it is the time
// they take.
//
//   quantize_q8_T  (x [rows, width], out, rows, width)     x̂: `eight_bits.cuh`
//   matvecM_q8_Y   (three parts, low, x̂, rows, width)      y of each part (`parts.cuh`); 1 ≤ rows ≤ M
//
// A part's `kind` is its type, by its place in the table of types; `blocks` are those of its matrix.
// A block of threads makes the products of `M` rows with `OUTPUTS` outputs; its lanes go through the pieces of 16 bytes of
// the weight's rows side by side. A piece is a sum of integers (dp4a) times its scales, in f32; f32 sums have one order.
// Grids: matvec Σ ceil(outputs / OUTPUTS) blocks of 32 or 64 threads; quantize_q8 four inputs a thread, blockIdx.y is the row.
#include "eight_bits.cuh"
#include "parts.cuh"
#include "pieces.cuh"

namespace matvec {
using parts::OUTPUTS;

template <class T>
__device__ __forceinline__ void quantize(const T *x, uint8_t *out, uint32_t rows, uint32_t width) {
    wait_for_inputs();
    uint32_t row = blockIdx.y, i = (blockIdx.x * blockDim.x + threadIdx.x) * 4;
    float values[4];
    eight_bits::read(x + uint64_t(row) * width, i, width, values);
    eight_bits::Row(out, rows, width, row).put(i, i < eight_bits::padded(width), values);
}

// What a thread adds up.
template <class Piece, int M, class Share>
__device__ __forceinline__ void add(float (&values)[M * OUTPUTS], const Share &share, const uint8_t *w, const uint8_t *x,
                                    uint32_t rows, uint32_t width) {
    using P = parts::Part<uint8_t, typename Share::Output>;
    const uint64_t blocks = share.of(&P::blocks);
    const uint32_t last = share.of(&P::outputs) - 1;
    const uint32_t row_blocks = (width + Piece::BLOCK - 1) / Piece::BLOCK, padded = eight_bits::padded(width);
    auto *scales = reinterpret_cast<const float2 *>(x + uint64_t(rows) * padded);
    const auto load = [=](Piece(&weights)[OUTPUTS], uint32_t piece) {
        uint32_t block = piece / Piece::PIECES;
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            weights[o].load(w, blocks, uint64_t(min(share.first + o, last)) * row_blocks + block, piece % Piece::PIECES);
    };
    const auto multiply = [&](const Piece(&weights)[OUTPUTS], uint32_t piece) {
        uint32_t inputs[Piece::GROUPS];
        Piece::inputs(piece % Piece::PIECES, inputs);
#pragma unroll
        for (int g = 0; g < Piece::GROUPS; g++) inputs[g] += piece / Piece::PIECES * Piece::BLOCK;
#pragma unroll
        for (int m = 0; m < M; m++) {
            // Rows that are not there repeat the last one; their sums are not written.
            uint32_t row = min(uint32_t(m), rows - 1);
            pieces::Operand<Piece::GROUPS> operand;
            operand.load(x + uint64_t(row) * padded, scales + uint64_t(row) * (padded / 32), inputs);
#pragma unroll
            for (int o = 0; o < OUTPUTS; o++) weights[o].add_to(values[m * OUTPUTS + o], operand);
        }
    };
    const uint32_t end = row_blocks * Piece::PIECES;
    uint32_t piece = threadIdx.x;
    Piece weights[OUTPUTS];
    // The first of the weights are on their way before the input is there.
    load(weights, min(piece, end - 1));
    share.prefetch_top(OUTPUTS);
    wait_for_inputs();
    if (piece < end) multiply(weights, piece);
    for (piece += blockDim.x; piece < end; piece += blockDim.x) {
        load(weights, piece);
        multiply(weights, piece);
    }
}

template <int M, class Share>
__device__ __forceinline__ void product(const Share &share, const uint8_t *x, uint32_t rows, uint32_t width) {
    using P = parts::Part<uint8_t, typename Share::Output>;
    float values[M * OUTPUTS] = {};
    const uint8_t *w = share.of(&P::w);
    switch (share.of(&P::kind)) {
    case 0: add<pieces::Q8_0, M>(values, share, w, x, rows, width); break;
    case 1: add<pieces::Q4_0, M>(values, share, w, x, rows, width); break;
    case 2: add<pieces::Q5_0, M>(values, share, w, x, rows, width); break;
    case 3: add<pieces::Q4_K, M>(values, share, w, x, rows, width); break;
    case 4: add<pieces::Q5_K, M>(values, share, w, x, rows, width); break;
    default: add<pieces::Q6_K, M>(values, share, w, x, rows, width); break;
    }
    share.template finish<M>(values, rows);
}
} // namespace matvec

#define QUANTIZE_Q8(T)                                                                                                    \
    extern "C" __global__ void __launch_bounds__(256) quantize_q8_##T(const T *x, uint8_t *out, uint32_t rows, uint32_t width) { \
        matvec::quantize(x, out, rows, width);                                                                            \
    }                                                                                                                     \
    EXPORT(quantize_q8_##T)
QUANTIZE_Q8(f32)
QUANTIZE_Q8(bf16)

// `BLOCKS` of them on a multiprocessor: as few registers as keep enough loads under way, and no fewer.
#define MATVEC(M, BLOCKS, Y)                                                                                       \
    extern "C" __global__ void __launch_bounds__(parts::WARPS<uint8_t> * WARP, BLOCKS)                                      \
        matvec##M##_q8_##Y(PARTS_PARAMETERS(uint8_t, Y), const uint8_t *x, uint32_t rows, uint32_t width) {        \
        PARTS_SHARE(uint8_t, Y, blockIdx.x, parts::OUTPUTS);                                                       \
        matvec::product<M>(share, x, rows, width);                                                                 \
    }                                                                                                              \
    EXPORT(matvec##M##_q8_##Y)
#define MATVECS(Y)     \
    MATVEC(1, 10, Y)    \
    MATVEC(2, 9, Y)    \
    MATVEC(4, 7, Y)    \
    MATVEC(8, 5, Y)
MATVECS(f32)
MATVECS(bf16)
