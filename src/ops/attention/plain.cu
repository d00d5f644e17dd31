// Attention of any type and any head up to 256 wide, forward and backward, without tensor cores: a warp a row.
//
// A lane makes the score of one key (or query) of 32, then all lanes go over the 32 rows, each with its own features of
// the sums. Operands as in forward.cu and backward.cu. Grid: (heads, tiles[, splits]), blocks of 4 warps.
// With splits > 1 each of them takes a part of the keys and leaves its softmax of that part, [splits, tokens, ..] of f32,
// to attention_combine.

#include "eight_bits.cuh"
#include "problem.cuh"

namespace attention {
constexpr uint32_t MAX_DIM = 256, PLAIN_WARPS = 4, FEATURES = MAX_DIM / WARP;

// The features lane, lane + 32, .. of a row.
struct Sums {
    float values[FEATURES] = {};

    template <class T>
    __device__ __forceinline__ void add(float weight, const T *row, uint32_t dim) {
#pragma unroll
        for (uint32_t i = 0; i < FEATURES; i++) {
            uint32_t feature = threadIdx.x % WARP + WARP * i;
            if (feature < dim) values[i] += weight * to_float(row[feature]);
        }
    }
    template <class T>
    __device__ __forceinline__ void store(T *row, uint32_t dim, float factor) const {
#pragma unroll
        for (uint32_t i = 0; i < FEATURES; i++) {
            uint32_t feature = threadIdx.x % WARP + WARP * i;
            if (feature < dim) row[feature] = from_float<T>(values[i] * factor);
        }
    }
};

// A row that the whole warp multiplies others with, in shared memory.
template <class T>
__device__ __forceinline__ void share_row(float *shared, const T *row, uint32_t dim) {
    __syncwarp();
    for (uint32_t i = threadIdx.x % WARP; i < dim; i += WARP) shared[i] = to_float(row[i]);
    __syncwarp();
}

template <class T>
__device__ __forceinline__ float dot(const float *shared, const T *row, uint32_t dim) {
    float sum = 0.0f;
    for (uint32_t i = 0; i < dim; i++) sum += shared[i] * to_float(row[i]);
    return sum;
}

template <class T>
__device__ void plain_forward_row(const Problem &p, const Span &span, uint32_t head, uint32_t query, float *shared,
                                  const T *q, const T *k, const T *v, T *out, float *partial, float *lse, uint64_t tokens) {
    uint32_t lane = threadIdx.x % WARP, key_head = head / p.group();
    uint64_t token = uint64_t(span.query) + query, part = blockIdx.z * tokens + token;
    uint32_t position = span.position(query), first = p.first_key(position);
    uint32_t share = (position - first) / gridDim.z + 1;
    uint32_t begin = min(first + blockIdx.z * share, position + 1), end = min(begin + share, position + 1);
    share_row(shared, q + p.of_query(token, head), p.dim);
    Sums sums;
    float most = -INFINITY, sum = 0.0f;
    for (uint32_t key = begin; key < end; key += WARP) {
        float s = -INFINITY;
        if (key + lane < end) s = p.score(dot(shared, k + p.of_key(p.key_row(span, key + lane), key_head), p.dim));
        float largest = fmaxf(most, warp_max(s)), shrink = exp2f(most - largest);
        float weight = exp2f(s - largest);
        most = largest;
        sum = sum * shrink + weight;
        for (float &value : sums.values) value *= shrink;
        for (uint32_t i = 0; i < min(WARP, end - key); i++) {
            float other = __shfl_sync(ALL_LANES, weight, i);
            sums.add(other, v + p.of_key(p.key_row(span, key + i), key_head), p.dim);
        }
    }
    sum = warp_sum(sum);
    float factor = sum > 0.0f ? 1.0f / sum : 0.0f; // 0: no keys in this split
    if (lane == 0) lse[part * p.query_heads + head] = LN2 * (most + log2f(sum));
    if (gridDim.z == 1) sums.store(out + p.of_query(token, head), p.dim, factor);
    else sums.store(partial + p.of_query(part, head), p.dim, factor);
}

template <class T>
__device__ void plain_forward(const T *q, const T *k, const T *v, T *out, float *partial, float *lse, uint64_t tokens,
                              const Problem &p) {
    __shared__ float rows[PLAIN_WARPS][MAX_DIM];
    uint32_t warp = threadIdx.x / WARP, start = p.start(blockIdx.y);
    Span span = p.span(blockIdx.y);
    for (uint32_t query = start + warp; query < min(start + TILE, span.queries); query += PLAIN_WARPS) {
        plain_forward_row(p, span, blockIdx.x, query, rows[warp], q, k, v, out, partial, lse, tokens);
    }
}

// The weight of a score, and the gradient of its product.
struct Slope {
    float weight, dproduct;

    __device__ __forceinline__ Slope(const Problem &p, float product, float dweight, float lse, float delta) {
        float score = p.score(product);
        // A share of the sum: where scores are so large that the sum is not exact, no more than all of it.
        weight = exp2f(fminf(score - LOG2E * lse, 0.0f));
        dproduct = weight * (dweight - delta) * p.slope(score);
    }
    __device__ __forceinline__ Slope() : weight(0.0f), dproduct(0.0f) {}
};

template <class T>
__device__ void plain_backward_q(const T *q, const T *k, const T *v, const T *dout, const float *lse, const float *delta,
                                 T *dq, const Problem &p) {
    __shared__ float rows[PLAIN_WARPS][2][MAX_DIM];
    uint32_t lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    uint32_t head = blockIdx.x, key_head = head / p.group(), start = p.start(blockIdx.y);
    Span span = p.span(blockIdx.y);
    for (uint32_t query = start + warp; query < min(start + TILE, span.queries); query += PLAIN_WARPS) {
        uint64_t token = uint64_t(span.query) + query, at = p.of_query(token, head), number = token * p.query_heads + head;
        share_row(rows[warp][0], q + at, p.dim);
        share_row(rows[warp][1], dout + at, p.dim);
        uint32_t end = span.position(query) + 1;
        Sums sums;
        for (uint32_t key = p.first_key(end - 1); key < end; key += WARP) {
            Slope slope;
            if (key + lane < end) {
                uint64_t row = p.of_key(p.key_row(span, key + lane), key_head);
                float product = dot(rows[warp][0], k + row, p.dim), dweight = dot(rows[warp][1], v + row, p.dim);
                slope = Slope(p, product, dweight, lse[number], delta[number]);
            }
            for (uint32_t i = 0; i < min(WARP, end - key); i++) {
                float dproduct = __shfl_sync(ALL_LANES, slope.dproduct, i);
                sums.add(dproduct, k + p.of_key(p.key_row(span, key + i), key_head), p.dim);
            }
        }
        sums.store(dq + at, p.dim, 1.0f);
    }
}

// One key, over the queries that see it of one query head.
template <class T>
__device__ void plain_backward_key(const Problem &p, const Span &span, uint32_t head, uint32_t key, const float *k_row,
                                   const float *v_row, const T *q, const T *dout, const float *lse, const float *delta,
                                   Sums &dk, Sums &dv) {
    uint32_t lane = threadIdx.x % WARP, offset = span.keys - span.queries;
    uint32_t begin = max(key, offset) - offset, end = max(p.end_position(span, key), offset) - offset;
    for (uint32_t query = begin; query < end; query += WARP) {
        Slope slope;
        if (query + lane < end) {
            uint64_t token = uint64_t(span.query) + query + lane, at = p.of_query(token, head);
            uint64_t number = token * p.query_heads + head;
            slope = Slope(p, dot(k_row, q + at, p.dim), dot(v_row, dout + at, p.dim), lse[number], delta[number]);
        }
        for (uint32_t i = 0; i < min(WARP, end - query); i++) {
            uint64_t at = p.of_query(uint64_t(span.query) + query + i, head);
            float weight = __shfl_sync(ALL_LANES, slope.weight, i), dproduct = __shfl_sync(ALL_LANES, slope.dproduct, i);
            dk.add(dproduct, q + at, p.dim);
            dv.add(weight, dout + at, p.dim);
        }
    }
}

template <class T>
__device__ void plain_backward_kv(const T *q, const T *k, const T *v, const T *dout, const float *lse, const float *delta,
                                  T *dk, T *dv, const Problem &p) {
    __shared__ float rows[PLAIN_WARPS][2][MAX_DIM];
    uint32_t warp = threadIdx.x / WARP, key_head = blockIdx.x, start = p.start(blockIdx.y);
    Span span = p.span(blockIdx.y);
    for (uint32_t key = start + warp; key < min(start + TILE, span.keys); key += PLAIN_WARPS) {
        uint64_t at = p.of_key(p.key_row(span, key), key_head);
        share_row(rows[warp][0], k + at, p.dim);
        share_row(rows[warp][1], v + at, p.dim);
        Sums dk_sums, dv_sums;
        for (uint32_t head = key_head * p.group(); head < (key_head + 1) * p.group(); head++) {
            plain_backward_key(p, span, head, key, rows[warp][0], rows[warp][1], q, dout, lse, delta, dk_sums, dv_sums);
        }
        dk_sums.store(dk + at, p.dim, 1.0f);
        dv_sums.store(dv + at, p.dim, 1.0f);
    }
}

// delta [pairs] = Σ out · dout of each token and head, a warp each: what the softmax takes from every dweight.
template <class T>
__device__ void row_products(const T *out, const T *dout, float *delta, uint64_t pairs, uint32_t dim) {
    uint64_t pair = uint64_t(blockIdx.x) * PLAIN_WARPS + threadIdx.x / WARP;
    if (pair >= pairs) return;
    float sum = 0.0f;
    for (uint32_t i = threadIdx.x % WARP; i < dim; i += WARP) sum += to_float(out[pair * dim + i]) * to_float(dout[pair * dim + i]);
    sum = warp_sum(sum);
    if (threadIdx.x % WARP == 0) delta[pair] = sum;
}

// The softmaxes of parts of the keys, as of all of them. Grid: (query_heads, tokens).
template <class T>
__device__ void combine(const float *partial, const float *lse, T *out, uint8_t *q, uint32_t splits, uint32_t dim) {
    wait_for_inputs();
    uint64_t tokens = gridDim.y, pair = uint64_t(blockIdx.y) * gridDim.x + blockIdx.x, pairs = tokens * gridDim.x;
    uint32_t lane = threadIdx.x % WARP, width = gridDim.x * dim;
    // A lane has the weight of a split, of which there are no more.
    float of_split = lane < splits ? lse[lane * pairs + pair] : -INFINITY;
    float weight = exp2f(LOG2E * (of_split - warp_max(of_split)));
    weight /= warp_sum(weight);
    for (uint32_t first = 0; first < dim; first += blockDim.x) {
        uint32_t i = first + threadIdx.x, feature = min(i, dim - 1);
        float sum = 0.0f;
#pragma unroll 8
        for (uint32_t split = 0; split < splits; split++)
            sum += __shfl_sync(ALL_LANES, weight, split) * partial[(split * pairs + pair) * dim + feature];
        if (i < dim) out[pair * dim + i] = from_float<T>(sum);
        if (q == nullptr) continue;
        float values[1] = {to_float(from_float<T>(sum))};
        eight_bits::Row(q, gridDim.y, width, blockIdx.y).put(blockIdx.x * dim + i, i < dim, values);
    }
}
} // namespace attention

#define ATTENTION_PLAIN(T, type) \
    extern "C" __global__ void __launch_bounds__(128) attention_plain_forward_##type( \
        const T *q, const T *k, const T *v, T *out, float *partial, float *lse, uint64_t tokens, ATTENTION_PARAMETERS) { \
        attention::plain_forward(q, k, v, out, partial, lse, tokens, ATTENTION_PROBLEM); \
    } \
    EXPORT(attention_plain_forward_##type) \
    extern "C" __global__ void __launch_bounds__(128) attention_plain_backward_q_##type( \
        const T *q, const T *k, const T *v, const T *dout, const float *lse, const float *delta, T *dq, \
        ATTENTION_PARAMETERS) { \
        attention::plain_backward_q(q, k, v, dout, lse, delta, dq, ATTENTION_PROBLEM); \
    } \
    EXPORT(attention_plain_backward_q_##type) \
    extern "C" __global__ void __launch_bounds__(128) attention_plain_backward_kv_##type( \
        const T *q, const T *k, const T *v, const T *dout, const float *lse, const float *delta, T *dk, T *dv, \
        ATTENTION_PARAMETERS) { \
        attention::plain_backward_kv(q, k, v, dout, lse, delta, dk, dv, ATTENTION_PROBLEM); \
    } \
    EXPORT(attention_plain_backward_kv_##type) \
    extern "C" __global__ void __launch_bounds__(128) attention_delta_##type(const T *out, const T *dout, float *delta, \
                                                                             uint64_t pairs, uint32_t dim) { \
        attention::row_products(out, dout, delta, pairs, dim); \
    } \
    EXPORT(attention_delta_##type) \
    extern "C" __global__ void __launch_bounds__(256) attention_combine_##type( \
        const float *partial, const float *lse, T *out, uint8_t *q, uint32_t splits, uint32_t dim) { \
        attention::combine(partial, lse, out, q, splits, dim); \
    } \
    EXPORT(attention_combine_##type)

ATTENTION_PLAIN(float, f32)
ATTENTION_PLAIN(bf16, bf16)
