// How the outputs of a mixture's experts come together, and the gradients of the weights; weights in f32.
//
//   add_weighted_T_U   to[rows[i]] += weights[i] · from[i]; no row is named twice
//   scale_rows_T       x[i] *= weights[i]
//   row_products_T_U   products[i] = a[i] · b[i], f32
//
// Grid: x = rows, y = 1 or more blocks, each for a share of the columns (row_products: 1). The bound is memory
// bandwidth.
#include "device.cuh"
#include "packs.cuh"

namespace experts {
using packs::load;
using packs::store;
using packs::WIDTH;

template <class T, class U>
__device__ __forceinline__ void add_weighted(T *to, const U *from, const uint32_t *rows, const float *weights,
                                             uint32_t cols) {
    to += uint64_t(rows[blockIdx.x]) * cols;
    from += uint64_t(blockIdx.x) * cols;
    const float weight = weights[blockIdx.x];
    packs::over_columns<WIDTH<T, U>>(cols, packs::aligned(to, from), [=](auto count, uint32_t i) {
        constexpr unsigned N = decltype(count)::value;
        float sum[N], more[N];
        load(sum, to + i);
        load(more, from + i);
        for (unsigned j = 0; j < N; j++) sum[j] += weight * more[j];
        store(to + i, sum);
    });
}

template <class T>
__device__ __forceinline__ void scale_rows(T *x, const float *weights, uint32_t cols) {
    x += uint64_t(blockIdx.x) * cols;
    const float weight = weights[blockIdx.x];
    packs::over_columns<WIDTH<T>>(cols, packs::aligned(x), [=](auto count, uint32_t i) {
        constexpr unsigned N = decltype(count)::value;
        float values[N];
        load(values, x + i);
        for (unsigned j = 0; j < N; j++) values[j] *= weight;
        store(x + i, values);
    });
}

template <class T, class U>
__device__ __forceinline__ void row_products(const T *a, const U *b, float *products, uint32_t cols) {
    a += uint64_t(blockIdx.x) * cols;
    b += uint64_t(blockIdx.x) * cols;
    float sum = 0.0f;
    packs::over_columns<WIDTH<T, U>>(cols, packs::aligned(a, b), [&](auto count, uint32_t i) {
        constexpr unsigned N = decltype(count)::value;
        float of_a[N], of_b[N];
        load(of_a, a + i);
        load(of_b, b + i);
        for (unsigned j = 0; j < N; j++) sum += of_a[j] * of_b[j];
    });
    sum = block_sum(sum);
    if (threadIdx.x == 0) products[blockIdx.x] = sum;
}

} // namespace experts

#define TAILORA_EXPERTS(T, U)                                                                                         \
    extern "C" __global__ void add_weighted_##T##_##U(T *to, const U *from, const uint32_t *rows,                     \
                                                      const float *weights, uint32_t cols) {                          \
        experts::add_weighted(to, from, rows, weights, cols);                                                         \
    }                                                                                                                 \
    EXPORT(add_weighted_##T##_##U)                                                                                    \
    extern "C" __global__ void row_products_##T##_##U(const T *a, const U *b, float *products, uint32_t cols) {       \
        experts::row_products(a, b, products, cols);                                                                  \
    }                                                                                                                 \
    EXPORT(row_products_##T##_##U)

TAILORA_EXPERTS(f32, f32)
TAILORA_EXPERTS(f32, bf16)
TAILORA_EXPERTS(bf16, f32)
TAILORA_EXPERTS(bf16, bf16)
#undef TAILORA_EXPERTS

#define TAILORA_SCALE_ROWS(T)                                                                                         \
    extern "C" __global__ void scale_rows_##T(T *x, const float *weights, uint32_t cols) {                            \
        experts::scale_rows(x, weights, cols);                                                                        \
    }                                                                                                                 \
    EXPORT(scale_rows_##T)

TAILORA_SCALE_ROWS(f32)
TAILORA_SCALE_ROWS(bf16)
#undef TAILORA_SCALE_ROWS
