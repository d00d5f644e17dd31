// CUDA's types, conversions and functions of numbers, on a CPU: exact where the card is exact.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

// Vectors alias what they are loaded from, as they do for nvcc; their alignment is checked by -fsanitize=alignment.
#define TAILORA_VECTOR(type, element, count, align, ...) \
    struct alignas(align) [[gnu::may_alias]] type { \
        element __VA_ARGS__; \
    };
TAILORA_VECTOR(char4, signed char, 4, 4, x, y, z, w)
TAILORA_VECTOR(uchar4, unsigned char, 4, 4, x, y, z, w)
TAILORA_VECTOR(short2, short, 2, 4, x, y)
TAILORA_VECTOR(ushort2, unsigned short, 2, 4, x, y)
TAILORA_VECTOR(ushort4, unsigned short, 4, 8, x, y, z, w)
TAILORA_VECTOR(int2, int, 2, 8, x, y)
TAILORA_VECTOR(int4, int, 4, 16, x, y, z, w)
TAILORA_VECTOR(uint2, unsigned, 2, 8, x, y)
TAILORA_VECTOR(uint4, unsigned, 4, 16, x, y, z, w)
TAILORA_VECTOR(float2, float, 2, 8, x, y)
TAILORA_VECTOR(float4, float, 4, 16, x, y, z, w)
TAILORA_VECTOR(double2, double, 2, 16, x, y)
TAILORA_VECTOR(ulonglong2, unsigned long long, 2, 16, x, y)
#undef TAILORA_VECTOR

inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

template <class To, class From>
inline To tailora_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "the same bits");
    To to;
    std::memcpy(&to, &from, sizeof(To));
    return to;
}
inline unsigned __float_as_uint(float x) { return tailora_bits<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return tailora_bits<float>(x); }
inline int __float_as_int(float x) { return tailora_bits<int>(x); }
inline float __int_as_float(int x) { return tailora_bits<float>(x); }

struct [[gnu::may_alias]] __nv_bfloat16 {
    uint16_t bits;
};
inline float __bfloat162float(__nv_bfloat16 x) { return __uint_as_float(uint32_t(x.bits) << 16); }
inline __nv_bfloat16 __float2bfloat16(float x) {
    uint32_t bits = __float_as_uint(x);
    if (x != x) return {0x7fff};
    return {uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
inline __nv_bfloat16 __float2bfloat16_rn(float x) { return __float2bfloat16(x); }
inline uint16_t __bfloat16_as_ushort(__nv_bfloat16 x) { return x.bits; }
inline __nv_bfloat16 __ushort_as_bfloat16(uint16_t bits) { return {bits}; }

struct [[gnu::may_alias]] __half {
    uint16_t bits;
};
inline __half __ushort_as_half(uint16_t bits) { return {bits}; }
inline uint16_t __half_as_ushort(__half x) { return x.bits; }
inline float __half2float(__half x) {
    uint32_t sign = uint32_t(x.bits & 0x8000) << 16, exponent = x.bits >> 10 & 31, mantissa = x.bits & 1023;
    if (exponent == 0) return (sign ? -1.0f : 1.0f) * std::ldexp(float(mantissa), -24);
    if (exponent == 31) return __uint_as_float(sign | 0x7f800000 | mantissa << 13);
    return __uint_as_float(sign | (exponent + 112) << 23 | mantissa << 13);
}
inline __half __float2half_rn(float x) {
    uint16_t sign = uint16_t(__float_as_uint(x) >> 16 & 0x8000);
    float magnitude = std::fabs(x);
    if (x != x) return {0x7fff};
    if (magnitude >= 65520.0f) return {uint16_t(sign | 0x7c00)};
    // Below 2^-14 the step is 2^-24; above, 2^-10 of the power of two.
    int exponent = magnitude < 6.103515625e-5f ? -14 : std::ilogb(magnitude);
    auto steps = uint32_t(std::nearbyint(std::ldexp(magnitude, 10 - exponent)));
    return {uint16_t(sign | (steps + (uint32_t(exponent + 14) << 10)))};
}
inline __half __float2half(float x) { return __float2half_rn(x); }

inline float __expf(float x) { return std::exp(x); }
inline float __exp10f(float x) { return std::pow(10.0f, x); }
inline float __logf(float x) { return std::log(x); }
inline float __log2f(float x) { return std::log2(x); }
inline float __powf(float x, float y) { return std::pow(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return std::sqrt(x); }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmaf_rn(float x, float y, float z) { return std::fma(x, y, z); }
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }

// To the nearest integer, ties to even; saturating, NaN to 0, as the card's cvt.
inline int __float2int_rn(float x) {
    if (x != x) return 0;
    double rounded = std::nearbyint(double(x));
    return rounded >= 2147483647.0 ? INT32_MAX : rounded <= -2147483648.0 ? INT32_MIN : int(rounded);
}
inline int __float2int_rz(float x) { return __float2int_rn(std::trunc(x)); }
inline int __float2int_rd(float x) { return __float2int_rn(std::floor(x)); }
inline unsigned __float2uint_rn(float x) {
    if (!(x > 0.0f)) return 0;
    double rounded = std::nearbyint(double(x));
    return rounded >= 4294967295.0 ? UINT32_MAX : unsigned(rounded);
}
inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }

inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return (unsigned long long)((unsigned __int128)a * b >> 64);
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(unsigned(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned shift) {
    return unsigned((uint64_t(hi) << 32 | lo) >> (shift & 31));
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
    uint64_t bytes = uint64_t(y) << 32 | x;
    unsigned result = 0;
    for (int i = 0; i < 4; i++) {
        unsigned pick = selector >> 4 * i & 15, byte = unsigned(bytes >> 8 * (pick & 7)) & 255;
        if (pick & 8) byte = byte & 128 ? 255 : 0;
        result |= byte << 8 * i;
    }
    return result;
}
// Byte by byte, wrapping.
inline unsigned __vsub4(unsigned a, unsigned b) {
    return ((a | 0x80808080u) - (b & 0x7f7f7f7fu)) ^ ((a ^ ~b) & 0x80808080u);
}
inline unsigned __vadd4(unsigned a, unsigned b) {
    return ((a & 0x7f7f7f7fu) + (b & 0x7f7f7f7fu)) ^ ((a ^ b) & 0x80808080u);
}
// c + the products of the four signed bytes of a and b.
inline int dp4a(int a, int b, int c) {
    for (int i = 0; i < 4; i++) c += int8_t(unsigned(a) >> 8 * i) * int8_t(unsigned(b) >> 8 * i);
    return c;
}
inline int __dp4a(int a, int b, int c) { return dp4a(a, b, c); }

template <class T>
inline T __ldg(const T *pointer) {
    return *pointer;
}
template <class T>
inline T __ldcs(const T *pointer) {
    return *pointer;
}
template <class T>
inline T __ldcg(const T *pointer) {
    return *pointer;
}
template <class T>
inline void __stcs(T *pointer, T value) {
    *pointer = value;
}

// CUDA has these for every pair of numbers; mixed ones become the common type.
template <class A, class B>
inline auto min(A a, B b) -> std::common_type_t<A, B> {
    using C = std::common_type_t<A, B>;
    return C(b) < C(a) ? C(b) : C(a);
}
template <class A, class B>
inline auto max(A a, B b) -> std::common_type_t<A, B> {
    using C = std::common_type_t<A, B>;
    return C(a) < C(b) ? C(b) : C(a);
}
using std::isfinite;
using std::isinf;
using std::isnan;
