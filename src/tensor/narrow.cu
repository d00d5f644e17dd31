// Products of a tall matrix x [rows, n] and a narrow one, of at most 32 columns, as those of a low-rank delta are, and of two
// narrow ones:
//
//   narrow_of_rows_O_bf16      y [rows, r] = scale · x wᵀ, w [r, n]
//   narrow_of_columns_O_bf16   y [rows, r] = scale · x w,  w [n, r]
//   narrow_sums_O_bf16         y(c, j) = scale · Σ over rows of x[row, c] · d[row, j], d [rows, r], in f32; y has strides
//                              of its own, for [n, r] and for [r, n]
//   narrow_by_rows_O_bf16      y [rows, n] = scale · d wᵀ, w [n, r]
//   narrow_by_columns_O_bf16   y [rows, n] = scale · d w,  w [r, n]
//
// r is at most 8·O (16·O in the last two), n a multiple of 8, every address one of 16 bytes. Sums are in f32 and of a fixed
// order.
//
// What they cost is to read x, or to write y, once: tensor cores keep the arithmetic out of the way. Lanes read 16 bytes at a time,
// straight into operands: which of the sum's terms a register holds is the same for both operands, and else anything.
#include "device.cuh"

namespace narrow {
constexpr uint32_t ROWS = 16, CHUNK = 32, COLUMNS = 64;
// Memory is kept busy by as many warps as a multiprocessor has room for: each waits for its loads.
constexpr uint32_t WARPS = 32;
// Accumulators of more columns leave room for half of them.
template <unsigned OCTETS>
constexpr uint32_t SUM_WARPS = OCTETS == 1 ? 32 : 16;

// What lies beyond an end is read from where something is, so that loads wait for no branch; the narrow operand is zero
// there.
__device__ __forceinline__ uint4 load(const bf16 *from) { return *reinterpret_cast<const uint4 *>(from); }

__device__ __forceinline__ uint32_t within(uint32_t index, uint32_t end) { return index < end ? index : 0; }

// Two elements, the earlier in the lower half.
__device__ __forceinline__ uint32_t pair(bf16 one, bf16 other) {
    return __bfloat16_as_ushort(one) | uint32_t(__bfloat16_as_ushort(other)) << 16;
}

// Eight elements from k on: of row `at` of w [rank, n], or of column `at` of w [n, rank].
template <bool BY_ROWS>
__device__ __forceinline__ uint4 of_narrow(const bf16 *w, uint32_t at, uint32_t k, uint32_t n, uint32_t rank) {
    const bool exists = at < rank && k < n;
    at = within(at, rank), k = within(k, n);
    uint4 found;
    if (BY_ROWS) {
        found = load(w + uint64_t(at) * n + k);
    } else {
        const bf16 *from = w + uint64_t(k) * rank + at;
        found = {pair(from[0], from[rank]), pair(from[2 * rank], from[3 * rank]), pair(from[4 * rank], from[5 * rank]),
                 pair(from[6 * rank], from[7 * rank])};
    }
    return exists ? found : uint4{0, 0, 0, 0};
}

// Grid: a block of 32 warps for every 16 rows. Warps share the columns, and add up what they have at the end.
template <unsigned OCTETS, bool BY_ROWS>
__device__ __forceinline__ void product(const bf16 *x, const bf16 *w, bf16 *y, uint32_t rows, uint32_t n,
                                        uint32_t rank, float scale) {
    const uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const uint32_t first = blockIdx.x * ROWS;
    const bf16 *above = x + uint64_t(within(first + g, rows)) * n, *below = x + uint64_t(within(first + g + 8, rows)) * n;
    float d[OCTETS][4] = {};
    for (uint32_t begin = warp * CHUNK; begin < n; begin += WARPS * CHUNK) {
        const uint32_t k = begin + 8 * t;
        const uint4 upper = load(above + within(k, n)), lower = load(below + within(k, n));
#pragma unroll
        for (uint32_t o = 0; o < OCTETS; o++) {
            const uint4 narrow = of_narrow<BY_ROWS>(w, 8 * o + g, k, n, rank);
            mma_bf16(d[o], {upper.x, lower.x, upper.y, lower.y}, {narrow.x, narrow.y});
            mma_bf16(d[o], {upper.z, lower.z, upper.w, lower.w}, {narrow.z, narrow.w});
        }
    }
    __shared__ float parts[WARPS][ROWS][8];
#pragma unroll
    for (uint32_t o = 0; o < OCTETS; o++) {
        if (o > 0) __syncthreads(); // those of the octet before have been read
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) parts[warp][g + i / 2 * 8][2 * t + i % 2] = d[o][i];
        __syncthreads();
        const uint32_t row = threadIdx.x / 8, column = threadIdx.x % 8, at = 8 * o + column;
        if (row >= ROWS || first + row >= rows || at >= rank) continue;
        float sum = 0.0f;
        for (uint32_t part = 0; part < WARPS; part++) sum += parts[part][row][column];
        y[uint64_t(first + row) * rank + at] = from_float<bf16>(scale * sum);
    }
}

// The halves of two words: those of the earlier element, or of the later.
__device__ __forceinline__ uint32_t earlier(uint32_t one, uint32_t other) { return (one & 0xffffu) | other << 16; }
__device__ __forceinline__ uint32_t later(uint32_t one, uint32_t other) { return one >> 16 | (other & 0xffff0000u); }

// Adds what 16 rows give of 64 columns: lane 4g + t has rows 4t.. to 4t + 3 of columns 8g.. to 8g + 7.
template <unsigned OCTETS>
__device__ __forceinline__ void add_rows(float (&sums)[OCTETS][4][4], const uint4 (&x)[4], const uint32_t (&d)[OCTETS][2]) {
#pragma unroll
    for (uint32_t i = 0; i < 4; i++) {
        uint32_t word[4];
#pragma unroll
        for (uint32_t row = 0; row < 4; row++) word[row] = i == 0 ? x[row].x : i == 1 ? x[row].y : i == 2 ? x[row].z : x[row].w;
        const uint32_t a[4] = {earlier(word[0], word[1]), later(word[0], word[1]), earlier(word[2], word[3]),
                               later(word[2], word[3])};
#pragma unroll
        for (uint32_t o = 0; o < OCTETS; o++) mma_bf16(sums[o][i], a, d[o]);
    }
}

// The elements of two rows of d [rows, rank] in one column.
__device__ __forceinline__ uint32_t of_rows(const bf16 *d, uint32_t row, uint32_t rows, uint32_t column, uint32_t rank) {
    const bf16 one = d[uint64_t(within(row, rows)) * rank + within(column, rank)];
    const bf16 other = d[uint64_t(within(row + 1, rows)) * rank + within(column, rank)];
    const uint32_t mask = (row < rows ? 0x0000ffffu : 0) | (row + 1 < rows ? 0xffff0000u : 0);
    return column < rank ? pair(one, other) & mask : 0;
}

// Grid: a block of SUM_WARPS warps for every 64 columns. Warps share the rows.
template <unsigned OCTETS>
__device__ __forceinline__ void sums(const bf16 *x, const bf16 *d, float *y, uint32_t rows, uint32_t n, uint32_t rank,
                                     float scale, uint32_t column_stride, uint32_t rank_stride) {
    constexpr uint32_t ALL = SUM_WARPS<OCTETS>, KEPT = 16;
    const uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const uint32_t first = blockIdx.x * COLUMNS, column = within(first + 8 * g, n);
    float sums[OCTETS][4][4] = {};
    for (uint32_t begin = warp * ROWS; begin < rows; begin += ALL * ROWS) {
        const uint32_t row = begin + 4 * t;
        uint4 values[4];
#pragma unroll
        for (uint32_t j = 0; j < 4; j++) values[j] = load(x + uint64_t(within(row + j, rows)) * n + column);
        uint32_t narrow[OCTETS][2];
#pragma unroll
        for (uint32_t o = 0; o < OCTETS; o++) {
#pragma unroll
            for (uint32_t j = 0; j < 2; j++) narrow[o][j] = of_rows(d, row + 2 * j, rows, 8 * o + g, rank);
        }
        add_rows(sums, values, narrow);
    }
    __shared__ float parts[KEPT][COLUMNS][8];
#pragma unroll
    for (uint32_t o = 0; o < OCTETS; o++) {
        if (o > 0) __syncthreads(); // those of the octet before have been read
        // The later half of the warps first, to which the earlier adds its own.
#pragma unroll
        for (uint32_t half = ALL / KEPT; half-- > 0;) {
            if (warp / KEPT == half) {
#pragma unroll
                for (uint32_t i = 0; i < 16; i++) {
                    float &part = parts[warp % KEPT][8 * g + 2 * (i / 4) + i % 4 / 2][2 * t + i % 2];
                    const float sum = sums[o][i / 4][i % 4];
                    part = half + 1 == ALL / KEPT ? sum : part + sum;
                }
            }
            __syncthreads();
        }
        for (uint32_t i = threadIdx.x; i < COLUMNS * 8; i += ALL * WARP) {
            float sum = 0.0f;
            for (uint32_t part = 0; part < KEPT; part++) sum += parts[part][i / 8][i % 8];
            const uint32_t at = first + i / 8, of = 8 * o + i % 8;
            if (at < n && of < rank) y[uint64_t(at) * column_stride + uint64_t(of) * rank_stride] = scale * sum;
        }
    }
}

// Two elements of the sum over the rank, from `at` on, for one row of y and for one column.
__device__ __forceinline__ uint32_t of_rank(const bf16 *from, uint32_t at, uint32_t rank, uint32_t stride, bool exists) {
    const uint32_t word = pair(from[uint64_t(within(at, rank)) * stride], from[uint64_t(within(at + 1, rank)) * stride]);
    return word & ((exists && at < rank ? 0x0000ffffu : 0) | (exists && at + 1 < rank ? 0xffff0000u : 0));
}

constexpr uint32_t OUTER_WARPS = 4, OUTER_ROWS = 64, OUTER_COLUMNS = 256;

// Grid: x = blocks of 256 columns, y = blocks of 4 warps with 64 rows each. A lane has eight neighbouring columns of a row,
// from the four operands of 8 columns that a step of 32 has.
template <unsigned STEPS, bool BY_ROWS>
__device__ __forceinline__ void outer(const bf16 *d, const bf16 *w, bf16 *y, uint32_t rows, uint32_t n, uint32_t rank,
                                      float scale) {
    const uint32_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const uint32_t first = (blockIdx.y * OUTER_WARPS + warp) * OUTER_ROWS;
    uint32_t a[OUTER_ROWS / 16][STEPS][4];
#pragma unroll
    for (uint32_t m = 0; m < OUTER_ROWS / 16; m++) {
#pragma unroll
        for (uint32_t i = 0; i < STEPS * 4; i++) {
            const uint32_t row = first + 16 * m + g + i % 2 * 8, at = 16 * (i / 4) + i / 2 % 2 * 8 + 2 * t;
            a[m][i / 4][i % 4] = of_rank(d + uint64_t(within(row, rows)) * rank, at, rank, 1, row < rows);
        }
    }
    for (uint32_t step = 0; step < OUTER_COLUMNS / 32; step++) {
        const uint32_t begin = blockIdx.x * OUTER_COLUMNS + step * 32;
        if (begin >= n) return;
        uint32_t b[4][STEPS][2];
#pragma unroll
        for (uint32_t i = 0; i < 4; i++) {
            const uint32_t column = begin + 8 * (g / 2) + 2 * i + g % 2;
            const bf16 *from = w + uint64_t(within(column, n)) * (BY_ROWS ? rank : 1);
#pragma unroll
            for (uint32_t j = 0; j < STEPS * 2; j++)
                b[i][j / 2][j % 2] = of_rank(from, 16 * (j / 2) + j % 2 * 8 + 2 * t, rank, BY_ROWS ? 1 : n, column < n);
        }
#pragma unroll
        for (uint32_t m = 0; m < OUTER_ROWS / 16; m++) {
            float sums[4][4] = {};
#pragma unroll
            for (uint32_t i = 0; i < 4 * STEPS; i++) mma_bf16(sums[i % 4], a[m][i / 4], b[i % 4][i / 4]);
#pragma unroll
            for (uint32_t half = 0; half < 2; half++) {
                const uint32_t row = first + 16 * m + g + 8 * half, column = begin + 8 * t;
                const auto word = [&](uint32_t i) {
                    return pack_bf16(scale * sums[i][2 * half], scale * sums[i][2 * half + 1]);
                };
                if (row < rows && column < n)
                    *reinterpret_cast<uint4 *>(y + uint64_t(row) * n + column) = {word(0), word(1), word(2), word(3)};
            }
        }
    }
}

} // namespace narrow

#define TAILORA_NARROW(O)                                                                                             \
    extern "C" __global__ void __launch_bounds__(32 * narrow::WARPS) narrow_of_rows_##O##_bf16(                                      \
        const bf16 *x, const bf16 *w, bf16 *y, uint32_t rows, uint32_t n, uint32_t rank, float scale) {               \
        narrow::product<O, true>(x, w, y, rows, n, rank, scale);                                                      \
    }                                                                                                                 \
    EXPORT(narrow_of_rows_##O##_bf16)                                                                                 \
    extern "C" __global__ void __launch_bounds__(32 * narrow::WARPS) narrow_of_columns_##O##_bf16(                                   \
        const bf16 *x, const bf16 *w, bf16 *y, uint32_t rows, uint32_t n, uint32_t rank, float scale) {               \
        narrow::product<O, false>(x, w, y, rows, n, rank, scale);                                                     \
    }                                                                                                                 \
    EXPORT(narrow_of_columns_##O##_bf16)                                                                              \
    extern "C" __global__ void __launch_bounds__(32 * narrow::SUM_WARPS<O>) narrow_sums_##O##_bf16(                                         \
        const bf16 *x, const bf16 *d, float *y, uint32_t rows, uint32_t n, uint32_t rank, float scale,                \
        uint32_t column_stride, uint32_t rank_stride) {                                                               \
        narrow::sums<O>(x, d, y, rows, n, rank, scale, column_stride, rank_stride);                                   \
    }                                                                                                                 \
    EXPORT(narrow_sums_##O##_bf16)

TAILORA_NARROW(1)
TAILORA_NARROW(2)
TAILORA_NARROW(3)
TAILORA_NARROW(4)
#undef TAILORA_NARROW

#define TAILORA_OUTER(O)                                                                                              \
    extern "C" __global__ void narrow_by_rows_##O##_bf16(const bf16 *d, const bf16 *w, bf16 *y, uint32_t rows,        \
                                                         uint32_t n, uint32_t rank, float scale) {                    \
        narrow::outer<O, true>(d, w, y, rows, n, rank, scale);                                                        \
    }                                                                                                                 \
    EXPORT(narrow_by_rows_##O##_bf16)                                                                                 \
    extern "C" __global__ void narrow_by_columns_##O##_bf16(const bf16 *d, const bf16 *w, bf16 *y, uint32_t rows,     \
                                                            uint32_t n, uint32_t rank, float scale) {                 \
        narrow::outer<O, false>(d, w, y, rows, n, rank, scale);                                                       \
    }                                                                                                                 \
    EXPORT(narrow_by_columns_##O##_bf16)

TAILORA_OUTER(1)
TAILORA_OUTER(2)
#undef TAILORA_OUTER
