// elements.cu: lengths around those of packs, addresses that are and are not aligned, rows named twice.

#include "check.h"

#include "../../src/tensor/elements.cu"

using check::doubles;
using check::Grid;

// Lengths of no, one and many packs, with and without a rest.
const size_t LENGTHS[] = {1, 3, 4, 8, 15, 64, 2051, 9000};

template <class T, class U>
void of_two(size_t n, size_t shift) {
    const std::string what = " of " + std::to_string(n) + " from " + std::to_string(shift);
    const auto x = check::random<T>(n + shift, 1);
    const auto y = check::random<U>(n + shift, 2);
    const std::vector<double> xs = doubles(x), ys = doubles(y);

    std::vector<U> cast = y;
    const std::string of_cast = check::name<T, U>("cast"), of_add = check::name<T, U>("add");
    check::launch(of_cast, Grid{2, 1, 1}, 64, 0, x.data() + shift, cast.data() + shift, uint64_t(n));
    std::vector<U> rounded = y;
    for (size_t i = shift; i < n + shift; i++) rounded[i] = from_float<U>(to_float(x[i]));
    check::same(of_cast + what, cast, rounded);

    for (float scale : {1.0f, -0.37f}) {
        std::vector<T> sum = x;
        std::vector<double> want = xs;
        for (size_t i = shift; i < n + shift; i++) want[i] += scale * ys[i];
        T *to = sum.data() + shift;
        const U *from = y.data() + shift;
        if (scale == 1.0f) check::launch(of_add, Grid{3, 1, 1}, 32, 0, to, from, uint64_t(n));
        else check::launch(check::name<T, U>("add_scaled"), Grid{1, 1, 1}, 96, 0, to, from, scale, uint64_t(n));
        check::near(of_add + what, sum, want, check::tolerance<T>());
    }
}

template <class T>
void of_one(size_t n, size_t shift) {
    const std::string what = check::name<T>(" of") + " " + std::to_string(n) + " from " + std::to_string(shift);
    const auto x = check::random<T>(n + shift, 1);
    std::vector<T> scaled = x;
    std::vector<double> want = doubles(x);
    double squares = 0.0;
    for (size_t i = shift; i < n + shift; i++) {
        squares += want[i] * want[i];
        want[i] *= 1.7f;
    }
    check::launch(check::name<T>("scale"), Grid{2, 1, 1}, 64, 0, scaled.data() + shift, 1.7f, uint64_t(n));
    check::near("scale" + what, scaled, want, check::tolerance<T>());

    auto partials = check::unwritten<float>(3);
    check::launch(check::name<T>("sum_of_squares"), Grid{3, 1, 1}, 64, 0, x.data() + shift, partials.data(),
                  uint64_t(n));
    double total = 0.0;
    for (float partial : partials) total += double(partial);
    check::that(std::fabs(total / squares - 1.0) < 2e-6, "sum of squares" + what);

    for (float bad : {0.0f, NAN, INFINITY, -INFINITY}) {
        std::vector<T> values = x;
        if (bad != 0.0f) values[shift + n / 2] = from_float<T>(bad);
        std::vector<uint32_t> flag = {0};
        const T *from = values.data() + shift;
        check::launch(check::name<T>("not_finite"), Grid{2, 1, 1}, 64, 0, from, flag.data(), uint64_t(n));
        check::that(flag[0] == (bad != 0.0f), "not_finite" + what);
    }
}

template <class T>
void of_rows(uint32_t rows, uint32_t cols) {
    const std::string what = check::name<T>(" of") + " " + std::to_string(rows) + " x " + std::to_string(cols);
    const auto x = check::random<T>(rows * cols, 1), more = check::random<T>(rows * cols, 2);
    const auto row = check::random<float>(cols, 3);
    const std::vector<double> xs = doubles(x), ms = doubles(more);

    std::vector<T> sum = x;
    std::vector<double> want = xs;
    for (size_t i = 0; i < want.size(); i++) want[i] += row[i % cols];
    check::launch(check::name<T>("add_row"), Grid{rows, 2, 1}, 32, 0, sum.data(), row.data(), cols);
    check::near("add_row" + what, sum, want, check::tolerance<T>());

    // Every third row twice, the last three times, some never.
    std::vector<uint32_t> places;
    for (uint32_t i = 0; i < rows; i++) places.push_back(i % 3 == 1 ? i - 1 : i + 2 >= rows ? rows - 1 : i);
    sum = x, want = xs;
    for (size_t i = 0; i < want.size(); i++) want[places[i / cols] * cols + i % cols] += ms[i];
    check::launch(check::name<T>("scatter_add_rows"), Grid{rows, 2, 1}, 32, 0, sum.data(), more.data(),
                  (const uint32_t *)places.data(), rows, cols);
    check::near("scatter_add_rows" + what, sum, want, 4 * check::tolerance<T>());
}

template <class T>
void of_columns(uint32_t rows, uint64_t from_stride, uint64_t first, uint64_t to_stride, uint64_t place,
                uint32_t width) {
    const auto from = check::random<T>(rows * from_stride, 1), before = check::random<T>(rows * to_stride, 2);
    std::vector<T> to = before, want = before;
    for (uint32_t r = 0; r < rows; r++)
        for (uint32_t c = 0; c < width; c++) want[r * to_stride + place + c] = from[r * from_stride + first + c];
    check::launch(check::name<T>("copy_columns"), Grid{rows, 2, 1}, 32, 0, from.data() + first, from_stride,
                  to.data() + place, to_stride, width);
    check::same(check::name<T>("copy_columns") + " " + std::to_string(width), to, want);
}

template <class T>
void of_type() {
    for (size_t n : LENGTHS) {
        for (size_t shift : {0, 1, 8}) {
            of_two<T, float>(n, shift);
            of_two<T, bf16>(n, shift);
            of_one<T>(n, shift);
        }
    }
    for (uint32_t rows : {1, 2, 9})
        for (uint32_t cols : {1, 7, 8, 40, 1030}) of_rows<T>(rows, cols);
    of_columns<T>(5, 64, 16, 24, 0, 24);
    of_columns<T>(5, 24, 0, 64, 16, 24);
    of_columns<T>(3, 19, 5, 7, 0, 7);
    of_columns<T>(3, 1000, 1, 999, 0, 999);
    of_columns<T>(1, 1, 0, 1, 0, 1);
}

int main() {
    of_type<float>();
    of_type<bf16>();
    return check::report("elements");
}
