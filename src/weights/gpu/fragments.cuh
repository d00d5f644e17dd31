// Weights of a row as a lane of a tensor core product takes them: codes, exact in bf16, and their scales, which multiply sums.
//
// A run is what a lane loads at a time: of `CHUNKS` times 32 inputs of four outputs, its quarter (`t`: lane % 4), and all
// scales of the t-th output; lanes then tell each other (`Scales`). A product of a chunk is two
// steps of 16 inputs, of which a lane has four codes each. The sum over inputs has no order, so which four is free, so long
// as the activations lie in the same order (`Order`) and a step's inputs have one scale (Q6_K's are for 16 inputs).
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
    __device__ __forceinline__ float scale(uint32_t, int, int) const { return half_to_float(d); }
};

struct Q8_0 {
    static constexpr int CHUNKS = 1, SCALES = 1, RUNS = 1, AHEAD = 2;
    static constexpr uint32_t BLOCK = 32;
    static constexpr Order ORDER = Order::Octets;
    static constexpr bool MINS = false;
    uint2 bytes;

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t, uint64_t block, uint32_t, uint32_t t) {
        bytes = load8(w + block * 32 + t * 8);
    }
    static __device__ __forceinline__ uint32_t chunk(uint32_t, int) { return 0; }
    __device__ __forceinline__ void codes(uint32_t, int, uint32_t, uint32_t (&codes)[2]) const { codes[0] = bytes.x, codes[1] = bytes.y; }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return signed_pair(codes, upper); }
    struct Scales : OneScale {
        __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t) {
            OneScale::load(w + count * 32, block);
        }
    };
};

// Codes of 32 in two halves.
struct Q4_0 {
    static constexpr int CHUNKS = 1, SCALES = 1, RUNS = 1, AHEAD = 4;
    static constexpr uint32_t BLOCK = 32;
    static constexpr Order ORDER = Order::Halves;
    static constexpr bool MINS = false;
    uint32_t bytes;

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t, uint32_t t) {
        bytes = blocks::load<uint32_t>(w + block * 16 + t * 4);
    }
    static __device__ __forceinline__ uint32_t chunk(uint32_t, int) { return 0; }
    __device__ __forceinline__ void codes(uint32_t, int, uint32_t, uint32_t (&codes)[2]) const {
        codes[0] = blocks::nibbles(bytes, 0), codes[1] = blocks::nibbles(bytes, 4);
    }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return fragments::pair<8>(codes, upper); }
    struct Scales : OneScale {
        __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t) {
            OneScale::load(w + count * 16, block);
        }
    };
};

struct Q5_0 {
    static constexpr int CHUNKS = 1, SCALES = 1, RUNS = 1, AHEAD = 2;
    static constexpr uint32_t BLOCK = 32;
    static constexpr Order ORDER = Order::Halves;
    static constexpr bool MINS = false;
    uint32_t bytes, fifth;

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t, uint32_t t) {
        bytes = blocks::load<uint32_t>(w + block * 16 + t * 4);
        fifth = blocks::load<uint32_t>(w + count * 16 + block * 4);
    }
    static __device__ __forceinline__ uint32_t chunk(uint32_t, int) { return 0; }
    __device__ __forceinline__ void codes(uint32_t, int, uint32_t t, uint32_t (&codes)[2]) const {
        codes[0] = blocks::nibbles(bytes, 0) | blocks::fifth_bits(fifth >> 4 * t);
        codes[1] = blocks::nibbles(bytes, 4) | blocks::fifth_bits(fifth >> (16 + 4 * t));
    }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return fragments::pair<16>(codes, upper); }
    struct Scales : OneScale {
        __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t) {
            OneScale::load(w + count * 20, block);
        }
    };
};

// A run is a pair of sub-blocks whose codes lie in the same bytes; its scales come with the whole block's.
template <uint32_t BYTES>
struct KScales {
    union {
        blocks::KScales of_block; // of a union, so that it may be loaded later
    };

    __device__ __forceinline__ KScales() {}
    __device__ __forceinline__ void load(const uint8_t *w, uint64_t, uint64_t block, uint32_t) {
        of_block = blocks::KScales(w + block * BYTES);
    }
    __device__ __forceinline__ float scale(uint32_t part, int c, int) const {
        return of_block.scale() * float(of_block.scales(part >= 2) >> (part % 2 * 16 + c * 8) & 255);
    }
    // Of all sub-blocks, bytes; and what they count.
    __device__ __forceinline__ uint32_t mins(bool upper) const { return of_block.mins(upper); }
    __device__ __forceinline__ float min_scale() const { return of_block.min_scale(); }
};

struct KRun {
    static constexpr int CHUNKS = 2, SCALES = 1, RUNS = 4, AHEAD = 2;
    static constexpr uint32_t BLOCK = 256;
    static constexpr Order ORDER = Order::Octets;
    static constexpr bool MINS = true;
    uint2 low;

    static __device__ __forceinline__ uint32_t chunk(uint32_t part, int c) { return part * 2 + c; }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return fragments::pair<0>(codes, upper); }
};

struct Q4_K : KRun {
    using Scales = KScales<144>;

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t, uint64_t block, uint32_t part, uint32_t t) {
        low = load8(w + block * 144 + 16 + part * 32 + t * 8);
    }
    __device__ __forceinline__ void codes(uint32_t, int c, uint32_t, uint32_t (&codes)[2]) const {
        codes[0] = blocks::nibbles(low.x, c * 4), codes[1] = blocks::nibbles(low.y, c * 4);
    }
};

struct Q5_K : KRun {
    using Scales = KScales<176>;
    uint2 high;

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t, uint64_t block, uint32_t part, uint32_t t) {
        const uint8_t *at = w + block * 176;
        high = blocks::load<uint2>(at + 16 + t * 8);
        low = load8(at + 48 + part * 32 + t * 8);
    }
    __device__ __forceinline__ void codes(uint32_t part, int c, uint32_t, uint32_t (&codes)[2]) const {
        int bit = part * 2 + c;
        codes[0] = blocks::nibbles(low.x, c * 4) | blocks::bit_of_bytes(high.x, bit);
        codes[1] = blocks::nibbles(low.y, c * 4) | blocks::bit_of_bytes(high.y, bit);
    }
};

// Of a half of 128, one 32 and that two further on.
struct Q6_K {
    static constexpr int CHUNKS = 2, SCALES = 2, RUNS = 4, AHEAD = 2;
    static constexpr uint32_t BLOCK = 256;
    static constexpr Order ORDER = Order::Halves;
    static constexpr bool MINS = false;
    uint32_t low[2], high[2];

    __device__ __forceinline__ void load(const uint8_t *w, uint64_t, uint64_t block, uint32_t part, uint32_t t) {
        const uint8_t *at = w + block * 208;
        uint32_t half = part / 2, odd = part % 2;
#pragma unroll
        for (int s = 0; s < 2; s++) {
            low[s] = blocks::load<uint32_t>(at + half * 64 + odd * 32 + s * 16 + t * 4);
            high[s] = blocks::load<uint32_t>(at + 128 + half * 32 + s * 16 + t * 4);
        }
    }
    static __device__ __forceinline__ uint32_t chunk(uint32_t part, int c) { return part / 2 * 4 + part % 2 + c * 2; }
    __device__ __forceinline__ void codes(uint32_t part, int c, uint32_t, uint32_t (&codes)[2]) const {
        int shift = part % 2 * 2 + c * 4;
#pragma unroll
        for (int s = 0; s < 2; s++) codes[s] = blocks::nibbles(low[s], c * 4) | (high[s] >> shift & 0x03030303u) << 4;
    }
    static __device__ __forceinline__ uint32_t pair(uint32_t codes, bool upper) { return fragments::pair<32>(codes, upper); }

    struct Scales {
        uint32_t of_16[2]; // signed bytes
        uint16_t d;

        __device__ __forceinline__ void load(const uint8_t *w, uint64_t count, uint64_t block, uint32_t part) {
            const uint8_t *at = w + block * 208 + 192 + part / 2 * 8 + part % 2 * 2;
#pragma unroll
            for (int c = 0; c < 2; c++) of_16[c] = blocks::load<uint16_t>(at + c * 4);
            d = blocks::load<uint16_t>(w + count * 208 + block * 2);
        }
        __device__ __forceinline__ float scale(uint32_t, int c, int s) const {
            return half_to_float(d) * float(int((c ? of_16[1] : of_16[0]) << (24 - s * 8)) >> 24);
        }
    };
};
} // namespace fragments
