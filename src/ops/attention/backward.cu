// The gradients of causal attention on tensor cores: bf16, heads of a multiple of 16 up to 256 (padded to 64, 128, 256).
//
// With p = exp(score - lse), made again from q and k, dp = dout · vᵀ, delta = Σ dout · out and
// ds = p · (dp - delta) · slope of the score:   dv = pᵀ · dout   dk = dsᵀ · q   dq = ds · k
// (Dao 2022, FlashAttention). Two kernels, so that every sum has one owner and one order: one goes over keys for 64
// queries of a head and makes dq, the other goes over the queries of all heads of a group for 64 keys and makes dk, dv.
// Operands as in forward.cu; delta as lse [tokens, query_heads].

#include "fragments.cuh"

namespace attention {
constexpr int STRIP = 32; // rows that come in at a time

// Grid: (query_heads, tiles of queries). Shared memory: (2 · 64 + STAGES · 2 · 32) · D bf16.
template <int D, int STAGES>
struct BackwardQ {
    static constexpr int THREADS = 128;
    const Problem p;
    const Span span;
    const uint32_t head, start;
    const bf16 *k, *v;
    bf16 *q_tile, *dout_tile, *strips;

    __device__ __forceinline__ bf16 *k_strip(uint32_t n) const { return strips + n % STAGES * 2 * STRIP * D; }
    __device__ __forceinline__ bf16 *v_strip(uint32_t n) const { return k_strip(n) + STRIP * D; }

    __device__ __forceinline__ void load_queries(bf16 *tile, const bf16 *x) const {
        load_tile<D, TILE, THREADS>(tile, threadIdx.x, p.dim, [&](uint32_t row) -> Row {
            uint32_t query = min(start + row, span.queries - 1);
            return {x + p.of_query(uint64_t(span.query) + query, head), start + row < span.queries};
        });
    }
    __device__ __forceinline__ void load_keys(uint32_t n, uint32_t first) const {
        auto load = [&](bf16 *strip, const bf16 *x) {
            load_tile<D, STRIP, THREADS>(strip, threadIdx.x, p.dim, [&](uint32_t row) -> Row {
                uint32_t key = min(first + row, span.keys - 1);
                return {x + p.of_key(p.key_row(span, key), head / p.group()), first + row < span.keys};
            });
        };
        load(k_strip(n), k);
        load(v_strip(n), v);
    }

    __device__ __forceinline__ void run(const bf16 *q, const bf16 *dout, const float *lse, const float *delta, bf16 *dq) const {
        uint32_t warp = threadIdx.x / WARP, row = start + 16 * warp + threadIdx.x % WARP / 4;
        const uint32_t positions[2] = {span.position(row), span.position(row + 8)};
        const uint32_t begins[2] = {p.first_key(positions[0]), p.first_key(positions[1])};
        float lses[2], deltas[2];
#pragma unroll
        for (int half = 0; half < 2; half++) {
            // A row beyond the last has weights of 0.
            uint64_t number = (uint64_t(span.query) + row + 8 * half) * p.query_heads + head;
            bool exists = row + 8 * half < span.queries;
            lses[half] = exists ? LOG2E * lse[number] : INFINITY;
            deltas[half] = exists ? delta[number] : 0.0f;
        }
        uint32_t first = p.first_key(span.position(start)) / STRIP * STRIP;
        uint32_t end = span.position(min(start + TILE, span.queries) - 1) + 1, count = (end - first + STRIP - 1) / STRIP;
        float sums[D / 8][4];
        clear(sums);
        load_queries(q_tile, q);
        load_queries(dout_tile, dout);
        if (STAGES == 2) load_keys(0, first);
        cp_async_commit();
        for (uint32_t n = 0; n < count; n++) {
            uint32_t next = n + STAGES - 1;
            if (next < count) load_keys(next, first + next * STRIP);
            cp_async_commit();
            cp_async_wait<STAGES - 1>();
            __syncthreads();
            float s[STRIP / 8][4], d[STRIP / 8][4];
            clear(s), clear(d);
            multiply_rows<D, STRIP>(s, q_tile, 16 * warp, k_strip(n));
            multiply_rows<D, STRIP>(d, dout_tile, 16 * warp, v_strip(n));
            to_slopes(p, s, d, [&](int column, int i) -> Known {
                uint32_t key = first + n * STRIP + 8 * column + 2 * (threadIdx.x % 4) + i % 2;
                return {key <= positions[i / 2] && key >= begins[i / 2], lses[i / 2], deltas[i / 2]};
            });
            add_weighted<D, STRIP, D>(sums, d, k_strip(n), 0);
            __syncthreads();
        }
        store_rows<D>(sums, {1.0f, 1.0f}, 0, p.dim, [&](uint32_t r) -> bf16 * {
            uint32_t query = start + 16 * warp + r;
            return query < span.queries ? dq + p.of_query(uint64_t(span.query) + query, head) : nullptr;
        });
    }
};

// Grid: (key_heads, tiles of keys, D / COLUMNS), TEAMS · 4 warps. Each team of 4 takes every TEAMS-th strip of queries;
// at the end the second gives its sums to the first. A block makes COLUMNS columns of dk and dv: with 256 of both, the
// sums would not fit into registers. Shared memory: (2 · 64 + STAGES · TEAMS · 2 · 32) · D bf16, STAGES · TEAMS · 2 · 32 f32.
template <int D, int COLUMNS, int STAGES, int TEAMS>
struct BackwardKv {
    static constexpr int TEAM = 128;
    const Problem p;
    const Span span;
    const uint32_t key_head, start;
    const bf16 *q, *dout;
    const float *lse, *delta;
    bf16 *k_tile, *v_tile, *strips;
    float *numbers;
    uint32_t first_strip, strips_a_head, count;

    __device__ __forceinline__ uint32_t slot(uint32_t n) const { return n / TEAMS % STAGES * TEAMS + n % TEAMS; }
    __device__ __forceinline__ bf16 *q_strip(uint32_t n) const { return strips + slot(n) * 2 * STRIP * D; }
    __device__ __forceinline__ bf16 *dout_strip(uint32_t n) const { return q_strip(n) + STRIP * D; }
    __device__ __forceinline__ float *lse_strip(uint32_t n) const { return numbers + slot(n) * 2 * STRIP; }
    __device__ __forceinline__ uint32_t head_of(uint32_t n) const { return key_head * p.group() + n / strips_a_head; }
    __device__ __forceinline__ uint32_t query_of(uint32_t n) const { return (first_strip + n % strips_a_head) * STRIP; }

    // The strips of queries that see a key of the tile.
    __device__ __forceinline__ void find_strips() {
        uint32_t offset = span.keys - span.queries, last_key = min(start + TILE, span.keys) - 1;
        uint32_t begin = max(start, offset) - offset, end = max(p.end_position(span, last_key), offset) - offset;
        first_strip = begin / STRIP;
        strips_a_head = end > begin ? (end + STRIP - 1) / STRIP - first_strip : 0;
        count = strips_a_head * p.group();
    }

    __device__ __forceinline__ void load_keys(bf16 *tile, const bf16 *x) const {
        load_tile<D, TILE, TEAM * TEAMS>(tile, threadIdx.x, p.dim, [&](uint32_t row) -> Row {
            uint32_t key = min(start + row, span.keys - 1);
            return {x + p.of_key(p.key_row(span, key), key_head), start + row < span.keys};
        });
    }
    __device__ __forceinline__ void load_strip(uint32_t n) const {
        uint32_t thread = threadIdx.x % TEAM, head = head_of(n), first = query_of(n);
        auto load = [&](bf16 *strip, const bf16 *x) {
            load_tile<D, STRIP, TEAM>(strip, thread, p.dim, [&](uint32_t row) -> Row {
                uint32_t query = min(first + row, span.queries - 1);
                return {x + p.of_query(uint64_t(span.query) + query, head), first + row < span.queries};
            });
        };
        load(q_strip(n), q);
        load(dout_strip(n), dout);
        if (thread >= STRIP) return;
        uint64_t number = (uint64_t(span.query) + first + thread) * p.query_heads + head;
        bool exists = first + thread < span.queries;
        lse_strip(n)[thread] = exists ? LOG2E * lse[number] : INFINITY;
        lse_strip(n)[STRIP + thread] = exists ? delta[number] : 0.0f;
    }

    __device__ __forceinline__ Known known(uint32_t n, uint32_t column, uint32_t key) const {
        uint32_t position = span.position(query_of(n) + column);
        const float *numbers = lse_strip(n) + column;
        return {key <= position && key >= p.first_key(position), numbers[0], numbers[STRIP]};
    }

    // Through the memory of the strips, which are read no more.
    __device__ __forceinline__ void join_teams(float (&dk)[COLUMNS / 8][4], float (&dv)[COLUMNS / 8][4]) const {
        float4 *shared = reinterpret_cast<float4 *>(strips) + threadIdx.x % TEAM;
        bool gives = threadIdx.x >= TEAM;
#pragma unroll
        for (int c = 0; c < COLUMNS / 8; c++) {
            if (!gives) continue;
            shared[2 * c * TEAM] = make_float4(dk[c][0], dk[c][1], dk[c][2], dk[c][3]);
            shared[(2 * c + 1) * TEAM] = make_float4(dv[c][0], dv[c][1], dv[c][2], dv[c][3]);
        }
        __syncthreads();
#pragma unroll
        for (int c = 0; c < COLUMNS / 8; c++) {
            if (gives) continue;
            float4 k = shared[2 * c * TEAM], v = shared[(2 * c + 1) * TEAM];
            dk[c][0] += k.x, dk[c][1] += k.y, dk[c][2] += k.z, dk[c][3] += k.w;
            dv[c][0] += v.x, dv[c][1] += v.y, dv[c][2] += v.z, dv[c][3] += v.w;
        }
    }

    __device__ __forceinline__ void run(const bf16 *k, const bf16 *v, bf16 *dk, bf16 *dv) const {
        uint32_t team = threadIdx.x / TEAM, warp = threadIdx.x % TEAM / WARP, chunk = blockIdx.z * COLUMNS / 8;
        float dk_sums[COLUMNS / 8][4], dv_sums[COLUMNS / 8][4];
        clear(dk_sums), clear(dv_sums);
        load_keys(k_tile, k);
        load_keys(v_tile, v);
        if (STAGES == 2 && team < count) load_strip(team);
        cp_async_commit();
        for (uint32_t step = 0; step < count; step += TEAMS) {
            uint32_t n = step + team, next = n + (STAGES - 1) * TEAMS;
            if (next < count) load_strip(next);
            cp_async_commit();
            cp_async_wait<STAGES - 1>();
            __syncthreads();
            if (n < count) {
                float s[STRIP / 8][4], d[STRIP / 8][4];
                clear(s), clear(d);
                multiply_rows<D, STRIP>(s, k_tile, 16 * warp, q_strip(n));
                multiply_rows<D, STRIP>(d, v_tile, 16 * warp, dout_strip(n));
                to_slopes(p, s, d, [&](int c, int i) {
                    uint32_t column = 8 * c + 2 * (threadIdx.x % 4) + i % 2;
                    return known(n, column, start + 16 * warp + threadIdx.x % WARP / 4 + i / 2 * 8);
                });
                add_weighted<D, STRIP, COLUMNS>(dv_sums, s, dout_strip(n), chunk);
                add_weighted<D, STRIP, COLUMNS>(dk_sums, d, q_strip(n), chunk);
            }
            __syncthreads();
        }
        if (TEAMS > 1) join_teams(dk_sums, dv_sums);
        if (team > 0) return;
        auto store = [&](const float(&sums)[COLUMNS / 8][4], bf16 *x) {
            store_rows<COLUMNS>(sums, {1.0f, 1.0f}, chunk * 8, p.dim, [&](uint32_t r) -> bf16 * {
                uint32_t key = start + 16 * warp + r;
                return key < span.keys ? x + p.of_key(p.key_row(span, key), key_head) : nullptr;
            });
        };
        store(dk_sums, dk);
        store(dv_sums, dv);
    }
};

template <int D, int STAGES>
__device__ __forceinline__ void backward_q(const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout, const float *lse,
                                           const float *delta, bf16 *dq, const Problem &p) {
    DYNAMIC_SHARED(bf16, tiles);
    BackwardQ<D, STAGES>{p, p.span(blockIdx.y), blockIdx.x, p.start(blockIdx.y), k, v, tiles, tiles + TILE * D,
                         tiles + 2 * TILE * D}
        .run(q, dout, lse, delta, dq);
}

template <int D, int COLUMNS, int STAGES, int TEAMS>
__device__ __forceinline__ void backward_kv(const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout, const float *lse,
                                            const float *delta, bf16 *dk, bf16 *dv, const Problem &p) {
    DYNAMIC_SHARED(bf16, tiles);
    bf16 *strips = tiles + 2 * TILE * D;
    float *numbers = reinterpret_cast<float *>(strips + STAGES * TEAMS * 2 * STRIP * D);
    BackwardKv<D, COLUMNS, STAGES, TEAMS> block{p, p.span(blockIdx.y), blockIdx.x, p.start(blockIdx.y), q, dout, lse, delta,
                                                tiles, tiles + TILE * D, strips, numbers, 0, 0, 0};
    block.find_strips();
    block.run(k, v, dk, dv);
}
} // namespace attention

#define ATTENTION_BACKWARD(D, COLUMNS, STAGES, TEAMS) \
    extern "C" __global__ void __launch_bounds__(128) attention_backward_q_##D##_bf16( \
        const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout, const float *lse, const float *delta, bf16 *dq, \
        ATTENTION_PARAMETERS) { \
        attention::backward_q<D, STAGES>(q, k, v, dout, lse, delta, dq, ATTENTION_PROBLEM); \
    } \
    EXPORT(attention_backward_q_##D##_bf16) \
    extern "C" __global__ void __launch_bounds__(128 * TEAMS) attention_backward_kv_##D##_bf16( \
        const bf16 *q, const bf16 *k, const bf16 *v, const bf16 *dout, const float *lse, const float *delta, bf16 *dk, \
        bf16 *dv, ATTENTION_PARAMETERS) { \
        attention::backward_kv<D, COLUMNS, STAGES, TEAMS>(q, k, v, dout, lse, delta, dk, dv, ATTENTION_PROBLEM); \
    } \
    EXPORT(attention_backward_kv_##D##_bf16)

ATTENTION_BACKWARD(64, 64, 2, 2)
ATTENTION_BACKWARD(128, 128, 2, 2)
ATTENTION_BACKWARD(256, 128, 1, 1)
