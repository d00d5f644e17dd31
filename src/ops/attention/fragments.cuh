// Tiles of bf16 rows in shared memory and their products on tensor cores, by one warp.
//
// A tile's row has D elements in chunks of 16 bytes; chunk c of row r lies at c xor (r mod 8), so that the eight rows that
// ldmatrix reads at once lie in different banks. The result of a product lies in the registers as the left operand of
// the next one needs it (two neighbouring 16 x 8 results are one 16 x 16 operand), so weights never go through memory.
#pragma once

#include "problem.cuh"

namespace attention {
#ifdef TAILORA_EMULATOR
inline float fast_exp2(float x) { return std::exp2(x); }
#else
__device__ __forceinline__ float fast_exp2(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}
#endif

// As Problem::score where there is a cap, with two operations of the special unit for the tanh; exact enough beside
// operands of bf16.
__device__ __forceinline__ float capped_score(const Problem &p, float product) {
    float power = fast_exp2(product * (2.0f * LOG2E * p.scale / p.softcap));
    return p.softcap * LOG2E * (1.0f - __fdividef(2.0f, power + 1.0f));
}

template <int D>
__device__ __forceinline__ bf16 *chunk_of(bf16 *tile, int row, int chunk) {
    return tile + row * D + (chunk ^ (row & 7)) * 8;
}

// Where a row of a tile begins; one that may be read where there is none, so that nothing branches.
struct Row {
    const bf16 *at;
    bool exists;
};

// Begins to copy ROWS rows of `dim` elements, zeros beyond; `row_at(r)` is Row r.
template <int D, int ROWS, int THREADS, class RowAt>
__device__ __forceinline__ void load_tile(bf16 *tile, uint32_t thread, uint32_t dim, RowAt row_at) {
    constexpr int CHUNKS = D / 8;
    static_assert(ROWS * CHUNKS % THREADS == 0, "every thread copies as many");
#pragma unroll 8
    for (int i = 0; i < ROWS * CHUNKS / THREADS; i++) { // more addresses at once would not fit into registers
        uint32_t index = i * THREADS + thread, row = index / CHUNKS, chunk = index % CHUNKS;
        Row from = row_at(row);
        bool inside = chunk * 8 < dim;
        cp_async16(chunk_of<D>(tile, row, chunk), from.at + (inside ? chunk * 8 : 0), from.exists && inside);
    }
}

template <int N>
__device__ __forceinline__ void clear(float (&values)[N][4]) {
#pragma unroll
    for (int i = 0; i < N; i++) values[i][0] = values[i][1] = values[i][2] = values[i][3] = 0.0f;
}

// s [16, N] += left [row.., D] · right [N, D]ᵀ
template <int D, int N>
__device__ __forceinline__ void multiply_rows(float (&s)[N / 8][4], bf16 *left, int row, bf16 *right) {
    int lane = threadIdx.x % WARP;
#pragma unroll
    for (int step = 0; step < D / 16; step++) {
        uint32_t a[4];
        load_matrices(a, chunk_of<D>(left, row + lane % 16, 2 * step + lane / 16));
#pragma unroll
        for (int n = 0; n < N / 16; n++) {
            uint32_t b[4];
            load_matrices(b, chunk_of<D>(right, 16 * n + lane % 8 + lane / 16 * 8, 2 * step + lane / 8 % 2));
            mma_bf16(s[2 * n], a, {b[0], b[1]});
            mma_bf16(s[2 * n + 1], a, {b[2], b[3]});
        }
    }
}

// sums [16, COLUMNS] += weights [16, N] · rows [N, D], of which the columns from 8 · chunk on
template <int D, int N, int COLUMNS>
__device__ __forceinline__ void add_weighted(float (&sums)[COLUMNS / 8][4], const float (&weights)[N / 8][4],
                                             bf16 *rows, int chunk) {
    int lane = threadIdx.x % WARP;
#pragma unroll
    for (int step = 0; step < N / 16; step++) {
        const float(&left)[4] = weights[2 * step], (&right)[4] = weights[2 * step + 1];
        uint32_t a[4] = {pack_bf16(left[0], left[1]), pack_bf16(left[2], left[3]), pack_bf16(right[0], right[1]),
                         pack_bf16(right[2], right[3])};
#pragma unroll
        for (int c = 0; c < COLUMNS / 16; c++) {
            uint32_t b[4];
            load_matrices_transposed(b, chunk_of<D>(rows, 16 * step + lane % 16, chunk + 2 * c + lane / 16));
            mma_bf16(sums[2 * c], a, {b[0], b[1]});
            mma_bf16(sums[2 * c + 1], a, {b[2], b[3]});
        }
    }
}

// Products become scores. Whether there is a cap is asked once, not for each.
template <int N>
__device__ __forceinline__ void to_scores(const Problem &p, float (&s)[N][4]) {
    if (p.softcap == 0.0f) {
        float scale = p.scale * LOG2E;
#pragma unroll
        for (int i = 0; i < 4 * N; i++) s[i / 4][i % 4] *= scale;
    } else {
#pragma unroll
        for (int i = 0; i < 4 * N; i++) s[i / 4][i % 4] = capped_score(p, s[i / 4][i % 4]);
    }
}

// What backward knows of one weight: whether its key is seen, lse in units of ln 2, and delta.
struct Known {
    bool seen;
    float lse, delta;
};

// In `s`, products become weights; in `d`, gradients of weights become those of products. `known(n, i)` says the rest.
template <int N, class Of>
__device__ __forceinline__ void to_slopes(const Problem &p, float (&s)[N][4], float (&d)[N][4], Of known) {
    to_scores(p, s);
    if (p.softcap == 0.0f) {
#pragma unroll
        for (int i = 0; i < 4 * N; i++) d[i / 4][i % 4] = (d[i / 4][i % 4] - known(i / 4, i % 4).delta) * p.scale;
    } else {
#pragma unroll
        for (int i = 0; i < 4 * N; i++) {
            d[i / 4][i % 4] = (d[i / 4][i % 4] - known(i / 4, i % 4).delta) * p.slope(s[i / 4][i % 4]);
        }
    }
#pragma unroll
    for (int i = 0; i < 4 * N; i++) {
        Known of = known(i / 4, i % 4);
        float weight = fast_exp2(fminf(s[i / 4][i % 4] - of.lse, 0.0f)); // never more than all
        s[i / 4][i % 4] = of.seen ? weight : 0.0f;
        d[i / 4][i % 4] *= s[i / 4][i % 4];
    }
}

// The four lanes that hold a row between them.
__device__ __forceinline__ float quad_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}
__device__ __forceinline__ float quad_sum(float x) {
    x += __shfl_xor_sync(ALL_LANES, x, 1);
    return x + __shfl_xor_sync(ALL_LANES, x, 2);
}

// Rows g and g + 8 of a 16-row result, [COLUMNS] from `column` on, times a factor each. `row_at(r)` is where
// row r begins, null for none.
template <int COLUMNS, class RowAt>
__device__ __forceinline__ void store_rows(const float (&sums)[COLUMNS / 8][4], const float (&factors)[2], uint32_t column,
                                           uint32_t dim, RowAt row_at) {
    uint32_t g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
        bf16 *to = row_at(g + 8 * half);
        if (to == nullptr) continue;
#pragma unroll
        for (int c = 0; c < COLUMNS / 8; c++) {
            uint32_t at = column + 8 * c + 2 * t;
            if (at >= dim) continue;
            float factor = factors[half];
            *reinterpret_cast<uint32_t *>(to + at) = pack_bf16(sums[c][2 * half] * factor, sums[c][2 * half + 1] * factor);
        }
    }
}

// The softmax of the rows g and g + 8 over keys that come tile by tile (Milakov & Gimelshein 2018).
template <int D>
struct Online {
    float out[D / 8][4];
    float most[2];
    float sum[2]; // of this lane's columns

    __device__ __forceinline__ Online() : most{-INFINITY, -INFINITY}, sum{0.0f, 0.0f} { clear(out); }

    // Makes scores weights relative to the new maxima and brings what was summed to those.
    template <int N>
    __device__ __forceinline__ void weigh(float (&s)[N][4]) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float largest = most[half];
#pragma unroll
            for (int n = 0; n < N; n++) largest = fmaxf(largest, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
            largest = quad_max(largest);
            // A row that has seen no key yet.
            float base = largest == -INFINITY ? 0.0f : largest;
            float shrink = fast_exp2(most[half] - base);
            most[half] = largest;
            sum[half] *= shrink;
#pragma unroll
            for (int n = 0; n < N; n++) {
#pragma unroll
                for (int i = 2 * half; i < 2 * half + 2; i++) {
                    s[n][i] = fast_exp2(s[n][i] - base);
                    sum[half] += s[n][i];
                }
            }
#pragma unroll
            for (int c = 0; c < D / 8; c++) out[c][2 * half] *= shrink, out[c][2 * half + 1] *= shrink;
        }
    }
};
} // namespace attention
