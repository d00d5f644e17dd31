// Low-rank deltas (Hu et al. 2021): the dropout of their input, and both of their products for a few rows, as in
// decoding.
//
//   dropout_T     y = x · mask / (1 − p); the mask is a hash of a seed and an element's index, bit by bit dropout.rs's
//   lora_down_T   low[entry] = drop(x[row]) Aᵀ          A [rank, inputs], f32
//   lora_up_T     y[row] += Σ scaling · low[entry] Bᵀ   B [outputs, rank], f32
//
// An entry is one delta of one row, so rows with different adapters, or with several, go in one launch.
#include "device.cuh"
#include "packs.cuh"

namespace lora {
using packs::load;
using packs::store;
using packs::WIDTH;

// In the memory of the card: 32 bytes.
struct Entry {
    uint64_t row;
    const float *a, *b;
    uint32_t rank;
    float scaling;
};

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

// A block gives one number: the product of a row of x with a row of A.
template <class T>
__device__ __forceinline__ void down(const T *x, float *low, const Entry *entries, uint32_t inputs, uint32_t stride,
                                     Dropout dropout) {
    const Entry &entry = entries[blockIdx.y];
    if (blockIdx.x >= entry.rank) return;
    const uint64_t start = entry.row * inputs;
    const float *a = entry.a + uint64_t(blockIdx.x) * inputs;
    const bool drops = dropout.scale != 1.0f;
    float sum = 0.0f;
    packs::share<WIDTH<T>, uint32_t>(inputs, threadIdx.x, blockDim.x, packs::aligned(x + start, a),
                                     [&](auto count, uint32_t i) {
        constexpr unsigned N = decltype(count)::value;
        float values[N], weights[N];
        load(values, x + start + i);
        load(weights, a + i);
        for (unsigned j = 0; j < N; j++) sum += values[j] * weights[j] * (drops ? dropout.factor(start + i + j) : 1.0f);
    });
    sum = block_sum(sum);
    if (threadIdx.x == 0) low[uint64_t(blockIdx.y) * stride + blockIdx.x] = sum;
}

__device__ __forceinline__ float product(const float *b, const float *low, uint32_t rank) {
    float sum = 0.0f;
    const uint32_t whole = packs::aligned(b, low) ? rank - rank % 4 : 0;
    for (uint32_t j = 0; j < whole; j += 4) {
        float of_b[4], of_low[4];
        load(of_b, b + j);
        load(of_low, low + j);
        for (unsigned k = 0; k < 4; k++) sum += of_b[k] * of_low[k];
    }
    for (uint32_t j = whole; j < rank; j++) sum += b[j] * low[j];
    return sum;
}

// A thread gives one output, all entries of its row in their order.
template <class T>
__device__ __forceinline__ void up(T *y, const float *low, const Entry *entries, const uint32_t *firsts,
                                   uint32_t outputs, uint32_t stride) {
    const uint32_t output = blockIdx.x * blockDim.x + threadIdx.x;
    const uint32_t first = firsts[blockIdx.y], end = firsts[blockIdx.y + 1];
    if (output >= outputs || first == end) return;
    T *to = y + entries[first].row * outputs + output;
    float sum = to_float(*to);
    for (uint32_t i = first; i < end; i++) {
        const Entry &entry = entries[i];
        sum += entry.scaling * product(entry.b + uint64_t(output) * entry.rank, low + uint64_t(i) * stride, entry.rank);
    }
    *to = from_float<T>(sum);
}

} // namespace lora

// Grids: dropout any number of blocks. lora_down x = the largest rank, y = entries. lora_up x = blocks that cover the
// outputs, y = rows: the entries of row y of the launch are firsts[y] to firsts[y + 1] − 1. `stride` is the length of a
// row of low. No dropout: scale = 1.
#define TAILORA_LORA(T)                                                                                               \
    extern "C" __global__ void dropout_##T(const T *x, T *y, uint64_t n, uint64_t seed, uint32_t threshold,           \
                                           float scale) {                                                             \
        lora::dropout(x, y, n, {seed, threshold, scale});                                                             \
    }                                                                                                                 \
    EXPORT(dropout_##T)                                                                                               \
    extern "C" __global__ void __launch_bounds__(1024)                                                                \
        lora_down_##T(const T *x, float *low, const lora::Entry *entries, uint32_t inputs, uint32_t stride,           \
                      uint64_t seed, uint32_t threshold, float scale) {                                               \
        lora::down(x, low, entries, inputs, stride, {seed, threshold, scale});                                        \
    }                                                                                                                 \
    EXPORT(lora_down_##T)                                                                                             \
    extern "C" __global__ void lora_up_##T(T *y, const float *low, const lora::Entry *entries,                        \
                                           const uint32_t *firsts, uint32_t outputs, uint32_t stride) {               \
        lora::up(y, low, entries, firsts, outputs, stride);                                                           \
    }                                                                                                                 \
    EXPORT(lora_up_##T)

TAILORA_LORA(f32)
TAILORA_LORA(bf16)
#undef TAILORA_LORA
