// GGML's blocks on a card: where they lie, and their codes as signed bytes.
//
// Rows of blocks lie as GGUF files have them, except that the parts of a block that would not be aligned are told apart:
// first the 16-byte quants of all blocks of the matrix, then the fifth bits, then the scales ("planes"). The bytes are the
// same, only their order is another; `layout.rs` puts them there.
//
//           plane 0             plane 1   plane 2      a weight
//   Q8_0    32 codes            d                      d · q
//   Q4_0    16 of two codes     d                      d · (q − 8)
//   Q5_0    16 of low bits      4 of high d            d · (q − 16)
//   Q4_K    the 144 bytes                              d · s · q − dmin · m
//   Q5_K    the 176 bytes                              d · s · q − dmin · m
//   Q6_K    208: low, high, s   d                      d · s · (q − 32)
//
// An `Octet` is eight neighbours of a row. Their scale is exact in f32, and so is its product with a code where a min is
// subtracted, so values have the same bits as on the CPU whatever the compiler fuses.
#pragma once
#include "device.cuh"

namespace blocks {
struct Octet {
    uint32_t codes[2]; // signed bytes, the earlier ones lower
    float scale, min;

    __device__ __forceinline__ float value(int i) const {
        int code = int(codes[i / 4] << (24 - i % 4 * 8)) >> 24;
        return scale * float(code) - min;
    }
};

template <class T>
__device__ __forceinline__ T load(const uint8_t *at) {
    return __ldg(reinterpret_cast<const T *>(at));
}

__device__ __forceinline__ float half_at(const uint8_t *plane, uint64_t index) {
    return half_to_float(load<uint16_t>(plane + index * 2));
}

// Four codes of four bits.
__device__ __forceinline__ uint32_t nibbles(uint32_t bytes, int shift) { return bytes >> shift & 0x0f0f0f0fu; }

// `zero` less in each byte; the bytes are below 128.
__device__ __forceinline__ uint32_t minus(uint32_t bytes, uint32_t zero) {
    return ((bytes | 0x80808080u) - zero * 0x01010101u) ^ 0x80808080u;
}

// Four bits as the fifth bits of four codes: the products of the multiplication do not meet.
__device__ __forceinline__ uint32_t fifth_bits(uint32_t four) { return ((four & 15) * 0x00204081u & 0x01010101u) << 4; }

struct Q8_0 {
    static constexpr uint32_t BLOCK = 32;

    static __device__ __forceinline__ Octet octet(const uint8_t *w, uint64_t count, uint64_t block, uint32_t i) {
        uint2 codes = load<uint2>(w + block * 32 + i * 8);
        return {{codes.x, codes.y}, half_at(w + count * 32, block), 0.0f};
    }
};

struct Q4_0 {
    static constexpr uint32_t BLOCK = 32;
    static constexpr uint32_t ZERO = 8;

    static __device__ __forceinline__ Octet octet(const uint8_t *w, uint64_t count, uint64_t block, uint32_t i) {
        uint2 two = load<uint2>(w + block * 16 + i % 2 * 8);
        int shift = i / 2 * 4;
        return {{minus(nibbles(two.x, shift), ZERO), minus(nibbles(two.y, shift), ZERO)}, half_at(w + count * 16, block), 0.0f};
    }
};

struct Q5_0 {
    static constexpr uint32_t BLOCK = 32;
    static constexpr uint32_t ZERO = 16;

    static __device__ __forceinline__ uint32_t high(const uint8_t *w, uint64_t count, uint64_t block) {
        return load<uint32_t>(w + count * 16 + block * 4);
    }
    static __device__ __forceinline__ float scale(const uint8_t *w, uint64_t count, uint64_t block) {
        return half_at(w + count * 20, block);
    }
    static __device__ __forceinline__ Octet octet(const uint8_t *w, uint64_t count, uint64_t block, uint32_t i) {
        uint2 two = load<uint2>(w + block * 16 + i % 2 * 8);
        uint32_t fifth = high(w, count, block) >> i * 8;
        int shift = i / 2 * 4;
        uint32_t first = nibbles(two.x, shift) | fifth_bits(fifth), second = nibbles(two.y, shift) | fifth_bits(fifth >> 4);
        return {{minus(first, ZERO), minus(second, ZERO)}, scale(w, count, block), 0.0f};
    }
};

// The first 16 bytes of Q4_K and Q5_K: d, dmin, and six bits of scale and min for each of eight times 32 weights.
struct KScales {
    uint4 bytes;

    __device__ __forceinline__ explicit KScales(const uint8_t *block) : bytes(load<uint4>(block)) {}
    __device__ __forceinline__ explicit KScales(uint4 bytes) : bytes(bytes) {}

    __device__ __forceinline__ float scale() const { return half_to_float(uint16_t(bytes.x)); }
    __device__ __forceinline__ float min_scale() const { return half_to_float(uint16_t(bytes.x >> 16)); }

    // Of subs 4 · `upper` .. + 4, a byte each. Those of the upper four have their two high bits above the lower four's six.
    __device__ __forceinline__ uint32_t scales(bool upper) const {
        return upper ? (bytes.w & 0x0f0f0f0fu) | (bytes.y >> 2 & 0x30303030u) : bytes.y & 0x3f3f3f3fu;
    }
    __device__ __forceinline__ uint32_t mins(bool upper) const {
        return upper ? (bytes.w >> 4 & 0x0f0f0f0fu) | (bytes.z >> 2 & 0x30303030u) : bytes.z & 0x3f3f3f3fu;
    }
};

__device__ __forceinline__ Octet k_octet(const KScales &scales, uint32_t sub, uint32_t first, uint32_t second) {
    int shift = sub % 4 * 8;
    float scale = float(scales.scales(sub >= 4) >> shift & 255), min = float(scales.mins(sub >= 4) >> shift & 255);
    return {{first, second}, scales.scale() * scale, scales.min_scale() * min};
}

struct Q4_K {
    static constexpr uint32_t BLOCK = 256;
    static constexpr uint32_t BYTES = 144;

    static __device__ __forceinline__ Octet octet(const uint8_t *w, uint64_t, uint64_t block, uint32_t i) {
        const uint8_t *at = w + block * BYTES;
        uint32_t sub = i / 4;
        uint2 two = load<uint2>(at + 16 + sub / 2 * 32 + i % 4 * 8);
        int shift = sub % 2 * 4;
        return k_octet(KScales(at), sub, nibbles(two.x, shift), nibbles(two.y, shift));
    }
};

// Bit `index` of each byte, as the fifth of a code.
__device__ __forceinline__ uint32_t bit_of_bytes(uint32_t bytes, int index) { return (bytes >> index & 0x01010101u) << 4; }

struct Q5_K {
    static constexpr uint32_t BLOCK = 256;
    static constexpr uint32_t BYTES = 176;

    static __device__ __forceinline__ Octet octet(const uint8_t *w, uint64_t, uint64_t block, uint32_t i) {
        const uint8_t *at = w + block * BYTES;
        uint32_t sub = i / 4;
        uint2 high = load<uint2>(at + 16 + i % 4 * 8), low = load<uint2>(at + 48 + sub / 2 * 32 + i % 4 * 8);
        int shift = sub % 2 * 4;
        return k_octet(KScales(at), sub, nibbles(low.x, shift) | bit_of_bytes(high.x, sub),
                       nibbles(low.y, shift) | bit_of_bytes(high.y, sub));
    }
};

// Four low bits of each byte and two high ones: codes around zero.
__device__ __forceinline__ uint32_t six_bits(uint32_t low, int low_shift, uint32_t high, int high_shift) {
    return minus(nibbles(low, low_shift) | (high >> high_shift & 0x03030303u) << 4, 32);
}

struct Q6_K {
    static constexpr uint32_t BLOCK = 256;
    static constexpr uint32_t BYTES = 208; // without d

    static __device__ __forceinline__ Octet octet(const uint8_t *w, uint64_t count, uint64_t block, uint32_t i) {
        const uint8_t *at = w + block * BYTES;
        uint32_t half = i / 16, of_32 = i / 4 % 4, byte = i % 4 * 8;
        uint2 low = load<uint2>(at + half * 64 + of_32 % 2 * 32 + byte), high = load<uint2>(at + 128 + half * 32 + byte);
        int low_shift = of_32 / 2 * 4, high_shift = of_32 * 2;
        float scale = float(load<signed char>(at + 192 + i / 2));
        return {{six_bits(low.x, low_shift, high.x, high_shift), six_bits(low.y, low_shift, high.y, high_shift)},
                half_at(w + count * BYTES, block) * scale, 0.0f};
    }
};
} // namespace blocks
