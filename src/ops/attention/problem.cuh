// What every kernel of attention is told: which rows belong together, which keys a query sees, and what a score is.
//
// Query i of a span of n queries and m keys stands at position m - n + i among its keys and sees the keys up to there,
// at most `window` of them. score = scale · q·k, or softcap · tanh(scale · q·k / softcap); out = Σ softmax(score) · v.
// Scores are kept in units of ln 2, so that exp2, which the card has, takes the place of exp.
#pragma once

#include "device.cuh"

namespace attention {
constexpr float LOG2E = 1.4426950408889634f, LN2 = 0.6931471805599453f;
// Queries of an entry of `tiles`; keys of one, in backward.
constexpr uint32_t TILE = 64;

struct Span {
    uint32_t query;   // the row of its first query
    uint32_t queries;
    uint32_t keys;
    uint32_t table;   // where its keys begin in the table

    // Among the keys, of query i.
    __device__ __forceinline__ uint32_t position(uint32_t i) const { return keys - queries + i; }
};

struct Problem {
    const uint32_t *spans; // 4 numbers each, as in Span
    const uint32_t *table; // rows where blocks of 2^shift keys begin, by span
    const uint32_t *tiles; // (span, tile) pairs, those with most work first
    uint32_t shift;
    uint32_t query_heads;
    uint32_t key_heads;
    uint32_t dim;
    uint32_t window; // 0: all keys before
    float scale;
    float softcap;   // 0: none

    __device__ __forceinline__ Span span(uint32_t entry) const {
        const uint32_t *span = spans + 4 * tiles[2 * entry];
        return {span[0], span[1], span[2], span[3]};
    }
    // The first query (or key) of the entry's tile.
    __device__ __forceinline__ uint32_t start(uint32_t entry) const { return TILE * tiles[2 * entry + 1]; }

    __device__ __forceinline__ uint64_t key_row(const Span &span, uint32_t key) const {
        return uint64_t(table[span.table + (key >> shift)]) + (key & ((1u << shift) - 1));
    }
    __device__ __forceinline__ uint32_t group() const { return query_heads / key_heads; }
    // Where a head of a row begins.
    __device__ __forceinline__ uint64_t of_query(uint64_t row, uint32_t head) const {
        return (row * query_heads + head) * dim;
    }
    __device__ __forceinline__ uint64_t of_key(uint64_t row, uint32_t head) const {
        return (row * key_heads + head) * dim;
    }

    // The first key that a query at this position sees; the last is at the position itself.
    __device__ __forceinline__ uint32_t first_key(uint32_t position) const {
        return window == 0 || position < window ? 0 : position + 1 - window;
    }
    // The position after the last that sees this key.
    __device__ __forceinline__ uint32_t end_position(const Span &span, uint32_t key) const {
        return window == 0 || window > span.keys - key ? span.keys : key + window;
    }

    __device__ __forceinline__ float score(float product) const {
        if (softcap == 0.0f) return product * (scale * LOG2E);
        return softcap * LOG2E * tanhf(product * (scale / softcap));
    }
    // The slope of the score (in units of 1, not ln 2) at a product that gave this score.
    __device__ __forceinline__ float slope(float score) const {
        if (softcap == 0.0f) return scale;
        float tanh = score / (softcap * LOG2E);
        return scale * (1.0f - tanh * tanh);
    }
};
} // namespace attention

// The last parameters of every kernel, and the problem made of them.
#define ATTENTION_PARAMETERS \
    const uint32_t *spans, const uint32_t *table, const uint32_t *tiles, uint32_t shift, uint32_t query_heads, \
        uint32_t key_heads, uint32_t dim, uint32_t window, float scale, float softcap
#define ATTENTION_PROBLEM \
    (attention::Problem{spans, table, tiles, shift, query_heads, key_heads, dim, window, scale, softcap})
