// Root-mean-square normalisation (Zhang & Sennrich 2019): y = x / √(mean(x²) + ε) · w of each piece of n values, as
// long as the weight w (f32); x [pieces, n] is a matrix of rows, or of the heads within rows.
//
//   rms_norm_X_Y               y = norm(x)
//   rms_norm_q8_f32_Y          the same of whole rows, and y in 8 bits
//   rms_norm_backward_X_D      dx = r·g − x·r³/n·Σ(g·x), with r = 1/rms and g = dy·w
//   rms_norm_backward_add_X_D  dx += the same; dx is f32, the gradient of the residual stream
//
// Short pieces (heads) are given to a warp each, long ones to a block. Both sweep twice over their piece: the second
// time it comes from the L1 cache, so from memory each value is read once; the bound is memory bandwidth. A thread
// comes to the same values in both sweeps, so it may read what it wrote, and dx may lie where dy does.
//
// Grid: n ≤ 256: blocks of any number of warps, together at least `pieces`; else one block a piece. rms_norm_q8: one block a
// row.
#include "device.cuh"
#include "eight_bits.cuh"
#include "packs.cuh"

namespace rms_norm {
using packs::load;
using packs::store;
using packs::WIDTH;

// The longest piece of a warp: at most 8 values a lane.
constexpr uint32_t OF_A_WARP = 256;

// Calls `work(team, start)` for each piece, with the index of its first value.
template <class Work>
__device__ __forceinline__ void each_piece(uint32_t n, uint64_t pieces, Work work) {
    if (n > OF_A_WARP) {
        work(packs::Block{}, uint64_t(blockIdx.x) * n);
        return;
    }
    const uint64_t piece = uint64_t(blockIdx.x) * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (piece < pieces) work(packs::Warp{}, piece * n);
}

template <unsigned N, class Team, class Work>
__device__ __forceinline__ void sweep(const Team &team, uint32_t n, bool aligned, Work work) {
    packs::share<N, uint32_t>(n, team.thread(), team.threads(), aligned, work);
}

__device__ __forceinline__ float inverse_rms(float squares, uint32_t n, float eps) {
    return 1.0f / sqrtf(squares / n + eps);
}

// y = x · inverse · w
template <class Team, class X, class Y>
__device__ __forceinline__ void write(const Team &team, const X *x, const float *w, Y *y, uint32_t n, bool aligned,
                                      float inverse) {
    sweep<WIDTH<X, Y>>(team, n, aligned, [=](auto count, uint32_t i) {
        constexpr unsigned N = decltype(count)::value;
        float values[N], weights[N];
        load(values, x + i);
        load(weights, w + i);
        for (unsigned j = 0; j < N; j++) values[j] *= inverse * weights[j];
        store(y + i, values);
    });
}

template <class X, class Y>
__device__ __forceinline__ void forward(const X *x, const float *w, Y *y, uint32_t n, float eps, uint64_t pieces) {
    wait_for_inputs();
    each_piece(n, pieces, [=](auto team, uint64_t start) {
        const bool aligned = packs::aligned(x + start, w, y + start);
        float squares = 0.0f;
        sweep<WIDTH<X, Y>>(team, n, aligned, [&](auto count, uint32_t i) {
            float values[decltype(count)::value];
            load(values, x + start + i);
            for (float value : values) squares += value * value;
        });
        write(team, x + start, w, y + start, n, aligned, inverse_rms(team.sum(squares), n, eps));
    });
}

// Four values a thread at a time: rows of a model are one step of a block.
template <class Y>
__device__ __forceinline__ void forward_q8(const float *x, const float *w, Y *y, uint8_t *q, uint32_t n, float eps) {
    const uint32_t step = 4 * blockDim.x;
    uint32_t i = 4 * threadIdx.x;
    float values[4], weights[4], squares = 0.0f;
    eight_bits::read(w, i, n, weights);
    wait_for_inputs();
    const float *from = x + uint64_t(blockIdx.x) * n;
    y += uint64_t(blockIdx.x) * n;
    for (uint32_t j = i; j < n; j += step) {
        eight_bits::read(from, j, n, values);
        for (float value : values) squares += value * value;
    }
    const float inverse = inverse_rms(block_sum(squares), n, eps);
    const eight_bits::Row row(q, gridDim.x, n, blockIdx.x);
    for (uint32_t first = 0; first < n; first += step, i += step) {
        if (first > 0) eight_bits::read(w, i, n, weights);
        eight_bits::read(from, i, n, values);
        for (unsigned j = 0; j < 4; j++) values[j] *= inverse * weights[j];
        eight_bits::write(y, i, n, values);
        row.put(i, i < eight_bits::padded(n), values);
    }
}

// `put(dx + i, values)` writes the gradient, or adds it.
template <class X, class D, class DX, class Put>
__device__ __forceinline__ void backward(const X *x, const float *w, const D *dy, DX *dx, uint32_t n, float eps,
                                         uint64_t pieces, Put put) {
    each_piece(n, pieces, [=](auto team, uint64_t start) {
        const bool aligned = packs::aligned(x + start, w, dy + start, dx + start);
        float squares = 0.0f, products = 0.0f;
        const auto read = [=](auto &values, auto &gradients, uint32_t i) {
            constexpr unsigned N = sizeof(values) / sizeof(float);
            float weights[N];
            load(values, x + start + i);
            load(gradients, dy + start + i);
            load(weights, w + i);
            for (unsigned j = 0; j < N; j++) gradients[j] *= weights[j];
        };
        sweep<WIDTH<X, D>>(team, n, aligned, [&](auto count, uint32_t i) {
            constexpr unsigned N = decltype(count)::value;
            float values[N], gradients[N];
            read(values, gradients, i);
            for (unsigned j = 0; j < N; j++) {
                squares += values[j] * values[j];
                products += gradients[j] * values[j];
            }
        });
        const float inverse = inverse_rms(team.sum(squares), n, eps);
        const float pull = inverse * inverse * inverse * team.sum(products) / n;
        sweep<WIDTH<X, D>>(team, n, aligned, [=](auto count, uint32_t i) {
            constexpr unsigned N = decltype(count)::value;
            float values[N], gradients[N];
            read(values, gradients, i);
            for (unsigned j = 0; j < N; j++) gradients[j] = inverse * gradients[j] - pull * values[j];
            put(dx + start + i, gradients);
        });
    });
}

template <class X, class D>
__device__ __forceinline__ void backward_to(const X *x, const float *w, const D *dy, X *dx, uint32_t n, float eps,
                                            uint64_t pieces) {
    backward(x, w, dy, dx, n, eps, pieces, [](X *to, auto &gradients) { store(to, gradients); });
}

template <class X, class D>
__device__ __forceinline__ void backward_add(const X *x, const float *w, const D *dy, float *dx, uint32_t n, float eps,
                                             uint64_t pieces) {
    backward(x, w, dy, dx, n, eps, pieces, [](float *to, auto &gradients) {
        constexpr unsigned N = sizeof(gradients) / sizeof(float);
        float sum[N];
        load(sum, to);
        for (unsigned j = 0; j < N; j++) sum[j] += gradients[j];
        store(to, sum);
    });
}

} // namespace rms_norm

#define TAILORA_RMS_NORM(X, Y)                                                                                        \
    extern "C" __global__ void rms_norm_##X##_##Y(const X *x, const float *weight, Y *y, uint32_t n, float eps,       \
                                                  uint64_t pieces) {                                                  \
        rms_norm::forward(x, weight, y, n, eps, pieces);                                                              \
    }                                                                                                                 \
    EXPORT(rms_norm_##X##_##Y)                                                                                        \
    extern "C" __global__ void rms_norm_backward_##X##_##Y(const X *x, const float *weight, const Y *dy, X *dx,       \
                                                           uint32_t n, float eps, uint64_t pieces) {                  \
        rms_norm::backward_to(x, weight, dy, dx, n, eps, pieces);                                                     \
    }                                                                                                                 \
    EXPORT(rms_norm_backward_##X##_##Y)                                                                               \
    extern "C" __global__ void rms_norm_backward_add_##X##_##Y(const X *x, const float *weight, const Y *dy,          \
                                                               float *dx, uint32_t n, float eps, uint64_t pieces) {   \
        rms_norm::backward_add(x, weight, dy, dx, n, eps, pieces);                                                    \
    }                                                                                                                 \
    EXPORT(rms_norm_backward_add_##X##_##Y)

TAILORA_RMS_NORM(f32, f32)
TAILORA_RMS_NORM(f32, bf16)
TAILORA_RMS_NORM(bf16, f32)
TAILORA_RMS_NORM(bf16, bf16)
#undef TAILORA_RMS_NORM

#define TAILORA_RMS_NORM_Q8(Y)                                                                                        \
    extern "C" __global__ void __launch_bounds__(1024) rms_norm_q8_f32_##Y(const float *x, const float *weight, Y *y, \
                                                                           uint8_t *q, uint32_t n, float eps) {       \
        rms_norm::forward_q8(x, weight, y, q, n, eps);                                                                \
    }                                                                                                                 \
    EXPORT(rms_norm_q8_f32_##Y)

TAILORA_RMS_NORM_Q8(f32)
TAILORA_RMS_NORM_Q8(bf16)
#undef TAILORA_RMS_NORM_Q8
