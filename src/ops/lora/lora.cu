// Low-rank deltas (Hu et al. 2021): the dropout of their input, and their products for a few rows, as in decoding.
//
//   dropout_T     y = x · mask / (1 − p); the mask is a hash of a seed and an element's index, bit by bit dropout.rs's
//   lora_down_T   low [rows, all ranks] = x Aᵀ of up to three deltas of one input, side by side   A [rank, inputs], f32
//   lora_up_T     y += scaling · low Bᵀ                                                            B [outputs, rank], f32
//
// What products with weights put on top themselves (`parts.cuh`) needs no lora_up.
#include "device.cuh"
#include "low_rank.cuh"
#include "packs.cuh"

namespace lora {
using packs::load;
using packs::store;
using packs::WIDTH;

// What an element is multiplied with: 0 where its hash is below the threshold.
struct Dropout {
    uint64_t seed;
    uint32_t threshold;
    float scale;

    __device__ __forceinline__ float factor(uint64_t index) const { return hash(index) < threshold ? 0.0f : scale; }

    // SplitMix64's finaliser (Steele et al. 2014).
    __device__ __forceinline__ uint32_t hash(uint64_t index) const {
        uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        return uint32_t((z ^ (z >> 31)) >> 32);
    }
};

template <class T>
__device__ __forceinline__ void dropout(const T *x, T *y, uint64_t n, Dropout dropout) {
    packs::over_grid<WIDTH<T>>(n, packs::aligned(x, y), [=](auto count, uint64_t i) {
        constexpr unsigned N = decltype(count)::value;
        float values[N];
        load(values, x + i);
        for (unsigned j = 0; j < N; j++) values[j] *= dropout.factor(i + j);
        store(y + i, values);
    });
}

// A block gives one number: the product of a row of x with a row of one A.
template <class T>
__device__ __forceinline__ void down(const T *x, float *low, const float *const (&as)[3], const uint32_t (&ranks)[3],
                                     uint32_t inputs) {
    uint32_t row_of_a = blockIdx.x;
    const float *a = as[0];
    if (row_of_a >= ranks[0]) {
        row_of_a -= ranks[0], a = as[1];
        if (row_of_a >= ranks[1]) row_of_a -= ranks[1], a = as[2];
    }
    a += uint64_t(row_of_a) * inputs;
    for (uint32_t i = threadIdx.x * WIDTH<T>; i < inputs; i += blockDim.x * WIDTH<T>) prefetch(a + i);
    wait_for_inputs();
    x += uint64_t(blockIdx.y) * inputs;
    float sum = 0.0f;
    packs::share<WIDTH<T>, uint32_t>(inputs, threadIdx.x, blockDim.x, packs::aligned(x, a), [&](auto count, uint32_t i) {
        constexpr unsigned N = decltype(count)::value;
        float values[N], weights[N];
        load(values, x + i);
        load(weights, a + i);
        for (unsigned j = 0; j < N; j++) sum += values[j] * weights[j];
    });
    sum = block_sum(sum);
    if (threadIdx.x == 0) low[uint64_t(blockIdx.y) * gridDim.x + blockIdx.x] = sum;
}

// A thread gives one output of row blockIdx.y.
template <class T>
__device__ __forceinline__ void up(T *y, const float *low, const float *b, uint32_t outputs, uint32_t rank, float scaling) {
    wait_for_inputs();
    const uint32_t output = blockIdx.x * blockDim.x + threadIdx.x;
    if (output >= outputs) return;
    T *to = y + uint64_t(blockIdx.y) * outputs + output;
    const float more = low_rank::product(b + uint64_t(output) * rank, low + uint64_t(blockIdx.y) * rank, rank);
    *to = from_float<T>(to_float(*to) + scaling * more);
}

} // namespace lora

// Grids: dropout any number of blocks. lora_down x = all ranks, y = rows. lora_up x = blocks that cover the outputs, y = rows.
#define TAILORA_LORA(T)                                                                                               \
    extern "C" __global__ void dropout_##T(const T *x, T *y, uint64_t n, uint64_t seed, uint32_t threshold,           \
                                           float scale) {                                                             \
        lora::dropout(x, y, n, {seed, threshold, scale});                                                             \
    }                                                                                                                 \
    EXPORT(dropout_##T)                                                                                               \
    extern "C" __global__ void __launch_bounds__(1024)                                                                \
        lora_down_##T(const T *x, float *low, const float *a0, const float *a1, const float *a2, uint32_t rank0,      \
                      uint32_t rank1, uint32_t rank2, uint32_t inputs) {                                              \
        lora::down(x, low, {a0, a1, a2}, {rank0, rank1, rank2}, inputs);                                              \
    }                                                                                                                 \
    EXPORT(lora_down_##T)                                                                                             \
    extern "C" __global__ void lora_up_##T(T *y, const float *low, const float *b, uint32_t outputs, uint32_t rank,   \
                                           float scaling) {                                                           \
        lora::up(y, low, b, outputs, rank, scaling);                                                                  \
    }                                                                                                                 \
    EXPORT(lora_up_##T)

TAILORA_LORA(f32)
TAILORA_LORA(bf16)
#undef TAILORA_LORA
