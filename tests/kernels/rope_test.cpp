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

template <class T>
void of_type() {
    for (bool halves : {true, false}) {
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
