// What is done to matrices element by element and row by row: casts, sums, copies, and the two reductions over a whole
// matrix. T, U: f32 or bf16, computed in f32.
//
//   cast       to = from                         add         to += from           add_scaled  to += scale · from
//   join       to = residual + x
//   scale      x *= factor                       add_row     x[r] += row
//   copy_columns     to[r, c] = from[r, c], both with a stride of their own
//   scatter_add_rows to[rows[i]] += from[i]
//   sum_of_squares   partials[block] = Σ x²      not_finite  flag = 1 if any x is not
//
// All but the last line pass over memory once, 16 bytes an access: their bound is its bandwidth.
#include "device.cuh"
#include "packs.cuh"

namespace elements {
using packs::load;
using packs::store;
using packs::WIDTH;

template <class T, class U>
__device__ __forceinline__ void cast(const T *from, U *to, uint64_t n) {
    packs::each(n, to, [](float x) { return x; }, from);
}

template <class T, class U>
__device__ __forceinline__ void add_scaled(T *to, const U *from, float scale, uint64_t n) {
    packs::each(n, to, [=](float sum, float x) { return sum + scale * x; }, to, from);
}

// An activation joins the residual stream, whose type the result has.
__device__ __forceinline__ void join(const float *residual, const bf16 *x, float *to, uint64_t n) {
    packs::each(n, to, [](float sum, float more) { return sum + more; }, residual, x);
}

template <class T>
__device__ __forceinline__ void scale(T *x, float factor, uint64_t n) {
    packs::each(n, x, [=](float value) { return value * factor; }, x);
}

template <class T>
__device__ __forceinline__ void add_row(T *x, const float *row, uint32_t cols) {
    T *to = x + uint64_t(blockIdx.x) * cols;
    packs::over_columns<WIDTH<T>>(cols, packs::aligned(to, row), [=](auto count, uint32_t i) {
        constexpr unsigned N = decltype(count)::value;
        float sum[N], more[N];
        load(sum, to + i);
        load(more, row + i);
        for (unsigned j = 0; j < N; j++) sum[j] += more[j];
        store(to + i, sum);
    });
}

template <class T>
__device__ __forceinline__ void copy_columns(const T *from, uint64_t from_stride, T *to, uint64_t to_stride,
                                             uint32_t width) {
    from += blockIdx.x * from_stride;
    to += blockIdx.x * to_stride;
    packs::over_columns<WIDTH<T>>(width, packs::aligned(from, to), [=](auto count, uint32_t i) {
        using Pack = packs::Pack<T, decltype(count)::value>;
        *reinterpret_cast<Pack *>(to + i) = *reinterpret_cast<const Pack *>(from + i);
    });
}

// A row may be named twice: the block of the first that names it adds all of them, in their order, so the sum has the
// same bits each time.
template <class T>
__device__ __forceinline__ void scatter_add_rows(T *to, const T *from, const uint32_t *rows, uint32_t count,
                                                 uint32_t cols) {
    const uint32_t first = blockIdx.x, row = rows[first];
    float before = 0.0f, after = 0.0f;
    for (uint32_t i = threadIdx.x; i < count; i += blockDim.x) {
        if (rows[i] != row) continue;
        if (i < first) before = 1.0f;
        if (i > first) after = 1.0f;
    }
    if (block_max(before) > 0.0f) return;
    const uint32_t end = block_max(after) > 0.0f ? count : first + 1;
    T *sums = to + uint64_t(row) * cols;
    packs::over_columns<WIDTH<T>>(cols, packs::aligned(sums) && packs::aligned(from) && cols % WIDTH<T> == 0,
                                  [=](auto lanes, uint32_t column) {
        constexpr unsigned N = decltype(lanes)::value;
        float sum[N], x[N];
        load(sum, sums + column);
        for (uint32_t i = first; i < end; i++) {
            if (rows[i] != row) continue;
            load(x, from + uint64_t(i) * cols + column);
            for (unsigned j = 0; j < N; j++) sum[j] += x[j];
        }
        store(sums + column, sum);
    });
}

// One partial sum a block: the caller adds them in order. The number of blocks must follow from n alone.
template <class T>
__device__ __forceinline__ void sum_of_squares(const T *x, float *partials, uint64_t n) {
    float sum = 0.0f;
    packs::over_grid<WIDTH<T>>(n, packs::aligned(x), [&](auto count, uint64_t i) {
        float values[decltype(count)::value];
        load(values, x + i);
        for (float value : values) sum += value * value;
    });
    sum = block_sum(sum);
    if (threadIdx.x == 0) partials[blockIdx.x] = sum;
}

template <class T>
__device__ __forceinline__ void not_finite(const T *x, uint32_t *flag, uint64_t n) {
    bool found = false;
    packs::over_grid<WIDTH<T>>(n, packs::aligned(x), [&](auto count, uint64_t i) {
        float values[decltype(count)::value];
        load(values, x + i);
        for (float value : values) found |= !isfinite(value);
    });
    // All that write, write the same.
    if (found) *flag = 1;
}

} // namespace elements

#define TAILORA_OF_TWO(T, U)                                                                                          \
    extern "C" __global__ void cast_##T##_##U(const T *from, U *to, uint64_t n) {                                     \
        elements::cast(from, to, n);                                                                                  \
    }                                                                                                                 \
    EXPORT(cast_##T##_##U)                                                                                            \
    extern "C" __global__ void add_##T##_##U(T *to, const U *from, uint64_t n) {                                      \
        elements::add_scaled(to, from, 1.0f, n);                                                                      \
    }                                                                                                                 \
    EXPORT(add_##T##_##U)                                                                                             \
    extern "C" __global__ void add_scaled_##T##_##U(T *to, const U *from, float scale, uint64_t n) {                  \
        elements::add_scaled(to, from, scale, n);                                                                     \
    }                                                                                                                 \
    EXPORT(add_scaled_##T##_##U)

TAILORA_OF_TWO(f32, f32)
TAILORA_OF_TWO(f32, bf16)
TAILORA_OF_TWO(bf16, f32)
TAILORA_OF_TWO(bf16, bf16)
#undef TAILORA_OF_TWO

extern "C" __global__ void join_f32_bf16(const float *residual, const bf16 *x, float *to, uint64_t n) {
    elements::join(residual, x, to, n);
}
EXPORT(join_f32_bf16)

// Grids: scale, sum_of_squares and not_finite any number of blocks; add_row and copy_columns x = rows;
// scatter_add_rows x = count, y = 1 or more, each for a share of the columns.
#define TAILORA_OF_ONE(T)                                                                                             \
    extern "C" __global__ void scale_##T(T *x, float factor, uint64_t n) {                                            \
        elements::scale(x, factor, n);                                                                                \
    }                                                                                                                 \
    EXPORT(scale_##T)                                                                                                 \
    extern "C" __global__ void add_row_##T(T *x, const float *row, uint32_t cols) {                                   \
        elements::add_row(x, row, cols);                                                                              \
    }                                                                                                                 \
    EXPORT(add_row_##T)                                                                                               \
    extern "C" __global__ void copy_columns_##T(const T *from, uint64_t from_stride, T *to, uint64_t to_stride,       \
                                                uint32_t width) {                                                     \
        elements::copy_columns(from, from_stride, to, to_stride, width);                                              \
    }                                                                                                                 \
    EXPORT(copy_columns_##T)                                                                                          \
    extern "C" __global__ void scatter_add_rows_##T(T *to, const T *from, const uint32_t *rows, uint32_t count,       \
                                                    uint32_t cols) {                                                  \
        elements::scatter_add_rows(to, from, rows, count, cols);                                                      \
    }                                                                                                                 \
    EXPORT(scatter_add_rows_##T)                                                                                      \
    extern "C" __global__ void sum_of_squares_##T(const T *x, float *partials, uint64_t n) {                          \
        elements::sum_of_squares(x, partials, n);                                                                     \
    }                                                                                                                 \
    EXPORT(sum_of_squares_##T)                                                                                        \
    extern "C" __global__ void not_finite_##T(const T *x, uint32_t *flag, uint64_t n) {                               \
        elements::not_finite(x, flag, n);                                                                             \
    }                                                                                                                 \
    EXPORT(not_finite_##T)

TAILORA_OF_ONE(f32)
TAILORA_OF_ONE(bf16)
#undef TAILORA_OF_ONE
