// Causal attention of many queries on tensor cores: bf16, heads of a multiple of 16 up to 256 (padded to 64, 128, 256).
//
// q, out [tokens, query_heads · dim], k, v [rows, key_heads · dim], lse [tokens, query_heads] = ln Σ exp(score).
// A block of 4 warps takes 64 queries of one head and goes over their keys 64 at a time (Dao 2023, FlashAttention-2):
// scores stay in registers, and the next keys come in while values are summed, the values while scores are made.
// Grid: (query_heads, tiles). Shared memory: 3 · 64 · D bf16.

#include "fragments.cuh"

namespace attention {
// -inf for the keys that a row's query, at its position, does not see.
template <int N>
__device__ __forceinline__ void hide(const Problem &p, float (&s)[N][4], uint32_t first_key, const uint32_t (&positions)[2]) {
    uint32_t t = threadIdx.x % 4, begins[2] = {p.first_key(positions[0]), p.first_key(positions[1])};
#pragma unroll
    for (int i = 0; i < 4 * N; i++) {
        uint32_t key = first_key + 8 * (i / 4) + 2 * t + i % 2, half = i % 4 / 2;
        bool seen = key <= positions[half] && key >= begins[half];
        s[i / 4][i % 4] = seen ? s[i / 4][i % 4] : -INFINITY;
    }
}

template <int D>
struct Forward {
    static constexpr int THREADS = 128;
    const Problem p;
    const Span span;
    const uint32_t head, start;
    const bf16 *q, *k, *v;
    bf16 *q_tile, *k_tile, *v_tile;

    __device__ __forceinline__ void load_queries() const {
        load_tile<D, TILE, THREADS>(q_tile, threadIdx.x, p.dim, [&](uint32_t row) -> Row {
            uint32_t query = min(start + row, span.queries - 1);
            return {q + p.of_query(uint64_t(span.query) + query, head), start + row < span.queries};
        });
    }
    __device__ __forceinline__ void load_keys(bf16 *tile, const bf16 *x, uint32_t first) const {
        load_tile<D, TILE, THREADS>(tile, threadIdx.x, p.dim, [&](uint32_t row) -> Row {
            uint32_t key = min(first + row, span.keys - 1);
            return {x + p.of_key(p.key_row(span, key), head / p.group()), first + row < span.keys};
        });
    }

    __device__ __forceinline__ void run(bf16 *out, float *lse) const {
        uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, last_row = min(start + TILE, span.queries) - 1;
        uint32_t row = start + 16 * warp + lane / 4;
        const uint32_t positions[2] = {span.position(row), span.position(row + 8)};
        uint32_t lowest = span.position(start), highest = span.position(last_row);
        uint32_t first = p.first_key(lowest) / TILE * TILE, all_see_from = p.first_key(highest);
        Online<D> online;
        load_queries();
        load_keys(k_tile, k, first);
        cp_async_commit();
        for (uint32_t key = first; key <= highest; key += TILE) {
            load_keys(v_tile, v, key);
            cp_async_commit();
            cp_async_wait<1>();
            __syncthreads();
            float s[TILE / 8][4];
            clear(s);
            multiply_rows<D, TILE>(s, q_tile, 16 * warp, k_tile);
            __syncthreads();
            if (key + TILE <= highest) load_keys(k_tile, k, key + TILE);
            cp_async_commit();
            to_scores(p, s);
            if (key + TILE - 1 > lowest || key < all_see_from) hide(p, s, key, positions);
            online.weigh(s);
            cp_async_wait<1>();
            __syncthreads();
            add_weighted<D, TILE, D>(online.out, s, v_tile, 0);
            __syncthreads();
        }
        float factors[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            float sum = quad_sum(online.sum[half]);
            factors[half] = 1.0f / sum;
            uint64_t token = uint64_t(span.query) + row + 8 * half;
            if (lane % 4 == 0 && row + 8 * half < span.queries) {
                lse[token * p.query_heads + head] = LN2 * (online.most[half] + log2f(sum));
            }
        }
        store_rows<D>(online.out, factors, 0, p.dim, [&](uint32_t r) -> bf16 * {
            uint32_t query = start + 16 * warp + r;
            return query < span.queries ? out + p.of_query(uint64_t(span.query) + query, head) : nullptr;
        });
    }
};

template <int D>
__device__ __forceinline__ void forward(const bf16 *q, const bf16 *k, const bf16 *v, bf16 *out, float *lse, const Problem &p) {
    DYNAMIC_SHARED(bf16, tiles);
    Span span = p.span(blockIdx.y);
    Forward<D>{p, span, blockIdx.x, p.start(blockIdx.y), q, k, v, tiles, tiles + TILE * D, tiles + 2 * TILE * D}.run(out, lse);
}
} // namespace attention

#define ATTENTION_FORWARD(name, D) \
    extern "C" __global__ void __launch_bounds__(128) name(const bf16 *q, const bf16 *k, const bf16 *v, bf16 *out, \
                                                           float *lse, ATTENTION_PARAMETERS) { \
        attention::forward<D>(q, k, v, out, lse, ATTENTION_PROBLEM); \
    } \
    EXPORT(name)

ATTENTION_FORWARD(attention_forward_64_bf16, 64)
ATTENTION_FORWARD(attention_forward_128_bf16, 128)
ATTENTION_FORWARD(attention_forward_256_bf16, 256)
