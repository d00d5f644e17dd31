// lora.cu: the mask of dropout.rs, and deltas of different ranks that share an input.

#include "check.h"

#include "../../src/ops/lora/lora.cu"

using check::doubles;
using check::Grid;

// As src/ops/lora/dropout.rs has it.
uint32_t hash(uint64_t seed, uint64_t index) {
    uint64_t z = seed + (index + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return uint32_t((z ^ (z >> 31)) >> 32);
}

struct Mask {
    uint64_t seed;
    double p;

    uint32_t threshold() const { return uint32_t(p * 4294967295.0); }
    float scale() const { return float(1.0 / (1.0 - p)); }
    double factor(uint64_t index) const { return p > 0.0 && hash(seed, index) < threshold() ? 0.0 : double(scale()); }
};

template <class T>
void dropout(size_t n, size_t shift) {
    const Mask mask{0xFEDCBA9876543210u, 0.3};
    const auto x = check::random<T>(n + shift, 1);
    auto y = check::unwritten<T>(n + shift);
    std::vector<double> want;
    for (size_t i = 0; i < n; i++) want.push_back(double(to_float(x[i + shift])) * mask.factor(i));
    check::launch(check::name<T>("dropout"), Grid{2, 1, 1}, 64, 0, x.data() + shift, y.data() + shift, uint64_t(n),
                  mask.seed,
                  mask.threshold(), mask.scale());
    check::near(check::name<T>("dropout of") + " " + std::to_string(n), std::vector<T>(y.begin() + shift, y.end()),
                want,
                check::tolerance<T>());
}

struct Delta {
    uint32_t rank = 0;
    float scaling = 0.0f;
    std::vector<float> a, b;
};

// Up to three deltas of one input, each with an output of its own.
template <class T>
void deltas(uint32_t rows, uint32_t inputs, uint32_t outputs, const std::vector<uint32_t> &ranks) {
    std::vector<Delta> deltas;
    uint32_t all = 0;
    for (uint32_t rank : ranks) {
        deltas.push_back({rank, 0.5f * float(rank), check::random<float>(rank * inputs, rank), check::random<float>(outputs * rank, rank + 1)});
        all += rank;
    }
    deltas.resize(3);
    const auto x = check::random<T>(rows * inputs, 1);
    auto low = check::unwritten<float>(rows * all);
    const auto a = [&](int i) { return (const float *)deltas[i].a.data(); };
    check::launch(check::name<T>("lora_down"), Grid{all, rows, 1}, 64, 0, x.data(), low.data(), a(0), a(1), a(2), deltas[0].rank, deltas[1].rank,
                  deltas[2].rank, inputs);
    uint32_t before = 0;
    for (const Delta &delta : deltas) {
        std::vector<double> want(rows * delta.rank), sum;
        std::vector<float> found;
        for (uint32_t i = 0; i < rows * delta.rank; i++) {
            const uint32_t row = i / delta.rank, j = i % delta.rank;
            for (uint32_t k = 0; k < inputs; k++) want[i] += double(to_float(x[row * inputs + k])) * delta.a[j * inputs + k];
            found.push_back(low[row * all + before + j]);
        }
        before += delta.rank;
        check::near(check::name<T>("lora_down") + " of " + std::to_string(inputs), found, want, 2e-6);
        if (delta.rank == 0) continue;
        auto y = check::random<T>(rows * outputs, 2);
        sum = check::doubles(y);
        for (uint32_t i = 0; i < rows * outputs; i++)
            for (uint32_t j = 0; j < delta.rank; j++)
                sum[i] += double(delta.scaling) * found[i / outputs * delta.rank + j] * delta.b[i % outputs * delta.rank + j];
        check::launch(check::name<T>("lora_up"), Grid{(outputs + 31) / 32, rows, 1}, 32, 0, y.data(), (const float *)found.data(),
                      (const float *)delta.b.data(), outputs, delta.rank, delta.scaling);
        check::near(check::name<T>("lora_up") + " to " + std::to_string(outputs), y, sum, check::tolerance<T>());
    }
}

template <class T>
void of_type() {
    for (size_t n : {1, 8, 100, 3001})
        for (size_t shift : {0, 1}) dropout<T>(n, shift);
    deltas<T>(5, 1024, 40, {8, 3, 16});
    deltas<T>(2, 17, 11, {5, 8});
    deltas<T>(1, 1, 1, {1});
}

int main() {
    of_type<float>();
    of_type<bf16>();
    return check::report("lora");
}
