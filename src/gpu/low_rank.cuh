// What the B of a low-rank delta (Hu et al. 2021) makes of low-rank activations.
#pragma once
#include "packs.cuh"

namespace low_rank {
// A row of B times a row of activations.
__device__ __forceinline__ float product(const float *b, const float *low, uint32_t rank) {
    float sum = 0.0f;
    const uint32_t whole = packs::aligned(b, low) ? rank - rank % 4 : 0;
    for (uint32_t j = 0; j < whole; j += 4) {
        float of_b[4], of_low[4];
        packs::load(of_b, b + j);
        packs::load(of_low, low + j);
        for (unsigned k = 0; k < 4; k++) sum += of_b[k] * of_low[k];
    }
    for (uint32_t j = whole; j < rank; j++) sum += b[j] * low[j];
    return sum;
}
} // namespace low_rank
