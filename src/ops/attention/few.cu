// Attention of a few queries over many keys (decode) on tensor cores: bf16, heads of a multiple of 16 up to 256.
//
// All query heads of a key head read the same keys, so 16 (query, head) rows are one operand and every key is read once.
// The keys are split over blocks, so that one long sequence fills the card (Dao 2023, Flash-Decoding), and within a block
// over warps, which go on by themselves, 16 keys at a time, and join their softmaxes at the end.
// Grid: (splits, key_heads · chunks of 16 rows, tiles: one entry a span). Shared memory: (16 + WARPS · 4 · 16) · D bf16.
// With one split the result goes to out, and in 8 bits to out8 if that is not null and heads are of a multiple of 32; else
// each to partial [splits, tokens, query_heads · dim] and lse [splits, tokens, query_heads], for attention_combine.

#include "eight_bits.cuh"
#include "fragments.cuh"

namespace attention {
constexpr int ROWS = 16; // of queries and of keys

template <int D, int WARPS>
struct Few {
    const Problem p;
    const Span span;
    const uint32_t key_head, first_row;
    const bf16 *k, *v;
    bf16 *q_tile, *strips;

    __device__ __forceinline__ bf16 *k_strip(uint32_t n) const {
        return strips + (threadIdx.x / WARP * 2 + n % 2) * 2 * ROWS * D;
    }
    __device__ __forceinline__ bf16 *v_strip(uint32_t n) const { return k_strip(n) + ROWS * D; }
    __device__ __forceinline__ uint32_t query_of(uint32_t row) const { return (first_row + row) / p.group(); }
    // Where a row's query begins.
    __device__ __forceinline__ uint64_t offset_of(uint32_t row) const {
        uint32_t head = key_head * p.group() + (first_row + row) % p.group();
        return p.of_query(uint64_t(span.query) + query_of(row), head);
    }

    __device__ __forceinline__ void load_queries(const bf16 *q) const {
        load_tile<D, ROWS, WARPS * WARP>(q_tile, threadIdx.x, p.dim, [&](uint32_t row) -> Row {
            bool exists = query_of(row) < span.queries;
            return {q + offset_of(exists ? row : 0), exists};
        });
    }
    __device__ __forceinline__ void load_keys(uint32_t n, uint32_t strip) const {
        auto load = [&](bf16 *tile, const bf16 *x) {
            load_tile<D, ROWS, WARP>(tile, threadIdx.x % WARP, p.dim, [&](uint32_t row) -> Row {
                uint32_t key = strip * ROWS + row;
                return {x + p.of_key(p.key_row(span, min(key, span.keys - 1)), key_head), key < span.keys};
            });
        };
        load(k_strip(n), k);
        load(v_strip(n), v);
    }

    // Asks for the keys of these strips and their values: for the newest, too, which may be on their way to where they lie.
    __device__ __forceinline__ void prefetch_keys(uint32_t begin, uint32_t end) const {
        constexpr uint32_t LINE = 64, LINES = D / LINE;
        for (uint32_t strip = begin + threadIdx.x / WARP; strip < end; strip += WARPS)
            for (uint32_t i = threadIdx.x % WARP; i < ROWS * LINES; i += WARP) {
                uint32_t key = min(strip * ROWS + i / LINES, span.keys - 1), column = i % LINES * LINE;
                if (column >= p.dim) continue;
                uint64_t at = p.of_key(p.key_row(span, key), key_head) + column;
                prefetch(k + at);
                prefetch(v + at);
            }
    }

    __device__ __forceinline__ void hide(float (&s)[ROWS / 8][4], uint32_t strip, const uint32_t (&positions)[2]) const {
        uint32_t t = threadIdx.x % 4;
#pragma unroll
        for (int i = 0; i < ROWS / 2; i++) {
            uint32_t key = strip * ROWS + 8 * (i / 4) + 2 * t + i % 2, position = positions[i % 4 / 2];
            bool seen = key <= position && key >= p.first_key(position);
            s[i / 4][i % 4] = seen ? s[i / 4][i % 4] : -INFINITY;
        }
    }

    // The strips of keys from begin to end, every WARPS-th for a warp.
    __device__ __forceinline__ void sum(Online<D> &online, const bf16 *q, uint32_t begin, uint32_t end) const {
        uint32_t strip = begin + threadIdx.x / WARP, n = 0, g = threadIdx.x % WARP / 4;
        const uint32_t positions[2] = {span.position(query_of(g)), span.position(query_of(g + 8))};
        load_queries(q);
        cp_async_commit();
        if (strip < end) load_keys(0, strip);
        cp_async_commit();
        cp_async_wait<1>();
        __syncthreads();
        for (; strip < end; strip += WARPS, n++) {
            if (strip + WARPS < end) load_keys(n + 1, strip + WARPS);
            cp_async_commit();
            cp_async_wait<1>();
            __syncwarp();
            float s[ROWS / 8][4];
            clear(s);
            multiply_rows<D, ROWS>(s, q_tile, 0, k_strip(n));
            to_scores(p, s);
            hide(s, strip, positions);
            online.weigh(s);
            add_weighted<D, ROWS, D>(online.out, s, v_strip(n), 0);
            __syncwarp();
        }
        cp_async_wait<0>();
        __syncthreads();
    }

    // Into shared memory, which is read no more: sums [WARPS, 16, D], and of each row the maximum and the sum.
    __device__ __forceinline__ void share(const Online<D> &online, float *sums, float *most, float *weights) const {
        uint32_t warp = threadIdx.x / WARP, g = threadIdx.x % WARP / 4, t = threadIdx.x % 4;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            uint32_t row = warp * ROWS + g + 8 * half;
            float weight = quad_sum(online.sum[half]);
            if (t == 0) most[row] = online.most[half], weights[row] = weight;
#pragma unroll
            for (int c = 0; c < D / 8; c++) {
                float2 pair = make_float2(online.out[c][2 * half], online.out[c][2 * half + 1]);
                *reinterpret_cast<float2 *>(sums + row * D + 8 * c + 2 * t) = pair;
            }
        }
        __syncthreads();
    }

    // What the warps have of a row, four features a lane, by one of them.
    __device__ __forceinline__ void join(uint32_t row, const float *sums, const float *most, const float *weights, bf16 *out, uint8_t *out8,
                                         float *partial, float *lse, uint64_t tokens) const {
        const uint32_t token = span.query + query_of(row), head = key_head * p.group() + (first_row + row) % p.group();
        const uint64_t pair = uint64_t(token) * p.query_heads + head, part = blockIdx.x * tokens * p.query_heads + pair;
        float largest = most[row], weight = 0.0f, factors[WARPS];
#pragma unroll
        for (int warp = 1; warp < WARPS; warp++) largest = fmaxf(largest, most[warp * ROWS + row]);
        const float base = largest == -INFINITY ? 0.0f : largest;
#pragma unroll
        for (int warp = 0; warp < WARPS; warp++) {
            factors[warp] = fast_exp2(most[warp * ROWS + row] - base);
            weight += factors[warp] * weights[warp * ROWS + row];
        }
        const float inverse = weight > 0.0f ? 1.0f / weight : 0.0f; // 0: none of its keys are in this split
        for (uint32_t first = 0; first < D; first += 4 * WARP) {
            const uint32_t column = first + threadIdx.x % WARP * 4;
            const bool exists = column < p.dim; // a multiple of 16
            float values[4] = {};
#pragma unroll
            for (int warp = 0; warp < WARPS; warp++) {
                float of_warp[4];
                if (exists) packs::load(of_warp, sums + (warp * ROWS + row) * D + column);
#pragma unroll
                for (int j = 0; j < 4; j++) values[j] += exists ? factors[warp] * of_warp[j] * inverse : 0.0f;
            }
            if (gridDim.x > 1) {
                if (exists) packs::store(partial + part * p.dim + column, values);
                continue;
            }
            if (exists) eight_bits::write(out + pair * p.dim, column, p.dim, values);
            if (out8) eight_bits::Row(out8, tokens, p.query_heads * p.dim, token).put(head * p.dim + column, exists, values);
        }
        if (gridDim.x > 1 && threadIdx.x % WARP == 0) lse[part] = LN2 * (largest + log2f(weight));
    }

    __device__ __forceinline__ void run(const bf16 *q, bf16 *out, uint8_t *out8, float *partial, float *lse, uint64_t tokens) const {
        Online<D> online;
        uint32_t first = p.first_key(span.position(query_of(0))) / ROWS, end = (span.keys + ROWS - 1) / ROWS;
        uint32_t share_of = (end - first + gridDim.x - 1) / gridDim.x, begin = first + blockIdx.x * share_of;
        end = min(begin + share_of, end);
        prefetch_keys(begin, end);
        wait_for_inputs();
        sum(online, q, begin, end);
        float *sums = reinterpret_cast<float *>(strips), *most = reinterpret_cast<float *>(q_tile);
        float *weights = most + WARPS * ROWS;
        share(online, sums, most, weights);
        for (uint32_t row = threadIdx.x / WARP; row < ROWS; row += WARPS)
            if (query_of(row) < span.queries) join(row, sums, most, weights, out, out8, partial, lse, tokens);
    }
};

template <int D, int WARPS>
__device__ __forceinline__ void few(const bf16 *q, const bf16 *k, const bf16 *v, bf16 *out, uint8_t *out8, float *partial,
                                    float *lse, uint64_t tokens, const Problem &p) {
    DYNAMIC_SHARED(bf16, tiles);
    // Spans come from the host, so they are there before any kernel.
    Span span = p.span(blockIdx.z);
    uint32_t first_row = blockIdx.y / p.key_heads * ROWS;
    if (first_row >= span.queries * p.group()) return wait_for_inputs();
    Few<D, WARPS>{p, span, blockIdx.y % p.key_heads, first_row, k, v, tiles, tiles + ROWS * D}.run(q, out, out8, partial, lse, tokens);
}
} // namespace attention

#define ATTENTION_FEW(D, WARPS) \
    extern "C" __global__ void __launch_bounds__(WARPS * 32) attention_few_##D##_bf16( \
        const bf16 *q, const bf16 *k, const bf16 *v, bf16 *out, uint8_t *out8, float *partial, float *lse, uint64_t tokens, \
        ATTENTION_PARAMETERS) { \
        attention::few<D, WARPS>(q, k, v, out, out8, partial, lse, tokens, ATTENTION_PROBLEM); \
    } \
    EXPORT(attention_few_##D##_bf16)

ATTENTION_FEW(64, 4)
ATTENTION_FEW(128, 4)
ATTENTION_FEW(256, 2)
