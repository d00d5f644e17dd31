// Products of few rows with dense weights, as decoding makes them: a weight is read once.
//
//   matvecM_W_T(three parts, low, x [rows, width] of T, rows, width)     y of each part (`parts.cuh`), of T; 1 ≤ rows ≤ M
//
// A block of threads makes the products of `M` rows with `OUTPUTS` outputs; its lanes go through the rows side by side, 16
// bytes each. Sums are of f32, in one order. Grid: Σ ceil(outputs / OUTPUTS) blocks of 32 to 128 threads.
#include "octets.cuh"
#include "parts.cuh"

namespace matvec_dense {
using parts::OUTPUTS;

// `N` neighbours of a row of a weight, from `N` · `i` on.
template <int N, class T>
__device__ __forceinline__ void read_weights(const T *row, uint32_t i, float (&values)[N]) {
    if constexpr (N == 8) octets::read8<octets::Use::Once>(row + i * 8, values);
    else values[0] = to_float(row[i]);
}

// What a thread adds up, `N` inputs at a time: 8, or 1 where rows are not aligned.
template <int N, int M, class W, class T>
__device__ __forceinline__ void add(float (&values)[M * OUTPUTS], const parts::Share<W, T> &share, const T *x, uint32_t rows,
                                    uint32_t width) {
    // Many rows give a step work enough; one or two need the loads of two steps under way.
    constexpr int AHEAD = N == 8 && M <= 2 ? 2 : 1;
    const W *w = share.of(&parts::Part<W, T>::w);
    const uint32_t last = share.of(&parts::Part<W, T>::outputs) - 1, end = width / N;
    const auto load = [=](float(&weights)[OUTPUTS][N], uint32_t i) {
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) read_weights<N>(w + uint64_t(min(share.first + o, last)) * width, i, weights[o]);
    };
    const auto multiply = [&](const float(&weights)[OUTPUTS][N], uint32_t i) {
#pragma unroll
        for (int m = 0; m < M; m++) {
            // Rows that are not there repeat the last one; their sums are not written.
            float operand[N];
            packs::load(operand, x + uint64_t(min(uint32_t(m), rows - 1)) * width + i * N);
#pragma unroll
            for (int k = 0; k < OUTPUTS * N; k++) {
                float &sum = values[m * OUTPUTS + k / N];
                sum = fmaf(weights[k / N][k % N], operand[k % N], sum);
            }
        }
    };
    uint32_t i = threadIdx.x;
    float weights[AHEAD][OUTPUTS][N];
    // The first of the weights are on their way before the input is there.
#pragma unroll
    for (int step = 0; step < AHEAD; step++) load(weights[step], min(i + step * blockDim.x, end - 1));
    share.prefetch_top(OUTPUTS);
    wait_for_inputs();
#pragma unroll
    for (int step = 0; step < AHEAD; step++, i += blockDim.x)
        if (i < end) multiply(weights[step], i);
#pragma unroll AHEAD
    for (; i < end; i += blockDim.x) {
        load(weights[0], i);
        multiply(weights[0], i);
    }
}

template <int M, class W, class T>
__device__ __forceinline__ void product(const parts::Share<W, T> &share, const T *x, uint32_t rows, uint32_t width) {
    float values[M * OUTPUTS] = {};
    if (width % 8 == 0) add<8, M>(values, share, x, rows, width);
    else add<1, M>(values, share, x, rows, width);
    share.template finish<M>(values, rows);
}
} // namespace matvec_dense

#define MATVEC_DENSE(M, W, T)                                                                                  \
    extern "C" __global__ void __launch_bounds__(parts::WARPS<W> * WARP, 4)                                       \
        matvec##M##_##W##_##T(PARTS_PARAMETERS(W, T), const T *x, uint32_t rows, uint32_t width) {             \
        PARTS_SHARE(W, T, blockIdx.x, parts::OUTPUTS);                                                         \
        matvec_dense::product<M>(share, x, rows, width);                                                       \
    }                                                                                                          \
    EXPORT(matvec##M##_##W##_##T)
#define MATVECS_DENSE(W, T)  \
    MATVEC_DENSE(1, W, T)    \
    MATVEC_DENSE(2, W, T)    \
    MATVEC_DENSE(4, W, T)    \
    MATVEC_DENSE(8, W, T)
MATVECS_DENSE(f32, f32)
MATVECS_DENSE(f32, bf16)
MATVECS_DENSE(bf16, f32)
MATVECS_DENSE(bf16, bf16)
