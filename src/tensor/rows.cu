// to[rows[i]] = from[i], row by row: the keys and values of a pass find their places in a pool.
#include "device.cuh"

namespace rows {
// One block a row.
template <class T>
__device__ __forceinline__ void put(T *to, const T *from, const uint32_t *indices, uint32_t width) {
    T *target = to + uint64_t(indices[blockIdx.x]) * width;
    const T *source = from + uint64_t(blockIdx.x) * width;
    for (uint32_t i = threadIdx.x; i < width; i += blockDim.x) target[i] = source[i];
}
} // namespace rows

extern "C" __global__ void put_rows_f32(float *to, const float *from, const uint32_t *indices, uint32_t width) {
    rows::put(to, from, indices, width);
}
EXPORT(put_rows_f32)

extern "C" __global__ void put_rows_bf16(bf16 *to, const bf16 *from, const uint32_t *indices, uint32_t width) {
    rows::put(to, from, indices, width);
}
EXPORT(put_rows_bf16)
