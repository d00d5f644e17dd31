// Rotary position embedding (Su et al. 2021), in place: of each head of x [tokens, heads · head_dim] the first 2·half
// features are rotated in pairs by the token's angles; cos, sin [tokens, half] in f32.
//
//   (x₁, x₂) → (x₁·cos − x₂·sin, x₂·cos + x₁·sin)
//
// A pair is feature i and i + half (rope_halves_T), or 2i and 2i + 1 (rope_neighbours_T). Backward is the rotation by
// the negative angle: sign = −1. Grid: x = tokens, y = 1 or more. The bound is memory bandwidth.
//
// rope_store_PAIRS_T rotates the queries of each token in place, and writes its rotated keys and its values to a row of a
// pool, which `places` [tokens] says: all that lies between projections and attention. Grid: the same.
#include "device.cuh"
#include "packs.cuh"

namespace rope {
using packs::load;
using packs::store;

// What the kernels are told of the heads.
struct Heads {
    uint32_t count, dim, half;
    float sign;
};

// Calls `work(head, pair)` for every N-th pair of every head of this block's token: work for N pairs.
template <unsigned N, class Work>
__device__ __forceinline__ void each_pair(Heads heads, Work work) {
    const uint32_t of_head = heads.half / N;
    for (uint32_t i = blockIdx.y * blockDim.x + threadIdx.x; i < heads.count * of_head; i += gridDim.y * blockDim.x)
        work(i / of_head, i % of_head * N);
}

template <unsigned N>
__device__ __forceinline__ void rotate(float (&first)[N], float (&second)[N], const float (&c)[N], const float (&s)[N],
                                       float sign) {
    for (unsigned j = 0; j < N; j++) {
        const float x1 = first[j], x2 = second[j], sine = sign * s[j];
        first[j] = x1 * c[j] - x2 * sine;
        second[j] = x2 * c[j] + x1 * sine;
    }
}

template <unsigned N, class T>
__device__ __forceinline__ void rotate_halves(T *token, const float *cos, const float *sin, Heads heads) {
    each_pair<N>(heads, [=](uint32_t head, uint32_t pair) {
        T *at = token + uint64_t(head) * heads.dim + pair;
        float first[N], second[N], c[N], s[N];
        load(first, at);
        load(second, at + heads.half);
        load(c, cos + pair);
        load(s, sin + pair);
        rotate(first, second, c, s, heads.sign);
        store(at, first);
        store(at + heads.half, second);
    });
}

// N values, N/2 pairs.
template <unsigned N, class T>
__device__ __forceinline__ void rotate_neighbours(T *token, const float *cos, const float *sin, Heads heads) {
    constexpr unsigned PAIRS = N / 2;
    each_pair<PAIRS>(heads, [=](uint32_t head, uint32_t pair) {
        T *at = token + uint64_t(head) * heads.dim + 2 * pair;
        float values[N], first[PAIRS], second[PAIRS], c[PAIRS], s[PAIRS];
        load(values, at);
        load(c, cos + pair);
        load(s, sin + pair);
        for (unsigned j = 0; j < PAIRS; j++) first[j] = values[2 * j], second[j] = values[2 * j + 1];
        rotate(first, second, c, s, heads.sign);
        for (unsigned j = 0; j < PAIRS; j++) values[2 * j] = first[j], values[2 * j + 1] = second[j];
        store(at, values);
    });
}

template <class T>
__device__ __forceinline__ void halves(T *x, const float *cos, const float *sin, Heads heads) {
    constexpr unsigned N = packs::WIDTH<T>;
    T *token = x + uint64_t(blockIdx.x) * heads.count * heads.dim;
    cos += uint64_t(blockIdx.x) * heads.half;
    sin += uint64_t(blockIdx.x) * heads.half;
    if (packs::aligned(token, cos, sin) && heads.dim % N == 0 && heads.half % N == 0) {
        rotate_halves<N>(token, cos, sin, heads);
    } else {
        rotate_halves<1>(token, cos, sin, heads);
    }
}

template <class T>
__device__ __forceinline__ void neighbours(T *x, const float *cos, const float *sin, Heads heads) {
    constexpr unsigned N = packs::WIDTH<T>;
    T *token = x + uint64_t(blockIdx.x) * heads.count * heads.dim;
    cos += uint64_t(blockIdx.x) * heads.half;
    sin += uint64_t(blockIdx.x) * heads.half;
    if (packs::aligned(token, cos, sin) && heads.dim % N == 0 && heads.half % (N / 2) == 0) {
        rotate_neighbours<N>(token, cos, sin, heads);
    } else {
        // Two values that need not lie at a multiple of their bytes.
        each_pair<1>(heads, [=](uint32_t head, uint32_t pair) {
            T *at = token + uint64_t(head) * heads.dim + 2 * pair;
            float first[1] = {to_float(at[0])}, second[1] = {to_float(at[1])};
            rotate(first, second, {cos[pair]}, {sin[pair]}, heads.sign);
            at[0] = from_float<T>(first[0]);
            at[1] = from_float<T>(second[0]);
        });
    }
}

// What a token has between its projections and attention.
template <class T>
struct Token {
    T *q, *k, *v;      // its own
    T *to_k, *to_v;    // its rows of the pool
    const float *cos, *sin;
};

// Pair `i` of a head, from `from` to `to`.
template <bool HALVES, class T>
__device__ __forceinline__ void rotate_pair(const T *from, T *to, uint32_t i, uint32_t half, float c, float s) {
    const uint32_t one = HALVES ? i : 2 * i, other = HALVES ? i + half : 2 * i + 1;
    float first[1] = {to_float(from[one])}, second[1] = {to_float(from[other])};
    rotate<1>(first, second, {c}, {s}, 1.0f);
    to[one] = from_float<T>(first[0]);
    to[other] = from_float<T>(second[0]);
}

// A thread has a pair, or a feature that is not rotated: those of the queries, of the keys, and the values.
template <bool HALVES, class T>
__device__ __forceinline__ void rotate_and_store(const Token<T> &token, uint32_t queries, uint32_t keys, uint32_t dim,
                                                 uint32_t half) {
    const uint32_t of_q = queries * half, of_k = keys * half, rest = keys * (dim - 2 * half), all = of_q + of_k + rest + keys * dim;
    for (uint32_t i = blockIdx.y * blockDim.x + threadIdx.x; i < all; i += gridDim.y * blockDim.x) {
        if (i < of_q + of_k) {
            const uint32_t index = i < of_q ? i : i - of_q, pair = index % half, head = index / half * dim;
            const T *from = (i < of_q ? token.q : token.k) + head;
            rotate_pair<HALVES>(from, (i < of_q ? token.q : token.to_k) + head, pair, half, token.cos[pair], token.sin[pair]);
        } else if (i < of_q + of_k + rest) {
            const uint32_t index = i - of_q - of_k, width = dim - 2 * half, at = index / width * dim + 2 * half + index % width;
            token.to_k[at] = token.k[at];
        } else {
            const uint32_t at = i - of_q - of_k - rest;
            token.to_v[at] = token.v[at];
        }
    }
}

} // namespace rope

#define TAILORA_ROPE_STORE(pairs, HALVES, T)                                                                          \
    extern "C" __global__ void rope_store_##pairs##_##T(                                                              \
        T *q, T *k, T *v, T *all_k, T *all_v, const uint32_t *places, const float *cos, const float *sin,             \
        uint32_t queries, uint32_t keys, uint32_t dim, uint32_t half) {                                               \
        const uint64_t row = blockIdx.x, width = uint64_t(keys) * dim, to = places[row] * width; /* of the host's */  \
        wait_for_inputs();                                                                                            \
        rope::rotate_and_store<HALVES, T>({q + row * queries * dim, k + row * width, v + row * width, all_k + to,     \
                                           all_v + to, cos + row * half, sin + row * half},                           \
                                          queries, keys, dim, half);                                                  \
    }                                                                                                                 \
    EXPORT(rope_store_##pairs##_##T)
TAILORA_ROPE_STORE(halves, true, f32)
TAILORA_ROPE_STORE(halves, true, bf16)
TAILORA_ROPE_STORE(neighbours, false, f32)
TAILORA_ROPE_STORE(neighbours, false, bf16)
#undef TAILORA_ROPE_STORE

#define TAILORA_ROPE(T)                                                                                               \
    extern "C" __global__ void rope_halves_##T(T *x, const float *cos, const float *sin, uint32_t heads,              \
                                               uint32_t dim, uint32_t half, float sign) {                             \
        rope::halves(x, cos, sin, {heads, dim, half, sign});                                                          \
    }                                                                                                                 \
    EXPORT(rope_halves_##T)                                                                                           \
    extern "C" __global__ void rope_neighbours_##T(T *x, const float *cos, const float *sin, uint32_t heads,          \
                                                   uint32_t dim, uint32_t half, float sign) {                         \
        rope::neighbours(x, cos, sin, {heads, dim, half, sign});                                                      \
    }                                                                                                                 \
    EXPORT(rope_neighbours_##T)

TAILORA_ROPE(f32)
TAILORA_ROPE(bf16)
#undef TAILORA_ROPE
