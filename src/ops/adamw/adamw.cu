// AdamW with decoupled weight decay (Loshchilov & Hutter 2019), as `torch.optim.AdamW` computes it; everything f32:
//
//   g = clip · gradient,  m = β₁·m + (1−β₁)·g,  v = β₂·v + (1−β₂)·g²
//   p = p · (1 − rate·decay) − rate/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε)
//
// `adamw_f32` does it for all tensors of an adapter in one launch: hundreds of small ones, whose launches would take
// longer than their work. A table in the memory of the card says where they lie. What products take of a tensor, its
// values in bf16, is written beside it.
#include "device.cuh"
#include "packs.cuh"

namespace adamw {
using packs::load;
using packs::store;
using packs::WIDTH;

// A tensor of an adapter, as adapter.rs writes it; `cast` may be null, `ratio` is its learning rate over the step's (LoRA+).
struct Tensor {
    float *parameter;
    const float *gradient;
    float *first, *second;
    bf16 *cast;
    uint64_t n;
    float ratio;
};

// What a step multiplies with; `new1` is 1 − β₁, rounded after the subtraction.
struct Factors {
    float keep, beta1, beta2, new1, new2, step_size, root_correction, eps, clip;
};

// One tensor, among all blocks of the grid's x.
__device__ __forceinline__ void update(const Tensor &of, const Factors &f) {
    const bool aligned = packs::aligned(of.parameter, of.gradient, of.first, of.second) && packs::aligned(of.cast);
    packs::over_grid<WIDTH<float>>(of.n, aligned, [=](auto count, uint64_t i) {
        constexpr unsigned N = decltype(count)::value;
        float parameter[N], gradient[N], first[N], second[N];
        load(parameter, of.parameter + i);
        load(gradient, of.gradient + i);
        load(first, of.first + i);
        load(second, of.second + i);
        for (unsigned j = 0; j < N; j++) {
            const float clipped = gradient[j] * f.clip;
            first[j] = f.beta1 * first[j] + f.new1 * clipped;
            second[j] = f.beta2 * second[j] + f.new2 * clipped * clipped;
            const float root = sqrtf(second[j]) / f.root_correction + f.eps;
            parameter[j] = parameter[j] * f.keep - f.step_size * first[j] / root;
        }
        store(of.parameter + i, parameter);
        store(of.first + i, first);
        store(of.second + i, second);
        if (of.cast) store(of.cast + i, parameter);
    });
}

} // namespace adamw

// Tensor blockIdx.y of the table, in place. correction1 is 1 − β₁ᵗ, root_correction √(1 − β₂ᵗ). Grid: y = tensors, any
// number of blocks in x.
extern "C" __global__ void adamw_f32(const adamw::Tensor *tensors, float learning_rate, float weight_decay, float beta1,
                                     float beta2, float new1, float new2, float correction1, float root_correction,
                                     float eps, float clip) {
    const adamw::Tensor tensor = tensors[blockIdx.y];
    const float rate = learning_rate * tensor.ratio;
    const float keep = 1.0f - rate * weight_decay, step_size = rate / correction1;
    adamw::update(tensor, {keep, beta1, beta2, new1, new2, step_size, root_correction, eps, clip});
}
EXPORT(adamw_f32)

// partials[tensor][block] = Σ g² of the block's share, in an order that follows from the grid, so a norm has the same bits
// each time. Grid: y = tensors, x = blocks for each, the same at every step.
extern "C" __global__ void gradient_squares_f32(const uint64_t *gradients, const uint64_t *lengths, float *partials) {
    const float *g = reinterpret_cast<const float *>(gradients[blockIdx.y]);
    float sum = 0.0f;
    packs::over_grid<packs::WIDTH<float>>(lengths[blockIdx.y], packs::aligned(g), [&](auto count, uint64_t i) {
        float values[decltype(count)::value];
        packs::load(values, g + i);
        for (float value : values) sum += value * value;
    });
    sum = block_sum(sum);
    if (threadIdx.x == 0) partials[uint64_t(blockIdx.y) * gridDim.x + blockIdx.x] = sum;
}
EXPORT(gradient_squares_f32)
