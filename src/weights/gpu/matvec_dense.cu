// Products of few rows with a dense weight, y = x Wᵀ, as decoding makes them: the weight is read once.
//
//   matvecM_W_T(w [outputs, width] of W, x [rows, width] of T, y [rows, outputs] of T, rows, outputs, width)    1 ≤ rows ≤ M
//
// A block of threads makes the products of `M` rows with `OUTPUTS` outputs; its lanes go through the rows side by side, 16
// bytes each. Sums are of f32, in one order. Grid: ceil(outputs / OUTPUTS) blocks of 32 to 128 threads.
#include "octets.cuh"
#include "sums.cuh"

namespace matvec_dense {
constexpr uint32_t WARPS = 4;
constexpr int OUTPUTS = 4;

// `N` neighbours of a row, from `N` · `i` on.
template <int N, octets::Use USE, class T>
__device__ __forceinline__ void read(const T *row, uint32_t i, float (&values)[N]) {
    if constexpr (N == 8) octets::read8<USE>(row + i * 8, values);
    else values[0] = to_float(row[i]);
}

// What a thread adds up, `N` inputs at a time: 8, or 1 where rows are not aligned.
template <int N, int M, class W, class T>
__device__ __forceinline__ void add(float (&values)[M * OUTPUTS], const W *w, const T *x, uint32_t rows, uint32_t outputs,
                                    uint32_t width) {
    uint32_t first = blockIdx.x * OUTPUTS;
    // Many rows give a step work enough; one or two need the loads of two steps under way.
#pragma unroll(N == 8 && M <= 2 ? 2 : 1)
    for (uint32_t i = threadIdx.x; i < width / N; i += blockDim.x) {
        float weights[OUTPUTS][N];
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++)
            read<N, octets::Use::Once>(w + uint64_t(min(first + o, outputs - 1)) * width, i, weights[o]);
#pragma unroll
        for (int m = 0; m < M; m++) {
            // Rows that are not there repeat the last one; their sums are not written.
            float operand[N];
            read<N, octets::Use::Often>(x + uint64_t(min(uint32_t(m), rows - 1)) * width, i, operand);
#pragma unroll
            for (int k = 0; k < OUTPUTS * N; k++) {
                float &sum = values[m * OUTPUTS + k / N];
                sum = fmaf(weights[k / N][k % N], operand[k % N], sum);
            }
        }
    }
}

template <int M, class W, class T>
__device__ __forceinline__ void product(const W *w, const T *x, T *y, uint32_t rows, uint32_t outputs, uint32_t width) {
    float values[M * OUTPUTS] = {};
    if (width % 8 == 0) add<8, M>(values, w, x, rows, outputs, width);
    else add<1, M>(values, w, x, rows, outputs, width);
    float sum = sums::of_block<WARPS>(values);
    uint32_t row = threadIdx.x / OUTPUTS, output = blockIdx.x * OUTPUTS + threadIdx.x % OUTPUTS;
    if (row < M && row < rows && output < outputs) y[uint64_t(row) * outputs + output] = from_float<T>(sum);
}
} // namespace matvec_dense

#define MATVEC_DENSE(M, W_name, W, T_name, T)                                                                           \
    extern "C" __global__ void __launch_bounds__(matvec_dense::WARPS * WARP, 4)                                         \
        matvec##M##_##W_name##_##T_name(const W *__restrict__ w, const T *__restrict__ x, T *__restrict__ y,            \
                                        uint32_t rows, uint32_t outputs, uint32_t width) {                              \
        matvec_dense::product<M>(w, x, y, rows, outputs, width);                                                        \
    }                                                                                                                   \
    EXPORT(matvec##M##_##W_name##_##T_name)
#define MATVECS_DENSE(W_name, W, T_name, T)  \
    MATVEC_DENSE(1, W_name, W, T_name, T)    \
    MATVEC_DENSE(2, W_name, W, T_name, T)    \
    MATVEC_DENSE(4, W_name, W, T_name, T)    \
    MATVEC_DENSE(8, W_name, W, T_name, T)
MATVECS_DENSE(f32, float, f32, float)
MATVECS_DENSE(f32, float, bf16, bf16)
MATVECS_DENSE(bf16, bf16, f32, float)
MATVECS_DENSE(bf16, bf16, bf16, bf16)
