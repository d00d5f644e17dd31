// The emulator and device.cuh themselves: barriers, functions of warps, tensor cores, copies, and what must be refused.

#include "check.h"

#include <thread>

template <class T>
__device__ void sums_body(const T *x, float *sum, float *most, uint32_t n) {
    float s = 0.0f, m = -INFINITY;
    for (uint32_t i = threadIdx.x; i < n; i += blockDim.x) s += to_float(x[i]), m = fmaxf(m, to_float(x[i]));
    s = block_sum(s);
    m = block_max(m);
    float again = block_sum(1.0f);
    if (threadIdx.x == blockDim.x - 1) sum[blockIdx.x] = s + again - float(blockDim.x), most[blockIdx.x] = m;
}
extern "C" __global__ void __launch_bounds__(1024) sums_f32(const float *x, float *sum, float *most, uint32_t n) {
    sums_body(x, sum, most, n);
}
EXPORT(sums_f32)
extern "C" __global__ void sums_bf16(const bf16 *x, float *sum, float *most, uint32_t n) { sums_body(x, sum, most, n); }
EXPORT(sums_bf16)

// c [16, 8] = a [16, 16] · b [8, 16]ᵀ by ldmatrix and mma; b is read from shared memory filled by cp.async.
extern "C" __global__ void product(const bf16 *a, const bf16 *b, float *c, uint32_t early) {
    DYNAMIC_SHARED(bf16, tile);
    unsigned lane = threadIdx.x, g = lane / 4, t = lane % 4;
    if (lane < 16) cp_async16(tile + 8 * lane, b + 8 * lane);
    cp_async_commit();
    if (!early) cp_async_wait<0>();
    __syncwarp();
    const uint32_t *words = reinterpret_cast<const uint32_t *>(a);
    uint32_t left[4] = {words[8 * g + t], words[8 * (g + 8) + t], words[8 * g + t + 4], words[8 * (g + 8) + t + 4]};
    uint32_t right[4];
    load_matrices(right, tile + 16 * (lane % 8) + 8 * (lane / 8 % 2));
    float d[4] = {0, 0, 0, 0};
    uint32_t halves[2] = {right[0], right[1]};
    mma_bf16(d, left, halves);
    for (unsigned i = 0; i < 4; i++) c[8 * (g + i / 2 * 8) + 2 * t + i % 2] = d[i];
}
EXPORT(product)

extern "C" __global__ void transposed(const bf16 *a, uint32_t *words) {
    DYNAMIC_SHARED(bf16, tile);
    for (unsigned i = 0; i < 8; i++) tile[8 * threadIdx.x + i] = a[8 * threadIdx.x + i];
    __syncwarp();
    uint32_t d[4];
    load_matrices_transposed(d, tile + 8 * threadIdx.x);
    for (unsigned i = 0; i < 4; i++) words[4 * threadIdx.x + i] = d[i];
}
EXPORT(transposed)

extern "C" __global__ void shuffles(uint32_t *x) {
    uint32_t lane = threadIdx.x;
    x[lane] = __shfl_sync(ALL_LANES, lane, 5) + 100 * __shfl_down_sync(ALL_LANES, lane, 1) +
              10000 * __shfl_up_sync(ALL_LANES, lane, 2);
    x[32 + lane] = __ballot_sync(ALL_LANES, lane % 3 == 0);
    if (lane < 8) x[64 + lane] = __shfl_xor_sync(0xffu, lane, 4);
}
EXPORT(shuffles)

extern "C" __global__ void parted(uint32_t kind) {
    if (kind == 0 && threadIdx.x == 3) return;
    if (kind == 1 && threadIdx.x == 3) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    if (kind == 2 && threadIdx.x == 3) return;
    warp_sum(1.0f);
}
EXPORT(parted)

extern "C" __global__ void unset(float *to) {
    __shared__ float never[32];
    DYNAMIC_SHARED(float, nor);
    to[threadIdx.x] = never[threadIdx.x];
    to[32 + threadIdx.x] = nor[threadIdx.x];
    __syncthreads();
    never[threadIdx.x] = nor[threadIdx.x] = 1.0f;
}
EXPORT(unset)

static void reductions() {
    auto x = check::random<float>(5000, 1);
    std::vector<bf16> narrow;
    double sum = 0, most = -1e9, narrow_sum = 0;
    for (float value : x) {
        narrow.push_back(from_float<bf16>(value));
        sum += value, most = std::max(most, double(value)), narrow_sum += to_float(narrow.back());
    }
    for (unsigned threads : {32u, 64u, 96u, 1024u}) {
        std::vector<float> s(3), m(3);
        check::launch("sums_f32", {3, 1, 1}, threads, 0, x.data(), s.data(), m.data(), uint32_t(x.size()));
        check::near("sum", s, {sum, sum, sum}, 1e-5);
        check::near("max", m, {most, most, most}, 0);
        check::launch(check::name<bf16>("sums"), {3, 1, 1}, threads, 0, narrow.data(), s.data(), m.data(), uint32_t(x.size()));
        check::near("sum of bf16", s, {narrow_sum, narrow_sum, narrow_sum}, 1e-5);
    }
}

static void tensor_cores() {
    alignas(16) static bf16 a[256], b[128];
    auto left = check::random<bf16>(256, 2), right = check::random<bf16>(128, 3);
    std::copy(left.begin(), left.end(), a), std::copy(right.begin(), right.end(), b);
    std::vector<double> want(128);
    for (int i = 0; i < 128; i++) {
        for (int k = 0; k < 16; k++) want[i] += double(to_float(a[i / 8 * 16 + k])) * to_float(b[i % 8 * 16 + k]);
    }
    std::vector<float> c(128);
    check::launch("product", {1, 1, 1}, 32, 256, &a[0], &b[0], c.data(), 0u);
    check::near("product", c, want, 1e-6);
    check::launch("product", {1, 1, 1}, 32, 256, &a[0], &b[0], c.data(), 1u);
    check::that(std::isnan(c[0]), "a copy that is not waited for is seen");
    std::vector<uint32_t> words(128);
    check::launch("transposed", {1, 1, 1}, 32, 512, &a[0], words.data());
    bool holds = true;
    for (int lane = 0; lane < 32; lane++) {
        for (int i = 0; i < 4; i++) {
            int row = 2 * (lane % 4), column = lane / 4;
            holds &= low_bf16(words[4 * lane + i]) == to_float(a[64 * i + 8 * row + column]);
            holds &= high_bf16(words[4 * lane + i]) == to_float(a[64 * i + 8 * row + 8 + column]);
        }
    }
    check::that(holds, "matrices transposed");
}

static void refusals() {
    unsigned grid[] = {2, 1, 1}, none[] = {0, 1, 1};
    uint32_t kind = 0;
    void *args[] = {&kind};
    check::that(tailora_emulator_launch("nowhere", grid, 32, 0, args) == 1, "no such kernel");
    check::that(tailora_emulator_launch("parted", none, 32, 0, args) == 3, "no blocks");
    check::that(tailora_emulator_launch("parted", grid, 1025, 0, args) == 3, "too many threads");
    for (kind = 0; kind < 4; kind++) {
        int want = kind < 3 ? 2 : 0;
        check::that(tailora_emulator_launch("parted", grid, 64, 0, args) == want, "parted threads " + std::to_string(kind));
    }
}

int main() {
    reductions();
    tensor_cores();
    std::thread(reductions).join();
    std::vector<uint32_t> x(72);
    check::launch("shuffles", {1, 1, 1}, 32, 0, x.data());
    check::that(x[7] == 5 + 800 + 50000 && x[31] == 5 + 3100 + 290000 && x[0] == 5 + 100, "shuffles");
    check::that(x[40] == 0x49249249 && x[64 + 1] == 5, "votes, a part of a warp");
    std::vector<float> values(64);
    check::launch("unset", {3, 1, 1}, 32, 128, values.data());
    check::that(std::isnan(values[3]) && std::isnan(values[40]), "shared memory begins as NaN");
    refusals();
    reductions();
    bool halves = true;
    for (uint32_t bits = 0; bits < 0x7c00; bits++) halves &= float_to_half(half_to_float(uint16_t(bits))) == bits;
    check::that(halves && float_to_half(1.0f + 1.0f / 2048) == 0x3c00 && float_to_half(65520) == 0x7c00, "half precision");
    return check::report("emulator");
}
