// A piece: what a lane multiplies at a time, the weights whose low bits lie in 16 bytes. In the K-quants these are twice
// 16 weights, whose sub-blocks are 32 apart or 64; that is why a piece of activations comes in groups of 16.
//
// Sums over integers are exact, and so is their conversion to f32: |Σ q x̂| < 2^24. Scales of a group, d · s, are exact, too.
#pragma once
#include "blocks.cuh"
#include "octets.cuh"

namespace pieces {
// Of activations in 8 bits (`eight_bits.cuh`): the groups that belong to a piece.
template <int GROUPS>
struct Operand {
    int q[GROUPS][4];
    // Of the 32 inputs that a group lies in, and the sum of those.
    float scale[GROUPS], sum[GROUPS];

    __device__ __forceinline__ void load(const uint8_t *row, const float2 *scales, const uint32_t (&inputs)[GROUPS]) {
#pragma unroll
        for (int g = 0; g < GROUPS; g++) {
            int4 four = *reinterpret_cast<const int4 *>(row + inputs[g]);
            q[g][0] = four.x, q[g][1] = four.y, q[g][2] = four.z, q[g][3] = four.w;
            float2 both = scales[inputs[g] / 32];
            scale[g] = both.x, sum[g] = both.y;
        }
    }
};

__device__ __forceinline__ void load16(const uint8_t *at, uint32_t (&words)[4]) {
    octets::load16<octets::Use::Once>(at, words);
}

__device__ __forceinline__ int dot16(const uint32_t (&codes)[4], const int (&q)[4]) {
    int sum = 0;
#pragma unroll
    for (int i = 0; i < 4; i++) sum = dp4a(int(codes[i]), q[i], sum);
    return sum;
}

struct Q8_0 : blocks::Q8_0 {
    static constexpr int PIECES = 2, GROUPS = 1;
    uint32_t codes[4];
    float d;

    static __device__ __forceinline__ void inputs(uint32_t piece, uint32_t (&inputs)[1]) { inputs[0] = piece * 16; }

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t piece) {
        load16(w + block * 32 + piece * 16, codes);
        d = blocks::half_at(w + count * 32, block);
    }
    __device__ __forceinline__ void add_to(float &sum, const Operand<1> &x) const {
        sum = fmaf(d, x.scale[0] * float(dot16(codes, x.q[0])), sum);
    }
};

// Both halves of a block of 32 around `ZERO`, which is taken off the sums instead of the codes.
template <class Format>
struct Halves : Format {
    static constexpr int PIECES = 1, GROUPS = 2;
    uint32_t codes[2][4];
    float d;

    static __device__ __forceinline__ void inputs(uint32_t, uint32_t (&inputs)[2]) { inputs[0] = 0, inputs[1] = 16; }

    __device__ __forceinline__ void add_to(float &sum, const Operand<2> &x) const {
        float dot = float(dot16(codes[0], x.q[0]) + dot16(codes[1], x.q[1])) - float(Format::ZERO) * x.sum[0];
        sum = fmaf(d, x.scale[0] * dot, sum);
    }
};

struct Q4_0 : Halves<blocks::Q4_0> {
    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t) {
        uint32_t two[4];
        load16(w + block * 16, two);
#pragma unroll
        for (int i = 0; i < 4; i++) codes[0][i] = blocks::nibbles(two[i], 0), codes[1][i] = blocks::nibbles(two[i], 4);
        d = blocks::half_at(w + count * 16, block);
    }
};

struct Q5_0 : Halves<blocks::Q5_0> {
    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t) {
        uint32_t two[4], fifth = high(w, count, block);
        load16(w + block * 16, two);
#pragma unroll
        for (int i = 0; i < 4; i++) {
            codes[0][i] = blocks::nibbles(two[i], 0) | blocks::fifth_bits(fifth >> 4 * i);
            codes[1][i] = blocks::nibbles(two[i], 4) | blocks::fifth_bits(fifth >> (16 + 4 * i));
        }
        d = scale(w, count, block);
    }
};

// Half of two sub-blocks of 32; each of the two lanes that have a half takes the min of one of them.
template <class Format>
struct KPiece : Format {
    static constexpr int PIECES = 8, GROUPS = 2;
    uint32_t codes[2][4];
    float scales[2], min;
    bool second;

    static __device__ __forceinline__ void inputs(uint32_t piece, uint32_t (&inputs)[2]) {
        inputs[0] = piece / 2 * 64 + piece % 2 * 16;
        inputs[1] = inputs[0] + 32;
    }

    __device__ __forceinline__ void load_scales(const uint8_t *at, uint32_t piece) {
        blocks::KScales both(at);
        second = piece % 2;
        int shift = piece / 2 % 2 * 16;
        uint32_t of_subs = both.scales(piece >= 4) >> shift;
        scales[0] = both.scale() * float(of_subs & 255), scales[1] = both.scale() * float(of_subs >> 8 & 255);
        min = both.min_scale() * float(both.mins(piece >= 4) >> (shift + int(second) * 8) & 255);
    }
    __device__ __forceinline__ void add_to(float &sum, const Operand<2> &x) const {
        sum = fmaf(scales[0], x.scale[0] * float(dot16(codes[0], x.q[0])), sum);
        sum = fmaf(scales[1], x.scale[1] * float(dot16(codes[1], x.q[1])), sum);
        sum = fmaf(-min, second ? x.scale[1] * x.sum[1] : x.scale[0] * x.sum[0], sum);
    }
};

struct Q4_K : KPiece<blocks::Q4_K> {
    __device__ __forceinline__ void load(const uint8_t *w, uint64_t, uint64_t block, uint32_t piece) {
        const uint8_t *at = w + block * BYTES;
        uint32_t two[4];
        load16(at + 16 + piece * 16, two);
        load_scales(at, piece);
#pragma unroll
        for (int i = 0; i < 4; i++) codes[0][i] = blocks::nibbles(two[i], 0), codes[1][i] = blocks::nibbles(two[i], 4);
    }
};

struct Q5_K : KPiece<blocks::Q5_K> {
    __device__ __forceinline__ void load(const uint8_t *w, uint64_t, uint64_t block, uint32_t piece) {
        const uint8_t *at = w + block * BYTES;
        uint32_t low[4], high[4];
        load16(at + 48 + piece * 16, low);
        load16(at + 16 + piece % 2 * 16, high);
        load_scales(at, piece);
        int bit = piece / 2 * 2;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            codes[0][i] = blocks::nibbles(low[i], 0) | blocks::bit_of_bytes(high[i], bit);
            codes[1][i] = blocks::nibbles(low[i], 4) | blocks::bit_of_bytes(high[i], bit + 1);
        }
    }
};

// 16 of one 32 and 16 of that two further on, in a half of 128.
struct Q6_K : blocks::Q6_K {
    static constexpr int PIECES = 8, GROUPS = 2;
    uint32_t codes[2][4];
    float scales[2];

    static __device__ __forceinline__ void inputs(uint32_t piece, uint32_t (&inputs)[2]) {
        inputs[0] = piece / 4 * 128 + piece % 4 * 16;
        inputs[1] = inputs[0] + 64;
    }

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t piece) {
        const uint8_t *at = w + block * BYTES;
        uint32_t half = piece / 4, part = piece % 4;
        uint32_t low[4], high[4];
        load16(at + piece * 16, low);
        load16(at + 128 + half * 32 + part % 2 * 16, high);
        float d = blocks::half_at(w + count * BYTES, block);
        const uint8_t *scale = at + 192 + half * 8 + part;
#pragma unroll
        for (int g = 0; g < 2; g++) scales[g] = d * float(blocks::load<signed char>(scale + g * 4));
        int shift = part / 2 * 2;
#pragma unroll
        for (int i = 0; i < 4; i++) {
            codes[0][i] = blocks::six_bits(low[i], 0, high[i], shift);
            codes[1][i] = blocks::six_bits(low[i], 4, high[i], shift + 4);
        }
    }
    __device__ __forceinline__ void add_to(float &sum, const Operand<2> &x) const {
        sum = fmaf(scales[0], x.scale[0] * float(dot16(codes[0], x.q[0])), sum);
        sum = fmaf(scales[1], x.scale[1] * float(dot16(codes[1], x.q[1])), sum);
    }
};
} // namespace pieces
