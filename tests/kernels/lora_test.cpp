// lora.cu: the mask of dropout.rs, and deltas of different ranks, adapters and numbers for the rows of one launch.

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
    uint32_t rank;
    float scaling;
    std::vector<float> a, b;
};

// Row 0: one delta; row 1: none; row 2: two; row 3: another; row 4: the first again.
template <class T>
void deltas(uint32_t inputs, uint32_t outputs, Mask mask) {
    std::vector<Delta> deltas;
    for (uint32_t rank : {8, 3, 16})
        deltas.push_back({rank, 0.5f * float(rank), check::random<float>(rank * inputs, rank),
                          check::random<float>(outputs * rank, rank + 1)});
    const std::vector<std::vector<int>> of_rows = {{0}, {}, {1, 2}, {2}, {0}};
    const uint32_t rows = 5, stride = 16;
    std::vector<lora::Entry> entries;
    std::vector<uint32_t> firsts = {0};
    for (uint32_t row = 0; row < rows; row++) {
        for (int i : of_rows[row])
            entries.push_back({row, deltas[i].a.data(), deltas[i].b.data(), deltas[i].rank, deltas[i].scaling});
        firsts.push_back(uint32_t(entries.size()));
    }
    const auto x = check::random<T>(rows * inputs, 1);
    auto y = check::random<T>(rows * outputs, 2);
    auto want = doubles(y), dropped = doubles(x);
    for (size_t i = 0; i < dropped.size(); i++) dropped[i] *= mask.factor(i);
    for (const lora::Entry &entry : entries) {
        for (uint32_t j = 0; j < entry.rank; j++) {
            double low = 0.0;
            for (uint32_t i = 0; i < inputs; i++)
                low += dropped[entry.row * inputs + i] * double(entry.a[j * inputs + i]);
            for (uint32_t o = 0; o < outputs; o++)
                want[entry.row * outputs + o] += double(entry.scaling) * low * double(entry.b[o * entry.rank + j]);
        }
    }
    auto low = check::unwritten<float>(entries.size() * stride);
    const lora::Entry *table = entries.data();
    check::launch(check::name<T>("lora_down"), Grid{stride, unsigned(entries.size()), 1}, 64, 0, x.data(), low.data(),
                  table,
                  inputs, stride, mask.seed, mask.threshold(), mask.scale());
    check::launch(check::name<T>("lora_up"), Grid{(outputs + 31) / 32, rows, 1}, 32, 0, y.data(),
                  (const float *)low.data(), table,
                  (const uint32_t *)firsts.data(), outputs, stride);
    check::near(check::name<T>("lora") + " " + std::to_string(inputs) + " to " + std::to_string(outputs), y, want,
                check::tolerance<T>());
}

template <class T>
void of_type() {
    for (size_t n : {1, 8, 100, 3001})
        for (size_t shift : {0, 1}) dropout<T>(n, shift);
    for (double p : {0.0, 0.2}) {
        deltas<T>(1024, 40, {7, p});
        deltas<T>(17, 11, {7, p});
        deltas<T>(1, 1, {7, p});
    }
}

int main() {
    of_type<float>();
    of_type<bf16>();
    return check::report("lora");
}
