// Products of few rows with a quantized weight, y = x Wᵀ, as decoding makes them: the weight is read once, and reading it
// is the time they take.
//
//   quantize_q8_T(x [rows, width], out, rows, width)      x̂ in 8 bits around zero; a scale for every 32, and their sum
//   matvecM_Q_Y  (w, blocks of the matrix, x̂, y [rows, outputs], rows, outputs, width)      1 ≤ rows ≤ M; any for M = 8
//
// x̂: `rows` times the width rounded up to 32 in bytes, then as many 32nds of (scale, Σ x̂) in pairs of f32.
// A block of threads makes the products of `M` rows with `OUTPUTS` outputs; its lanes go through the pieces of 16 bytes of
// the weight's rows side by side. A piece is a sum of integers (dp4a) times its scales, in f32; f32 sums have one order.
// More rows than 8 are blocks beside each other, so that one reads the weight from memory and the others from the cache.
// Grids: matvec ceil(outputs / OUTPUTS) · ceil(rows / M) blocks of 32 to 128 threads; quantize_q8 a warp for every 32 inputs, blockIdx.y is
// the row.
#include "pieces.cuh"
#include "sums.cuh"

namespace matvec {
constexpr uint32_t WARPS = 4;
constexpr int OUTPUTS = 4;

__device__ __forceinline__ uint32_t padded(uint32_t width) { return (width + 31) / 32 * 32; }

template <class T>
__device__ __forceinline__ void quantize(const T *x, uint8_t *out, uint32_t rows, uint32_t width) {
    uint32_t lane = threadIdx.x % WARP, block = (blockIdx.x * blockDim.x + threadIdx.x) / WARP, row_blocks = padded(width) / 32;
    if (block >= row_blocks) return;
    uint32_t row = blockIdx.y, column = block * 32 + lane;
    float value = column < width ? to_float(x[uint64_t(row) * width + column]) : 0.0f;
    // The bits of what is not negative are ordered as the numbers are; what is not a number is above infinity and stays.
    uint32_t largest = __float_as_uint(fabsf(value));
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2)
        largest = max(largest, __shfl_xor_sync(ALL_LANES, largest, distance));
    float scale = __uint_as_float(largest) / 127.0f;
    // Below, the inverse would not be finite.
    float inverse = scale > 1e-37f ? 1.0f / scale : 0.0f;
    int q = __float2int_rn(value * inverse), sum = q;
#pragma unroll
    for (int distance = 16; distance > 0; distance /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, distance);
    out[uint64_t(row) * padded(width) + column] = uint8_t(q);
    auto *scales = reinterpret_cast<float2 *>(out + uint64_t(rows) * padded(width));
    if (lane == 0) scales[uint64_t(row) * row_blocks + block] = {scale, float(sum)};
}

template <class Piece, int M, class Y>
__device__ __forceinline__ void product(const uint8_t *w, uint64_t count, const uint8_t *x, Y *y, uint32_t rows,
                                        uint32_t outputs, uint32_t width) {
    uint32_t row_blocks = (width + Piece::BLOCK - 1) / Piece::BLOCK, times = M == 8 ? (rows + M - 1) / M : 1;
    uint32_t first = blockIdx.x / times * OUTPUTS, first_row = blockIdx.x % times * M;
    auto *scales = reinterpret_cast<const float2 *>(x + uint64_t(rows) * padded(width));
    float values[M * OUTPUTS] = {};
    for (uint32_t piece = threadIdx.x; piece < row_blocks * Piece::PIECES; piece += blockDim.x) {
        uint32_t block = piece / Piece::PIECES, part = piece % Piece::PIECES, inputs[Piece::GROUPS];
        Piece weights[OUTPUTS];
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            weights[o].load(w, count, uint64_t(min(first + o, outputs - 1)) * row_blocks + block, part);
        Piece::inputs(part, inputs);
#pragma unroll
        for (int g = 0; g < Piece::GROUPS; g++) inputs[g] += block * Piece::BLOCK;
#pragma unroll
        for (int m = 0; m < M; m++) {
            // Rows that are not there repeat the last one; their sums are not written.
            uint32_t row = min(first_row + m, rows - 1);
            pieces::Operand<Piece::GROUPS> operand;
            operand.load(x + uint64_t(row) * padded(width), scales + uint64_t(row) * (padded(width) / 32), inputs);
#pragma unroll
            for (int o = 0; o < OUTPUTS; o++) weights[o].add_to(values[m * OUTPUTS + o], operand);
        }
    }
    float sum = sums::of_block<WARPS>(values);
    uint32_t row = first_row + threadIdx.x / OUTPUTS, output = first + threadIdx.x % OUTPUTS;
    if (threadIdx.x < M * OUTPUTS && row < rows && output < outputs) y[uint64_t(row) * outputs + output] = from_float<Y>(sum);
}
} // namespace matvec

#define QUANTIZE_Q8(T_name, T)                                                                                      \
    extern "C" __global__ void __launch_bounds__(256) quantize_q8_##T_name(const T *x, uint8_t *out, uint32_t rows, \
                                                                           uint32_t width) {                        \
        matvec::quantize(x, out, rows, width);                                                                      \
    }                                                                                                               \
    EXPORT(quantize_q8_##T_name)
QUANTIZE_Q8(f32, float)
QUANTIZE_Q8(bf16, bf16)

// `BLOCKS` of them on a multiprocessor: as few registers as keep enough loads under way, and no fewer.
#define MATVEC(M, BLOCKS, name, Q, Y_name, Y)                                                                       \
    extern "C" __global__ void __launch_bounds__(matvec::WARPS * WARP, BLOCKS)                                      \
        matvec##M##_##name##_##Y_name(const uint8_t *__restrict__ w, uint64_t count, const uint8_t *__restrict__ x, \
                                      Y *__restrict__ y, uint32_t rows, uint32_t outputs, uint32_t width) {         \
        matvec::product<pieces::Q, M>(w, count, x, y, rows, outputs, width);                                        \
    }                                                                                                               \
    EXPORT(matvec##M##_##name##_##Y_name)
#define MATVECS_TO(name, Q, Y_name, Y)  \
    MATVEC(1, 6, name, Q, Y_name, Y)    \
    MATVEC(2, 5, name, Q, Y_name, Y)    \
    MATVEC(4, 4, name, Q, Y_name, Y)    \
    MATVEC(8, 3, name, Q, Y_name, Y)
#define MATVECS(name, Q)              \
    MATVECS_TO(name, Q, f32, float)   \
    MATVECS_TO(name, Q, bf16, bf16)
MATVECS(q8_0, Q8_0)
MATVECS(q4_0, Q4_0)
MATVECS(q5_0, Q5_0)
MATVECS(q4_k, Q4_K)
MATVECS(q5_k, Q5_K)
MATVECS(q6_k, Q6_K)
