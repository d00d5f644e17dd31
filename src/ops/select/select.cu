// Of each row of logits [rows, vocab]: the largest ones in their order, and Σ exp(l − max). Two kernels:
//
//   select_scan_T   reads all once: the largest of each group of neighbours, and the softmax of each part of a row
//   select_list_T   finds the value that `listed` groups reach, so that no fewer logits do, and sorts those that do
//
// A group is `lanes` · `times` · 8 neighbours, lanes a power of two up to 32; there are up to MAX_GROUPS in a row. Keys are
// the bits of logits so ordered that they compare as whole numbers; equal ones are in the order of their ids. What is −∞ is
// never listed. Which thread finds a logit first does not matter: all that are found are sorted.
//
// out, by row: max, Σ exp(l − max) (NaN where a logit is NaN or +∞), how many are listed, and what none that is not listed is
// above (−∞: there are no others); then `listed` values, and as many ids. Where more than MOST logits reach the value, as of
// very many equal ones, none is listed, and the bound is +∞.
//
// Grids: scan (parts, rows) of 256 threads, parts = ceil(groups · lanes / 256); list (rows) of a multiple of 32 threads.
#include "device.cuh"
#include "packs.cuh"

namespace select_top {
constexpr uint32_t MAX_GROUPS = 4096, MOST = 2048, OCTET = 8, HEADER = 4;
constexpr uint32_t KEY_OF_NONE = 0x007fffffu; // −∞'s

__device__ __forceinline__ uint32_t key(float x) {
    uint32_t bits = __float_as_uint(x);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float of_key(uint32_t key) {
    return __uint_as_float(key >> 31 ? key & 0x7fffffffu : ~key);
}

// Eight neighbours from `first` on; −∞ behind the end of the row.
template <class T>
__device__ __forceinline__ void read(const T *row, uint32_t first, uint32_t vocab, float (&l)[OCTET]) {
    if (first + OCTET <= vocab && packs::aligned(row)) return packs::load(l, row + first);
#pragma unroll
    for (uint32_t i = 0; i < OCTET; i++) l[i] = first + i < vocab ? to_float(row[first + i]) : -INFINITY;
}

// What no number is below has no exponent to be relative to.
__device__ __forceinline__ float relative(float l, float max) { return max == -INFINITY ? 0.0f : expf(l - max); }

template <class T>
__device__ __forceinline__ void scan(const T *logits, uint32_t *keys, float *softmax, uint32_t vocab, uint32_t groups, uint32_t lanes,
                                     uint32_t times) {
    const T *row = logits + uint64_t(blockIdx.y) * vocab;
    const uint32_t thread = blockIdx.x * blockDim.x + threadIdx.x, group = thread / lanes;
    float max = -INFINITY, sum = 0.0f;
    for (uint32_t i = 0; i < times; i++) {
        float l[OCTET];
        read(row, ((group * times + i) * lanes + thread % lanes) * OCTET, group < groups ? vocab : 0, l);
        float largest = max;
#pragma unroll
        for (float each : l) largest = fmaxf(largest, each);
        sum *= relative(max, largest);
        max = largest;
#pragma unroll
        for (float each : l) sum += each == -INFINITY ? 0.0f : expf(each - max);
    }
    float of_group = max;
    for (uint32_t distance = 1; distance < lanes; distance *= 2) of_group = fmaxf(of_group, __shfl_xor_sync(ALL_LANES, of_group, distance));
    if (group < groups && thread % lanes == 0) keys[uint64_t(blockIdx.y) * groups + group] = key(of_group);
    const float of_part = block_max(max);
    sum = block_sum(sum * relative(max, of_part));
    if (threadIdx.x > 0) return;
    float *to = softmax + (uint64_t(blockIdx.y) * gridDim.x + blockIdx.x) * 2;
    to[0] = of_part, to[1] = sum;
}

// The largest number that `count` of the keys reach; 0 if there are fewer. The block has them in shared memory.
__device__ __forceinline__ uint32_t reached(const uint32_t *keys, uint32_t groups, uint32_t count) {
    uint32_t value = 0;
    for (int bit = 31; bit >= 0; bit--) {
        uint32_t above = value | 1u << bit, own = 0;
        for (uint32_t i = threadIdx.x; i < groups; i += blockDim.x) own += keys[i] >= above;
        if (block_sum(float(own)) >= float(count)) value = above;
    }
    return value;
}

// Sorts a power of two of numbers, the largest first.
__device__ __forceinline__ void sort(uint64_t *numbers, uint32_t count) {
    for (uint32_t size = 2; size <= count; size *= 2)
        for (uint32_t distance = size / 2; distance > 0; distance /= 2) {
            __syncthreads();
            for (uint32_t i = threadIdx.x; i < count / 2; i += blockDim.x) {
                uint32_t low = i / distance * distance * 2 + i % distance, high = low + distance;
                uint64_t a = numbers[low], b = numbers[high];
                if (low & size ? a > b : a < b) numbers[low] = b, numbers[high] = a;
            }
        }
    __syncthreads();
}

// The logits from `least` on of the groups that reach it: key above, what is left of the id below. Their number, which may be
// more than there is room for.
template <class T>
__device__ __forceinline__ uint32_t collect(const T *row, const uint32_t *keys, uint64_t *found, uint32_t least, uint32_t vocab,
                                            uint32_t groups, uint32_t octets) {
    __shared__ uint32_t counts[2];
    __shared__ uint16_t chosen[MAX_GROUPS];
    if (threadIdx.x < 2) counts[threadIdx.x] = 0;
    __syncthreads();
    for (uint32_t group = threadIdx.x; group < groups; group += blockDim.x)
        if (keys[group] >= least) chosen[atomicAdd(&counts[0], 1u)] = uint16_t(group);
    __syncthreads();
    const uint64_t all = uint64_t(counts[0]) * octets;
    for (uint64_t i = threadIdx.x; i < all; i += blockDim.x) {
        float l[OCTET];
        uint32_t first = (chosen[i / octets] * octets + uint32_t(i % octets)) * OCTET;
        read(row, first, vocab, l);
#pragma unroll
        for (uint32_t k = 0; k < OCTET; k++) {
            if (key(l[k]) < least) continue;
            uint32_t place = atomicAdd(&counts[1], 1u);
            if (place < MOST) found[place] = uint64_t(key(l[k])) << 32 | uint32_t(~(first + k));
        }
    }
    __syncthreads();
    return counts[1];
}

template <class T>
__device__ __forceinline__ void list(const T *logits, const uint32_t *of_groups, const float *softmax, uint32_t *out, uint32_t vocab,
                                     uint32_t groups, uint32_t octets, uint32_t parts, uint32_t listed) {
    __shared__ uint32_t keys[MAX_GROUPS];
    __shared__ uint64_t found[MOST];
    const uint64_t row = blockIdx.x;
    out += row * (HEADER + 2 * listed);
    for (uint32_t i = threadIdx.x; i < groups; i += blockDim.x) keys[i] = of_groups[row * groups + i];
    __syncthreads();
    const uint32_t least = max(reached(keys, groups, listed), KEY_OF_NONE + 1);
    const uint32_t count = collect(logits + row * vocab, keys, found, least, vocab, groups, octets);
    uint32_t room = 1;
    while (room < min(count, MOST)) room *= 2;
    for (uint32_t i = count + threadIdx.x; i < room; i += blockDim.x) found[i] = 0;
    if (count <= MOST) sort(found, room);
    const uint32_t given = count <= MOST ? min(count, listed) : 0;
    for (uint32_t i = threadIdx.x; i < given; i += blockDim.x) {
        out[HEADER + i] = __float_as_uint(of_key(uint32_t(found[i] >> 32)));
        out[HEADER + listed + i] = ~uint32_t(found[i]);
    }
    softmax += row * parts * 2;
    float largest = -INFINITY, sum = 0.0f;
    for (uint32_t i = threadIdx.x; i < parts; i += blockDim.x) largest = fmaxf(largest, softmax[i * 2]);
    largest = block_max(largest);
    for (uint32_t i = threadIdx.x; i < parts; i += blockDim.x) sum += softmax[i * 2 + 1] * relative(softmax[i * 2], largest);
    sum = block_sum(sum);
    if (threadIdx.x > 0) return;
    const bool is_all = least == KEY_OF_NONE + 1 && count <= listed;
    const float bound = is_all ? -INFINITY : given < listed ? INFINITY : of_key(uint32_t(found[given - 1] >> 32));
    out[0] = __float_as_uint(largest), out[1] = __float_as_uint(sum), out[2] = given, out[3] = __float_as_uint(bound);
}
} // namespace select_top

#define TAILORA_SELECT(T)                                                                                                 \
    extern "C" __global__ void __launch_bounds__(256)                                                                     \
        select_scan_##T(const T *logits, uint32_t *keys, float *softmax, uint32_t vocab, uint32_t groups, uint32_t lanes, \
                        uint32_t times) {                                                                                 \
        select_top::scan(logits, keys, softmax, vocab, groups, lanes, times);                                             \
    }                                                                                                                     \
    EXPORT(select_scan_##T)                                                                                               \
    extern "C" __global__ void __launch_bounds__(512)                                                                     \
        select_list_##T(const T *logits, const uint32_t *keys, const float *softmax, uint32_t *out, uint32_t vocab,       \
                        uint32_t groups, uint32_t octets, uint32_t parts, uint32_t listed) {                              \
        select_top::list(logits, keys, softmax, out, vocab, groups, octets, parts, listed);                               \
    }                                                                                                                     \
    EXPORT(select_list_##T)

TAILORA_SELECT(f32)
TAILORA_SELECT(bf16)
#undef TAILORA_SELECT
