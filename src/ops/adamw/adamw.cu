// AdamW with decoupled weight decay (Loshchilov & Hutter 2019), as `torch.optim.AdamW` computes it; everything f32:
//
//   g = clip · gradient,  m = β₁·m + (1−β₁)·g,  v = β₂·v + (1−β₂)·g²
//   p = p · (1 − rate·decay) − rate/(1−β₁ᵗ) · m / (√v/√(1−β₂ᵗ) + ε)
//
// `adamw_f32` does it for all tensors of an adapter in one launch: hundreds of small ones, whose launches would take
// longer than their work. Tables in the memory of the card say where they lie. The norm of all gradients stays on the
// card too, so no step waits for the host: clip = min(1, max_norm / (norm + 1e-6)), as `clip_grad_norm_` has it. Where
// the norm or the loss is not a finite number, nothing changes and *skipped becomes 1.
//
// gradient_squares_f32 and gradient_norm_f32 sum in a fixed order, so the norm has the same bits each time.
#include "device.cuh"
#include "packs.cuh"

namespace adamw {
using packs::load;
using packs::store;
using packs::WIDTH;

// What a step multiplies with; `new1` is 1 − β₁, rounded after the subtraction.
struct Factors {
    float keep, beta1, beta2, new1, new2, step_size, root_correction, eps, clip;
};

// One tensor, among all blocks of the grid's x.
__device__ __forceinline__ void update(float *p, const float *g, float *m, float *v, uint64_t n, const Factors &f) {
    packs::over_grid<WIDTH<float>>(n, packs::aligned(p, g, m, v), [=](auto count, uint64_t i) {
        constexpr unsigned N = decltype(count)::value;
        float parameter[N], gradient[N], first[N], second[N];
        load(parameter, p + i);
        load(gradient, g + i);
        load(first, m + i);
        load(second, v + i);
        for (unsigned j = 0; j < N; j++) {
            const float clipped = gradient[j] * f.clip;
            first[j] = f.beta1 * first[j] + f.new1 * clipped;
            second[j] = f.beta2 * second[j] + f.new2 * clipped * clipped;
            const float root = sqrtf(second[j]) / f.root_correction + f.eps;
            parameter[j] = parameter[j] * f.keep - f.step_size * first[j] / root;
        }
        store(p + i, parameter);
        store(m + i, first);
        store(v + i, second);
    });
}

template <class T>
__device__ __forceinline__ T *at(const uint64_t *addresses, uint32_t tensor) {
    return reinterpret_cast<T *>(addresses[tensor]);
}

} // namespace adamw

// One tensor, in place. Grid: any number of blocks.
extern "C" __global__ void adamw_step_f32(float *parameter, const float *gradient, float *first, float *second,
                                          uint64_t n, float keep, float beta1, float beta2, float new1, float new2,
                                          float step_size, float root_correction, float eps, float clip) {
    adamw::update(parameter, gradient, first, second, n,
                  {keep, beta1, beta2, new1, new2, step_size, root_correction, eps, clip});
}
EXPORT(adamw_step_f32)

// Tensor blockIdx.y of the tables, in place; `ratios` are of its learning rate to that of the step (LoRA+). `norm` and
// `loss` are one number each; `loss` may be null, and `norm` where max_norm is 0. correction1 is 1 − β₁ᵗ,
// root_correction √(1 − β₂ᵗ). Grid: y = tensors, any number of blocks in x.
extern "C" __global__ void adamw_f32(const uint64_t *parameters, const uint64_t *gradients, const uint64_t *firsts,
                                     const uint64_t *seconds, const uint64_t *lengths, const float *ratios,
                                     float learning_rate, float weight_decay, float beta1, float beta2, float new1,
                                     float new2, float correction1, float root_correction, float eps, float max_norm,
                                     const float *norm, const float *loss, uint32_t *skipped) {
    if ((norm && !isfinite(*norm)) || (loss && !isfinite(*loss))) {
        if (threadIdx.x == 0 && blockIdx.x == 0 && blockIdx.y == 0) *skipped = 1;
        return;
    }
    const uint32_t tensor = blockIdx.y;
    const float rate = learning_rate * ratios[tensor];
    const float keep = 1.0f - rate * weight_decay, step_size = rate / correction1;
    const float clip = max_norm > 0.0f ? fminf(1.0f, max_norm / (*norm + 1e-6f)) : 1.0f;
    adamw::update(adamw::at<float>(parameters, tensor), adamw::at<const float>(gradients, tensor),
                  adamw::at<float>(firsts, tensor), adamw::at<float>(seconds, tensor), lengths[tensor],
                  {keep, beta1, beta2, new1, new2, step_size, root_correction, eps, clip});
}
EXPORT(adamw_f32)

// partials[tensor][block] = Σ g² of the block's share. Grid: y = tensors, x = blocks for each, the same at every step.
extern "C" __global__ void gradient_squares_f32(const uint64_t *gradients, const uint64_t *lengths, float *partials) {
    const float *g = adamw::at<const float>(gradients, blockIdx.y);
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

// norm = √(Σ partials), by one block.
extern "C" __global__ void gradient_norm_f32(const float *partials, uint64_t n, float *norm) {
    float sum = 0.0f;
    for (uint64_t i = threadIdx.x; i < n; i += blockDim.x) sum += partials[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0) *norm = sqrtf(sum);
}
EXPORT(gradient_norm_f32)
