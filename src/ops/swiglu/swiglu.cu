// The gated activation of the MLP, y = act(gate) · up, with SiLU (Shazeer 2020) or tanh-GELU; all [tokens, n], read as
// one run of values.
//
//   swiglu_A_T            y
//   swiglu_q8_A_T         y, and y in 8 bits
//   swiglu_backward_A_T   gated = act(gate)·up, dgate = dy·up·act'(gate), dup = dy·act(gate)
//
// The results of backward may lie where the operands do: a thread reads its values before it writes any.
// Grid: any number of blocks; swiglu_q8 four values a thread, blockIdx.y is the row. The bound is memory bandwidth.
#include "device.cuh"
#include "eight_bits.cuh"
#include "packs.cuh"

namespace swiglu {
using packs::load;
using packs::store;
using packs::WIDTH;

// x · σ(x): value and derivative.
struct Silu {
    static __device__ __forceinline__ float value(float x) { return x / (1.0f + expf(-x)); }
    static __device__ __forceinline__ float value_and_slope(float x, float &slope) {
        const float sigmoid = 1.0f / (1.0f + expf(-x));
        slope = sigmoid * (1.0f + x * (1.0f - sigmoid));
        return x * sigmoid;
    }
};

// x/2 · (1 + tanh(√(2/π)·(x + 0.044715·x³))): value and derivative.
struct Gelu {
    static constexpr float ROOT = 0.7978845608f, CUBIC = 0.044715f;
    static __device__ __forceinline__ float value(float x) {
        float slope;
        return value_and_slope(x, slope);
    }
    static __device__ __forceinline__ float value_and_slope(float x, float &slope) {
        const float inner = ROOT * (x + CUBIC * x * x * x);
        const float tanh = 1.0f - 2.0f / (expf(2.0f * inner) + 1.0f);
        slope = 0.5f * (1.0f + tanh) + 0.5f * x * (1.0f - tanh * tanh) * ROOT * (1.0f + 3.0f * CUBIC * x * x);
        return 0.5f * x * (1.0f + tanh);
    }
};

template <class Activation, class T>
__device__ __forceinline__ void forward(const T *gate, const T *up, T *y, uint64_t n) {
    wait_for_inputs();
    packs::each(n, y, [](float g, float u) { return u * Activation::value(g); }, gate, up);
}

template <class Activation, class T>
__device__ __forceinline__ void forward_q8(const T *gate, const T *up, T *y, uint8_t *q, uint32_t rows, uint32_t n) {
    wait_for_inputs();
    const uint32_t i = 4 * (blockIdx.x * blockDim.x + threadIdx.x);
    const uint64_t row = uint64_t(blockIdx.y) * n;
    float g[4], u[4];
    eight_bits::read(gate + row, i, n, g);
    eight_bits::read(up + row, i, n, u);
    for (unsigned j = 0; j < 4; j++) u[j] *= Activation::value(g[j]);
    eight_bits::write(y + row, i, n, u);
    eight_bits::Row(q, rows, n, blockIdx.y).put(i, i < eight_bits::padded(n), u);
}

template <class T>
struct Gradients {
    T *gated, *dgate, *dup;
};

template <class Activation, class T>
__device__ __forceinline__ void backward(const T *gate, const T *up, const T *dy, Gradients<T> to, uint64_t n) {
    const bool aligned = packs::aligned(gate, up, dy) && packs::aligned(to.gated, to.dgate, to.dup);
    packs::over_grid<WIDTH<T>>(n, aligned, [=](auto count, uint64_t i) {
        constexpr unsigned N = decltype(count)::value;
        float g[N], u[N], d[N];
        load(g, gate + i);
        load(u, up + i);
        load(d, dy + i);
        for (unsigned j = 0; j < N; j++) {
            float slope;
            const float value = Activation::value_and_slope(g[j], slope), gated = value * u[j];
            g[j] = d[j] * u[j] * slope;
            u[j] = d[j] * value;
            d[j] = gated;
        }
        store(to.dgate + i, g);
        store(to.dup + i, u);
        store(to.gated + i, d);
    });
}

} // namespace swiglu

#define TAILORA_SWIGLU(name, Activation, T)                                                                           \
    extern "C" __global__ void swiglu_##name##_##T(const T *gate, const T *up, T *y, uint64_t n) {                    \
        swiglu::forward<swiglu::Activation>(gate, up, y, n);                                                          \
    }                                                                                                                 \
    EXPORT(swiglu_##name##_##T)                                                                                       \
    extern "C" __global__ void swiglu_q8_##name##_##T(const T *gate, const T *up, T *y, uint8_t *q, uint32_t rows,    \
                                                      uint32_t n) {                                                   \
        swiglu::forward_q8<swiglu::Activation>(gate, up, y, q, rows, n);                                              \
    }                                                                                                                 \
    EXPORT(swiglu_q8_##name##_##T)                                                                                    \
    extern "C" __global__ void swiglu_backward_##name##_##T(const T *gate, const T *up, const T *dy, T *gated,        \
                                                            T *dgate, T *dup, uint64_t n) {                           \
        swiglu::backward<swiglu::Activation, T>(gate, up, dy, {gated, dgate, dup}, n);                                \
    }                                                                                                                 \
    EXPORT(swiglu_backward_##name##_##T)

TAILORA_SWIGLU(silu, Silu, f32)
TAILORA_SWIGLU(silu, Silu, bf16)
TAILORA_SWIGLU(gelu, Gelu, f32)
TAILORA_SWIGLU(gelu, Gelu, bf16)
#undef TAILORA_SWIGLU
