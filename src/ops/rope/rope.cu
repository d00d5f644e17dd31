// Rotary position embedding (Su et al. 2021), in place: of each head of x [tokens, heads · head_dim] the first 2·half
// features are rotated in pairs by the token's angles; cos, sin [tokens, half] in f32.
//
//   (x₁, x₂) → (x₁·cos − x₂·sin, x₂·cos + x₁·sin)
//
// A pair is feature i and i + half (rope_halves_T), or 2i and 2i + 1 (rope_neighbours_T). Backward is the rotation by
// the negative angle: sign = −1. Grid: x = tokens, y = 1 or more. The bound is memory bandwidth.
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

} // namespace rope

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
