// Launches of products of which each has something on top (`parts.cuh`), for the tests of the kernels that make them.
#pragma once

#include "check.h"

namespace several {
// One of the weights of a launch, with what goes on top of its product.
template <class W, class Y>
struct Part {
    const W *w = nullptr;
    uint64_t blocks = 0;
    std::vector<double> values;
    size_t outputs = 0;
    uint32_t kind = 0, rank = 0;
    float scaling = 0.0f;
    std::vector<float> bias, onto, b, sum; // `sum` is the result where there is `onto`
    std::vector<Y> y;

    void with_bias() { bias = check::random<float>(outputs, 11); }
    void with_delta(uint32_t r) { rank = r, scaling = 0.5f, b = check::random<float>(outputs * r, 12); }
    void on_top(size_t rows) { onto = check::random<float>(rows * outputs, 13); }
};

template <class V>
const typename V::value_type *pointer(const V &values) {
    return values.empty() ? nullptr : values.data();
}

// Up to three of them, for so many rows.
template <class W, class Y>
struct Parts {
    const size_t count, rows;
    std::vector<Part<W, Y>> all; // three
    uint32_t ranks = 0;
    std::vector<float> low;

    Parts(std::vector<Part<W, Y>> parts, size_t rows) : count(parts.size()), rows(rows), all(std::move(parts)) {
        for (auto &part : all) {
            ranks += part.rank;
            part.y = check::unwritten<Y>(rows * part.outputs), part.sum = check::unwritten<float>(rows * part.outputs);
        }
        all.resize(3);
        low = check::random<float>(rows * ranks, 14);
    }
    const Part<W, Y> &operator[](size_t i) const { return all[i]; }

    // Blocks of so many outputs.
    uint32_t blocks(size_t outputs) const {
        size_t blocks = 0;
        for (auto &part : all) blocks += (part.outputs + outputs - 1) / outputs;
        return uint32_t(blocks);
    }

    template <class... A>
    void launch(const std::string &kernel, check::Grid grid, unsigned threads, unsigned shared, A... rest) {
        auto w = [&](int i) { return all[i].w; };
        auto y = [&](int i) { return all[i].onto.empty() ? all[i].y.data() : reinterpret_cast<Y *>(all[i].sum.data()); };
        auto n = [&](int i) { return uint32_t(all[i].outputs); };
#define PART_ARGUMENTS(i) \
    w(i), all[i].blocks, y(i), pointer(all[i].bias), pointer(all[i].onto), pointer(all[i].b), n(i), all[i].kind, all[i].rank, all[i].scaling
        check::launch(kernel, grid, threads, shared, PART_ARGUMENTS(0), PART_ARGUMENTS(1), PART_ARGUMENTS(2), pointer(low), rest...);
#undef PART_ARGUMENTS
    }

    // Adds what goes on top of part `i` to its products.
    void add_top(size_t i, std::vector<double> &products) const {
        const auto &part = all[i];
        size_t before = 0;
        for (size_t other = 0; other < i; other++) before += all[other].rank;
        for (size_t at = 0; at < products.size(); at++) {
            size_t row = at / part.outputs, output = at % part.outputs;
            if (!part.bias.empty()) products[at] += part.bias[output];
            if (!part.onto.empty()) products[at] += part.onto[at];
            for (uint32_t r = 0; r < part.rank; r++)
                products[at] += double(part.scaling) * low[row * ranks + before + r] * part.b[output * part.rank + r];
        }
    }
};
} // namespace several
