// Products of up to 64 rows whose launch is one: up to three weights [outputs, width] of one input, side by side in the grid, each
// with what goes on top:
//
//   y = onto + x Wᵀ + bias + scaling · low Bᵀ
//
// `onto` [rows, outputs] is the residual stream, and y is f32 then, as it is; else y has the type that the kernel's name
// says. `bias` [outputs]. `low` [rows, all ranks] are the low-rank activations of all parts, side by side; B [outputs, rank].
// All of these are f32, and what is not there is null, or of rank 0. A part that is not there has no outputs.
#pragma once
#include "low_rank.cuh"
#include "sums.cuh"

namespace parts {
// Of a block: of quantized weights, which have fewer bytes, smaller ones, so that enough of them are there to load.
template <class W>
constexpr uint32_t WARPS = sizeof(W) == 1 ? 2 : 4;
constexpr int OUTPUTS = 4;

template <class W, class Y>
struct Part {
    const W *w;
    uint64_t blocks; // of a quantized matrix
    Y *y;
    const float *bias, *onto, *b;
    uint32_t outputs, kind, rank;
    float scaling;

    __device__ __forceinline__ uint32_t blocks_of(uint32_t count) const { return (outputs + count - 1) / count; }
};

// What goes on top of one product.
struct Top {
    float bias, delta, below;

    __device__ __forceinline__ float on(float sum) const { return sum + bias + delta + below; }
};

// The outputs that block `block` of those of `count` outputs each works on.
template <class W, class Y>
struct Share {
    using Output = Y;

    // As the kernel was given them: what is read of them late takes no registers until then.
    const Part<W, Y> &one, &two, &three;
    const float *low;
    uint32_t index, first; // part, output

    __device__ __forceinline__ Share(const Part<W, Y> &one, const Part<W, Y> &two, const Part<W, Y> &three, const float *low,
                                     uint32_t block, uint32_t count)
        : one(one), two(two), three(three), low(low) {
        uint32_t to_two = one.blocks_of(count), to_three = to_two + two.blocks_of(count);
        index = block < to_two ? 0 : block < to_three ? 1 : 2;
        first = (block - (index == 0 ? 0 : index == 1 ? to_two : to_three)) * count;
    }

    template <class T>
    __device__ __forceinline__ T of(T Part<W, Y>::*member) const {
        return index == 0 ? one.*member : index == 1 ? two.*member : three.*member;
    }

    // Outputs of all parts, and of those before this one.
    __device__ __forceinline__ uint32_t all_outputs() const { return one.outputs + two.outputs + three.outputs; }
    __device__ __forceinline__ uint32_t outputs_before() const {
        return index == 0 ? 0 : index == 1 ? one.outputs : one.outputs + two.outputs;
    }

    // Asks for what no kernel writes of what goes on top of `count` outputs: while the input is not there yet.
    __device__ __forceinline__ void prefetch_top(uint32_t count) const {
        using P = Part<W, Y>;
        const uint32_t output = first + threadIdx.x;
        if (threadIdx.x >= count || output >= of(&P::outputs)) return;
        if (of(&P::bias)) prefetch(of(&P::bias) + output);
        if (of(&P::rank) > 0) prefetch(of(&P::b) + uint64_t(output) * of(&P::rank));
    }

    // What the delta of the part adds.
    __device__ __forceinline__ float delta(uint32_t row, uint32_t output) const {
        using P = Part<W, Y>;
        const uint32_t rank = of(&P::rank), before = index == 0 ? 0 : index == 1 ? one.rank : one.rank + two.rank;
        if (rank == 0) return 0.0f;
        const float *of_row = low + uint64_t(row) * (one.rank + two.rank + three.rank) + before;
        return of(&P::scaling) * low_rank::product(of(&P::b) + uint64_t(output) * rank, of_row, rank);
    }

    // What is on top of the product of a row with an output, both of which are there.
    __device__ __forceinline__ Top top(uint32_t row, uint32_t output) const {
        using P = Part<W, Y>;
        const float *bias = of(&P::bias), *onto = of(&P::onto);
        return {bias ? bias[output] : 0.0f, delta(row, output), onto ? onto[uint64_t(row) * of(&P::outputs) + output] : 0.0f};
    }

    __device__ __forceinline__ void put(uint32_t row, uint32_t output, float value) const {
        using P = Part<W, Y>;
        const uint64_t at = uint64_t(row) * of(&P::outputs) + output;
        Y *y = of(&P::y);
        if (of(&P::onto)) reinterpret_cast<float *>(y)[at] = value;
        else y[at] = from_float<Y>(value);
    }

    // Adds up what the threads of the block have of `M` rows with its `OUTPUTS` outputs, and writes it.
    template <int M>
    __device__ __forceinline__ void finish(float (&values)[M * OUTPUTS], uint32_t rows) const {
        using P = Part<W, Y>;
        const uint32_t row = threadIdx.x / OUTPUTS, output = first + threadIdx.x % OUTPUTS;
        const bool writes = row < M && row < rows && output < of(&P::outputs);
        // On its way while sums are made.
        Top top{};
        if (writes) top = this->top(row, output);
        const float sum = sums::of_block<WARPS<W>>(values);
        if (writes) put(row, output, top.on(sum));
    }
};
} // namespace parts

// The parameters of part N.
#define PART_PARAMETERS(N, W, Y) \
    const W *w##N, uint64_t blocks##N, Y *y##N, const float *bias##N, const float *onto##N, const float *b##N, \
        uint32_t outputs##N, uint32_t kind##N, uint32_t rank##N, float scaling##N
#define PARTS_PARAMETERS(W, Y) PART_PARAMETERS(0, W, Y), PART_PARAMETERS(1, W, Y), PART_PARAMETERS(2, W, Y), const float *low
#define PART(N) {w##N, blocks##N, y##N, bias##N, onto##N, b##N, outputs##N, kind##N, rank##N, scaling##N}
// `share`: of all parts, that of a block of so many outputs.
#define PARTS_SHARE(W, Y, block, count)                                     \
    const parts::Part<W, Y> part0 PART(0), part1 PART(1), part2 PART(2);    \
    const parts::Share<W, Y> share(part0, part1, part2, low, block, count)
