// The soft cap, y = c · tanh(x / c) (Gemma 2), in place. Attention and the loss have it in their own kernels.
// Grid: any number of blocks. The bound is memory bandwidth.
#include "device.cuh"
#include "packs.cuh"

namespace softcap {

template <class T>
__device__ __forceinline__ void forward(T *x, float c, uint64_t n) {
    packs::over_grid<packs::WIDTH<T>>(n, packs::aligned(x), [=](auto count, uint64_t i) {
        constexpr unsigned N = decltype(count)::value;
        float values[N];
        packs::load(values, x + i);
        for (unsigned j = 0; j < N; j++) values[j] = c * tanhf(values[j] / c);
        packs::store(x + i, values);
    });
}

} // namespace softcap

#define TAILORA_SOFTCAP(T)                                                                                            \
    extern "C" __global__ void softcap_##T(T *x, float c, uint64_t n) {                                               \
        softcap::forward(x, c, n);                                                                                    \
    }                                                                                                                 \
    EXPORT(softcap_##T)

TAILORA_SOFTCAP(f32)
TAILORA_SOFTCAP(bf16)
#undef TAILORA_SOFTCAP
