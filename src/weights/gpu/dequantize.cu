// Quantized weights, dequantized: a rectangle of the matrix for products of many rows, and rows by index for embeddings.
//
//   dequantize_Q_T(w, blocks of the matrix, out [rows, columns], first row, width of the matrix, first column, columns)
//   gather_Q_T    (w, blocks of the matrix, ids [rows], out [rows, width], width)
//   gather_rows_S_T(table [.., width] of S, ids [rows], out [rows, width] of T, width)
//
// `first column` is a multiple of 8. Grid: blockIdx.x is the row of `out`, blockIdx.y its octets, `blockDim.x` each.
// A thread writes eight neighbours in 16 bytes (bf16), so that a warp writes without gaps; what it reads is a quarter of
// that, and read again by the threads beside it from the cache.
#include "blocks.cuh"
#include "octets.cuh"

namespace dequantize {
__device__ __forceinline__ uint32_t first_octet() { return blockIdx.y * blockDim.x + threadIdx.x; }
__device__ __forceinline__ uint32_t octet_step() { return gridDim.y * blockDim.x; }

// Columns from `first` on of row `from`.
template <class Q, class T>
__device__ __forceinline__ void row(const uint8_t *w, uint64_t count, uint64_t from, uint32_t width, uint32_t first,
                                    uint32_t columns, T *out) {
    uint64_t block = from * ((width + Q::BLOCK - 1) / Q::BLOCK);
    for (uint32_t i = first_octet(); i < (columns + 7) / 8; i += octet_step()) {
        uint32_t octet = first / 8 + i;
        blocks::Octet codes = Q::octet(w, count, block + octet / (Q::BLOCK / 8), octet % (Q::BLOCK / 8));
        float values[8];
#pragma unroll
        for (int k = 0; k < 8; k++) values[k] = codes.value(k);
        octets::write(out, i, columns, values);
    }
}

template <class Q, class T>
__device__ __forceinline__ void rectangle(const uint8_t *w, uint64_t count, T *out, uint32_t first_row, uint32_t width,
                                          uint32_t first, uint32_t columns) {
    row<Q>(w, count, uint64_t(first_row) + blockIdx.x, width, first, columns, out + uint64_t(blockIdx.x) * columns);
}

template <class Q, class T>
__device__ __forceinline__ void gather(const uint8_t *w, uint64_t count, const uint32_t *ids, T *out, uint32_t width) {
    row<Q>(w, count, ids[blockIdx.x], width, 0, width, out + uint64_t(blockIdx.x) * width);
}

template <class S, class T>
__device__ __forceinline__ void gather_rows(const S *table, const uint32_t *ids, T *out, uint32_t width) {
    const S *from = table + uint64_t(ids[blockIdx.x]) * width;
    out += uint64_t(blockIdx.x) * width;
    for (uint32_t i = first_octet(); i < (width + 7) / 8; i += octet_step()) {
        float values[8];
        if (width % 8 == 0) octets::read<true, octets::Use::Once>(from, i, width, values);
        else octets::read<false, octets::Use::Once>(from, i, width, values);
        octets::write(out, i, width, values);
    }
}
} // namespace dequantize

#define DEQUANTIZE(name, Q, T_name, T)                                                                                    \
    extern "C" __global__ void dequantize_##name##_##T_name(const uint8_t *w, uint64_t count, T *out, uint32_t first_row, \
                                                            uint32_t width, uint32_t first_column, uint32_t columns) {    \
        dequantize::rectangle<blocks::Q>(w, count, out, first_row, width, first_column, columns);                         \
    }                                                                                                                     \
    EXPORT(dequantize_##name##_##T_name)                                                                                  \
    extern "C" __global__ void gather_##name##_##T_name(const uint8_t *w, uint64_t count, const uint32_t *ids, T *out,    \
                                                        uint32_t width) {                                                 \
        dequantize::gather<blocks::Q>(w, count, ids, out, width);                                                         \
    }                                                                                                                     \
    EXPORT(gather_##name##_##T_name)
#define DEQUANTIZE_TO_BOTH(name, Q)  \
    DEQUANTIZE(name, Q, f32, float)  \
    DEQUANTIZE(name, Q, bf16, bf16)
DEQUANTIZE_TO_BOTH(q8_0, Q8_0)
DEQUANTIZE_TO_BOTH(q4_0, Q4_0)
DEQUANTIZE_TO_BOTH(q5_0, Q5_0)
DEQUANTIZE_TO_BOTH(q4_k, Q4_K)
DEQUANTIZE_TO_BOTH(q5_k, Q5_K)
DEQUANTIZE_TO_BOTH(q6_k, Q6_K)

#define GATHER_ROWS(S_name, S, T_name, T)                                                                        \
    extern "C" __global__ void gather_rows_##S_name##_##T_name(const S *table, const uint32_t *ids, T *out,      \
                                                               uint32_t width) {                                 \
        dequantize::gather_rows(table, ids, out, width);                                                         \
    }                                                                                                            \
    EXPORT(gather_rows_##S_name##_##T_name)
GATHER_ROWS(f32, float, f32, float)
GATHER_ROWS(f32, float, bf16, bf16)
GATHER_ROWS(bf16, bf16, f32, float)
GATHER_ROWS(bf16, bf16, bf16, bf16)
