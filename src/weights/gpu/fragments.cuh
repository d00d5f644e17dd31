// Weights of a row as a lane of a tensor core product takes them: codes, exact in bf16, and their scales.
//
// A lane has of 32 inputs (a chunk) of four outputs its quarter (`t`: lane % 4), and the scales of the t-th output; lanes then
// tell each other. A product of a chunk is two steps of 16 inputs, of which a lane has four codes each. The sum over inputs has
// no order, so which four is free, so long as the activations lie in the same order (`Order`) and a step's inputs have one
// scale (Q6_K's are for 16 inputs).
//
// Blocks of 32 are loaded from the card's memory, and their scales multiply sums. Those of 256 lie in shared memory, whole; a
// lane takes two chunks of one at a time (`part`), whose codes lie in the same bytes, and makes weights of them.
#pragma once
#include "blocks.cuh"

namespace fragments {
// Of a chunk, lane t has in steps 0 and 1 the inputs 8t.. and 8t + 4.., or 4t.. and 16 + 4t..
enum class Order : uint32_t { Octets, Halves };

// The bytes of an address that is read once; the cache is the activations'.
__device__ __forceinline__ uint2 load8(const uint8_t *at) {
#ifndef TAILORA_EMULATOR
    uint2 two;
    asm("ld.global.nc.L1::no_allocate.L2::128B.v2.u32 {%0, %1}, [%2];" : "=r"(two.x), "=r"(two.y) : "l"(at));
    return two;
#else
    return blocks::load<uint2>(at);
#endif
}

// a − b of pairs, where that is exact.
__device__ __forceinline__ uint32_t difference(uint32_t a, uint32_t b) {
#ifndef TAILORA_EMULATOR
    uint32_t minus_one = 0xbf80bf80u, result;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(b), "r"(minus_one), "r"(a));
    return result;
#else
    return pack_bf16(low_bf16(a) - low_bf16(b), high_bf16(a) - high_bf16(b));
#endif
}

// a · b + c of pairs, rounded once.
__device__ __forceinline__ uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c) {
#ifndef TAILORA_EMULATOR
    uint32_t result;
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
    return result;
#else
    return pack_bf16(fmaf(low_bf16(a), low_bf16(b), low_bf16(c)), fmaf(high_bf16(a), high_bf16(b), high_bf16(c)));
#endif
}

// The element in the lower half of a word, or in the upper one, twice.
__device__ __forceinline__ uint32_t lower_twice(uint32_t pair) { return __byte_perm(pair, 0, 0x1010); }
__device__ __forceinline__ uint32_t upper_twice(uint32_t pair) { return __byte_perm(pair, 0, 0x3232); }

// bf16 has seven bits behind the point, so 128 + q is 0x4300 | q for 0 ≤ q < 128.
constexpr uint32_t OF_128 = 0x43004300u;

// Bytes 0 and 1 (or 2 and 3), below 128, less `ZERO`.
template <uint32_t ZERO>
__device__ __forceinline__ uint32_t pair(uint32_t bytes, bool upper) {
    return difference(__byte_perm(bytes, OF_128, upper ? 0x7372 : 0x7170), OF_128 + ZERO * 0x00010001u);
}

// Signed bytes: the eighth bit doubles what it is OR-ed to, 128, and so makes a −128 of the difference.
__device__ __forceinline__ uint32_t signed_pair(uint32_t bytes, bool upper) {
    uint32_t both = __byte_perm(bytes, OF_128, upper ? 0x7372 : 0x7170);
    return difference(both & 0xff7fff7fu, both & 0xff80ff80u);
}

// d of a block is all.
struct OneScale {
    uint16_t d;

    __device__ __forceinline__ void load(const uint8_t *plane, uint64_t block) { d = blocks::load<uint16_t>(plane + block * 2); }
    __device__ __forceinline__ float scale() const { return half_to_float(d); }
};

struct Q8_0 {
    static constexpr int AHEAD = 2;
    uint2 bytes;

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t, uint64_t block, uint32_t t) {
        bytes = load8(w + block * 32 + t * 8);
    }
    __device__ __forceinline__ void codes(uint32_t, uint32_t (&codes)[2]) const { codes[0] = bytes.x, codes[1] = bytes.y; }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return signed_pair(codes, upper); }
    struct Scales : OneScale {
        __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block) {
            OneScale::load(w + count * 32, block);
        }
    };
};

// Codes of 32 in two halves.
struct Q4_0 {
    static constexpr int AHEAD = 4;
    uint32_t bytes;

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t t) {
        bytes = blocks::load<uint32_t>(w + block * 16 + t * 4);
    }
    __device__ __forceinline__ void codes(uint32_t, uint32_t (&codes)[2]) const {
        codes[0] = blocks::nibbles(bytes, 0), codes[1] = blocks::nibbles(bytes, 4);
    }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return fragments::pair<8>(codes, upper); }
    struct Scales : OneScale {
        __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block) {
            OneScale::load(w + count * 16, block);
        }
    };
};

struct Q5_0 {
    static constexpr int AHEAD = 2;
    uint32_t bytes, fifth;

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t t) {
        bytes = blocks::load<uint32_t>(w + block * 16 + t * 4);
        fifth = blocks::load<uint32_t>(w + count * 16 + block * 4);
    }
    __device__ __forceinline__ void codes(uint32_t t, uint32_t (&codes)[2]) const {
        codes[0] = blocks::nibbles(bytes, 0) | blocks::fifth_bits(fifth >> 4 * t);
        codes[1] = blocks::nibbles(bytes, 4) | blocks::fifth_bits(fifth >> (16 + 4 * t));
    }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return fragments::pair<16>(codes, upper); }
    struct Scales : OneScale {
        __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block) {
            OneScale::load(w + count * 20, block);
        }
    };
};

template <class T>
__device__ __forceinline__ T shared_at(const uint8_t *at) {
    return *reinterpret_cast<const T *>(at);
}

// The 16 bytes before the codes of Q4_K and Q5_K.
struct KHead : blocks::KScales {
    __device__ __forceinline__ KHead(const uint8_t *block, float) : KScales(shared_at<uint4>(block)) {}
    // The scale of a chunk, and what its min adds.
    __device__ __forceinline__ uint32_t pair_of(uint32_t part, int c, int) const {
        uint32_t shift = part % 2 * 16 + c * 8;
        return pack_bf16(scale() * float(scales(part >= 2) >> shift & 255), -min_scale() * float(mins(part >= 2) >> shift & 255));
    }
};

struct KBlock {
    static constexpr int SCALES = 1;
    static constexpr bool D_APART = false; // a plane of its own
    static constexpr Order ORDER = Order::Octets;
    using Scales = KHead;
    uint2 low;

    static __device__ __forceinline__ uint32_t chunk(uint32_t part, int c) { return part * 2 + c; }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return fragments::pair<0>(codes, upper); }
    static __device__ __forceinline__ uint32_t scaled(uint32_t codes, uint32_t scale) {
        return multiply_add(codes, lower_twice(scale), upper_twice(scale));
    }
};

struct Q4_K : KBlock {
    static constexpr uint32_t BYTES = 144;

    __device__ __forceinline__ void take(const uint8_t *block, uint32_t part, uint32_t t) {
        low = shared_at<uint2>(block + 16 + part * 32 + t * 8);
    }
    __device__ __forceinline__ void codes(uint32_t, int c, uint32_t (&codes)[2]) const {
        codes[0] = blocks::nibbles(low.x, c * 4), codes[1] = blocks::nibbles(low.y, c * 4);
    }
};

struct Q5_K : KBlock {
    static constexpr uint32_t BYTES = 176;
    uint2 high;

    __device__ __forceinline__ void take(const uint8_t *block, uint32_t part, uint32_t t) {
        high = shared_at<uint2>(block + 16 + t * 8);
        low = shared_at<uint2>(block + 48 + part * 32 + t * 8);
    }
    __device__ __forceinline__ void codes(uint32_t part, int c, uint32_t (&codes)[2]) const {
        int bit = part * 2 + c;
        codes[0] = blocks::nibbles(low.x, c * 4) | blocks::bit_of_bytes(high.x, bit);
        codes[1] = blocks::nibbles(low.y, c * 4) | blocks::bit_of_bytes(high.y, bit);
    }
};

// The signed bytes behind the codes of Q6_K, each of 16 inputs, and what they count.
struct Q6_KScales {
    uint4 bytes;
    float d;

    __device__ __forceinline__ Q6_KScales(const uint8_t *block, float d) : bytes(shared_at<uint4>(block + 192)), d(d) {}
    __device__ __forceinline__ uint32_t pair_of(uint32_t part, int c, int s) const {
        uint32_t index = part / 2 * 8 + part % 2 * 2 + c * 4 + s;
        uint32_t word = index < 8 ? index < 4 ? bytes.x : bytes.y : index < 12 ? bytes.z : bytes.w;
        return pack_bf16(d * float(int(word << (24 - index % 4 * 8)) >> 24), 0.0f);
    }
};

// Of a half of 128, one 32 and that two further on.
struct Q6_K {
    static constexpr int SCALES = 2;
    static constexpr uint32_t BYTES = 208; // without d
    static constexpr bool D_APART = true;
    static constexpr Order ORDER = Order::Halves;
    using Scales = Q6_KScales;
    uint32_t low[2], high[2];

    __device__ __forceinline__ void take(const uint8_t *block, uint32_t part, uint32_t t) {
        uint32_t half = part / 2, odd = part % 2;
#pragma unroll
        for (int s = 0; s < 2; s++) {
            low[s] = shared_at<uint32_t>(block + half * 64 + odd * 32 + s * 16 + t * 4);
            high[s] = shared_at<uint32_t>(block + 128 + half * 32 + s * 16 + t * 4);
        }
    }
    static __device__ __forceinline__ uint32_t chunk(uint32_t part, int c) { return part / 2 * 4 + part % 2 + c * 2; }
    __device__ __forceinline__ void codes(uint32_t part, int c, uint32_t (&codes)[2]) const {
        int shift = part % 2 * 2 + c * 4;
#pragma unroll
        for (int s = 0; s < 2; s++) codes[s] = blocks::nibbles(low[s], c * 4) | (high[s] >> shift & 0x03030303u) << 4;
    }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return fragments::pair<32>(codes, upper); }
    static __device__ __forceinline__ uint32_t scaled(uint32_t codes, uint32_t scale) {
        return multiply_add(codes, lower_twice(scale), 0);
    }
};
} // namespace fragments
