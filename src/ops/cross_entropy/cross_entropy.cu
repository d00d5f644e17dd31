// Cross-entropy of a chunk of logits [rows, vocab], capped to c · tanh(logit / c) where c is not 0:
//
//   losses[row] = ln Σ exp(l − max) − (l[target] − max)
//   logits      = factor · (softmax(l) − onehot(target)), times the cap's slope 1 − (l/c)²: in place, if `gradient` ≠ 0
//
// One block a row (grid: x = rows). Maximum and sum come from one sweep: each thread keeps the largest value that it
// has seen and the sum relative to it (Milakov & Gimelshein 2018), and the block joins them in a fixed order. A second
// sweep writes the gradient; a chunk that the L2 cache holds is read from memory once. The bound is memory bandwidth.
#include "device.cuh"
#include "packs.cuh"

namespace cross_entropy {
using packs::load;
using packs::store;

// Σ exp(l − max) of the values seen; the exponent of what no number is below is 0.
struct Softmax {
    float max = -3.402823466e38f;
    float sum = 0.0f;

    template <unsigned N>
    __device__ __forceinline__ void add(const float (&l)[N]) {
        float largest = max;
        for (float each : l) largest = fmaxf(largest, each);
        sum *= __expf(max - largest);
        max = largest;
        for (float each : l) sum += __expf(each - max);
    }

    __device__ __forceinline__ void join_block() {
        const float largest = block_max(max);
        sum = block_sum(sum * __expf(max - largest));
        max = largest;
    }
};

template <unsigned N>
__device__ __forceinline__ void cap(float (&l)[N], float c) {
    if (c == 0.0f) return;
    for (float &each : l) each = c * tanhf(each / c);
}

template <class T>
__device__ __forceinline__ void write_gradient(T *row, uint32_t target, uint32_t vocab, float factor, float c,
                                               const Softmax &softmax) {
    const float scale = factor / softmax.sum, inverse = c == 0.0f ? 0.0f : 1.0f / c;
    packs::share<packs::WIDTH<T>, uint32_t>(vocab, threadIdx.x, blockDim.x, packs::aligned(row),
                                            [=](auto count, uint32_t i) {
        constexpr unsigned N = decltype(count)::value;
        float l[N];
        load(l, row + i);
        cap(l, c);
        for (unsigned j = 0; j < N; j++) {
            const float tanh = l[j] * inverse;
            l[j] = (scale * __expf(l[j] - softmax.max) - (i + j == target ? factor : 0.0f)) * (1.0f - tanh * tanh);
        }
        store(row + i, l);
    });
}

template <class T>
__device__ __forceinline__ void softmax_loss(T *logits, const uint32_t *targets, float *losses, uint32_t vocab,
                                             float factor, float c, uint32_t gradient) {
    T *row = logits + uint64_t(blockIdx.x) * vocab;
    const uint32_t target = targets[blockIdx.x];
    float at_target[1] = {to_float(row[target])};
    cap(at_target, c);
    Softmax softmax;
    packs::share<packs::WIDTH<T>, uint32_t>(vocab, threadIdx.x, blockDim.x, packs::aligned(row),
                                            [&](auto count, uint32_t i) {
        float l[decltype(count)::value];
        load(l, row + i);
        cap(l, c);
        softmax.add(l);
    });
    // Its barriers also keep the target's logit until every thread has read it.
    softmax.join_block();
    if (threadIdx.x == 0) losses[blockIdx.x] = logf(softmax.sum) - (at_target[0] - softmax.max);
    if (gradient) write_gradient(row, target, vocab, factor, c, softmax);
}

} // namespace cross_entropy

#define TAILORA_SOFTMAX_LOSS(T)                                                                                       \
    extern "C" __global__ void __launch_bounds__(1024)                                                                \
        softmax_loss_##T(T *logits, const uint32_t *targets, float *losses, uint32_t vocab, float factor, float c,    \
                         uint32_t gradient) {                                                                         \
        cross_entropy::softmax_loss(logits, targets, losses, vocab, factor, c, gradient);                             \
    }                                                                                                                 \
    EXPORT(softmax_loss_##T)

TAILORA_SOFTMAX_LOSS(f32)
TAILORA_SOFTMAX_LOSS(bf16)
#undef TAILORA_SOFTMAX_LOSS
