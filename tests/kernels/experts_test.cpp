// experts.cu: rows that go to places of their own, weighted; odd widths, every pair of types.

#include "check.h"

#include "../../src/ops/experts/experts.cu"

using check::doubles;
using check::Grid;

template <class T, class U>
void of_two(uint32_t rows, uint32_t cols) {
    const uint32_t all = 2 * rows + 1;
    const auto from = check::random<U>(rows * cols, 1), other = check::random<U>(rows * cols, 5);
    const auto same_type = check::random<T>(rows * cols, 6);
    const auto weights = check::random<float>(rows, 2);
    auto to = check::random<T>(all * cols, 3);
    std::vector<uint32_t> places;
    for (uint32_t i = 0; i < rows; i++) places.push_back(2 * (rows - 1 - i) + 1);
    auto want = doubles(to);
    std::vector<double> products(rows);
    for (uint32_t i = 0; i < rows * cols; i++) {
        want[places[i / cols] * cols + i % cols] += double(weights[i / cols]) * double(to_float(from[i]));
        products[i / cols] += double(to_float(same_type[i])) * double(to_float(other[i]));
    }
    const std::string what = " of " + std::to_string(rows) + " x " + std::to_string(cols);
    check::launch(check::name<T, U>("add_weighted"), Grid{rows, 2, 1}, 32, 0, to.data(), from.data(),
                  (const uint32_t *)places.data(), weights.data(), cols);
    check::near(check::name<T, U>("add_weighted") + what, to, want, check::tolerance<T>());
    auto got = check::unwritten<float>(rows);
    check::launch(check::name<T, U>("row_products"), Grid{rows, 1, 1}, 96, 0, same_type.data(), other.data(),
                  got.data(), cols);
    check::near(check::name<T, U>("row_products") + what, got, products, 2e-6);
}

template <class T>
void of_one(uint32_t rows, uint32_t cols) {
    auto x = check::random<T>(rows * cols, 1);
    const auto weights = check::random<float>(rows, 2);
    auto want = doubles(x);
    for (uint32_t i = 0; i < rows * cols; i++) want[i] *= double(weights[i / cols]);
    check::launch(check::name<T>("scale_rows"), Grid{rows, 2, 1}, 32, 0, x.data(), weights.data(), cols);
    check::near(check::name<T>("scale_rows"), x, want, check::tolerance<T>());
}

int main() {
    for (uint32_t rows : {1, 5}) {
        for (uint32_t cols : {1, 7, 64, 1003}) {
            of_two<float, float>(rows, cols);
            of_two<float, bf16>(rows, cols);
            of_two<bf16, float>(rows, cols);
            of_two<bf16, bf16>(rows, cols);
            of_one<float>(rows, cols);
            of_one<bf16>(rows, cols);
        }
    }
    return check::report("experts");
}
