// rope.cu: whole and partial rotations, both kinds of pairs, odd sizes, and back again.

#include "check.h"

#include "../../src/ops/rope/rope.cu"

using check::doubles;
using check::Grid;

template <class T>
void rotate(bool halves, uint32_t tokens, uint32_t heads, uint32_t dim, uint32_t half, float sign) {
    const uint32_t width = heads * dim;
    auto x = check::random<T>(tokens * width, 1);
    const auto before = x;
    std::vector<float> cos, sin;
    for (float angle : check::random<float>(tokens * half, 2)) {
        cos.push_back(std::cos(3 * angle));
        sin.push_back(std::sin(3 * angle));
    }
    std::vector<double> want = doubles(x);
    for (uint32_t t = 0; t < tokens; t++) {
        for (uint32_t h = 0; h < heads; h++) {
            double *head = &want[t * width + h * dim];
            for (uint32_t i = 0; i < half; i++) {
                double &x1 = head[halves ? i : 2 * i], &x2 = head[halves ? i + half : 2 * i + 1];
                const double c = cos[t * half + i], s = double(sign) * sin[t * half + i], first = x1;
                x1 = first * c - x2 * s;
                x2 = x2 * c + first * s;
            }
        }
    }
    const std::string kernel = check::name<T>(halves ? "rope_halves" : "rope_neighbours");
    const std::string what = kernel + " of " + std::to_string(heads) + " x " + std::to_string(dim) + ", " +
        std::to_string(half);
    check::launch(kernel, Grid{tokens, 2, 1}, 32, 0, x.data(), cos.data(), sin.data(), heads, dim, half, sign);
    check::near(what, x, want, check::tolerance<T>());
    check::launch(kernel, Grid{tokens, 1, 1}, 64, 0, x.data(), cos.data(), sin.data(), heads, dim, half, -sign);
    check::near(what + ", back", x, doubles(before), 2 * check::tolerance<T>());
}

// Three tokens whose places in a pool are in no order: as rope of queries and keys, and copies of both.
template <class T>
void store(bool halves, uint32_t queries, uint32_t keys, uint32_t dim, uint32_t half) {
    const std::vector<uint32_t> places = {4, 0, 2};
    auto q = check::random<T>(3 * queries * dim, 1), k = check::random<T>(3 * keys * dim, 2);
    const auto v = check::random<T>(3 * keys * dim, 3), before = check::random<T>(5 * keys * dim, 4);
    const auto cos = check::random<float>(3 * half, 5), sin = check::random<float>(3 * half, 6);
    auto all_k = before, all_v = before, want_k = before, want_v = before, rotated_q = q, rotated_k = k;
    const std::string pairs = halves ? "halves" : "neighbours";
    check::launch(check::name<T>(("rope_" + pairs).c_str()), Grid{3, 1, 1}, 32, 0, rotated_q.data(), cos.data(), sin.data(), queries, dim, half,
                  1.0f);
    check::launch(check::name<T>(("rope_" + pairs).c_str()), Grid{3, 1, 1}, 32, 0, rotated_k.data(), cos.data(), sin.data(), keys, dim, half, 1.0f);
    for (uint32_t row = 0; row < 3; row++) {
        const size_t width = keys * dim, to = places[row] * width;
        std::copy_n(&rotated_k[row * width], width, &want_k[to]), std::copy_n(&v[row * width], width, &want_v[to]);
    }
    const std::string kernel = check::name<T>(("rope_store_" + pairs).c_str());
    check::launch(kernel, Grid{3, 2, 1}, 32, 0, q.data(), (T *)k.data(), (T *)v.data(), all_k.data(), all_v.data(), places.data(), cos.data(),
                  sin.data(), queries, keys, dim, half);
    check::same(kernel + " queries", q, rotated_q), check::same(kernel + " keys", all_k, want_k), check::same(kernel + " values", all_v, want_v);
}

template <class T>
void of_type() {
    for (bool halves : {true, false}) {
        store<T>(halves, 4, 2, 64, 32), store<T>(halves, 3, 1, 80, 20), store<T>(halves, 2, 2, 7, 2), store<T>(halves, 2, 1, 6, 3);
        rotate<T>(halves, 3, 2, 128, 64, 1.0f);
        rotate<T>(halves, 2, 5, 128, 32, -1.0f);
        rotate<T>(halves, 5, 3, 6, 3, 1.0f);
        rotate<T>(halves, 5, 3, 7, 2, 1.0f);
        rotate<T>(halves, 1, 1, 80, 20, -1.0f);
        rotate<T>(halves, 4, 1, 8, 4, 1.0f);
        rotate<T>(halves, 1, 1, 2, 1, 1.0f);
    }
}

int main() {
    of_type<float>();
    of_type<bf16>();
    return check::report("rope");
}
