// rms_norm.cu: pieces of a warp and of a block, odd lengths, every pair of types; results in place of operands.

#include "check.h"
#include "eight_bits.h"

#include "../../src/ops/rms_norm/rms_norm.cu"

using check::doubles;
using check::Grid;

struct Shape {
    uint64_t pieces;
    uint32_t n;

    Grid grid() const { return n <= 256 ? Grid{unsigned(pieces + 1) / 2, 1, 1} : Grid{unsigned(pieces), 1, 1}; }
    unsigned threads() const { return n <= 256 ? 64 : 96; }
    size_t len() const { return pieces * n; }
    std::string name() const { return " of " + std::to_string(pieces) + " x " + std::to_string(n); }
};

const float EPS = 1e-5f;

double inverse_rms(const double *x, uint32_t n) {
    double squares = 0.0;
    for (uint32_t i = 0; i < n; i++) squares += x[i] * x[i];
    return 1.0 / std::sqrt(squares / n + double(EPS));
}

std::vector<double> normed(Shape shape, const std::vector<double> &x, const std::vector<float> &w) {
    std::vector<double> y(x.size());
    for (size_t i = 0; i < x.size(); i++)
        y[i] = x[i] * inverse_rms(&x[i / shape.n * shape.n], shape.n) * double(w[i % shape.n]);
    return y;
}

std::vector<double> gradient(Shape shape, const std::vector<double> &x, const std::vector<float> &w,
                             const std::vector<double> &dy) {
    std::vector<double> dx(x.size());
    for (size_t start = 0; start < x.size(); start += shape.n) {
        const double r = inverse_rms(&x[start], shape.n);
        double dot = 0.0;
        for (size_t i = 0; i < shape.n; i++) dot += dy[start + i] * double(w[i]) * x[start + i];
        for (size_t i = 0; i < shape.n; i++)
            dx[start + i] = r * dy[start + i] * double(w[i]) - x[start + i] * r * r * r * dot / shape.n;
    }
    return dx;
}

template <class X, class Y>
void forward(Shape shape) {
    const auto x = check::random<X>(shape.len(), 1);
    const auto w = check::random<float>(shape.n, 2);
    auto y = check::unwritten<Y>(shape.len());
    const std::string kernel = check::name<X, Y>("rms_norm");
    check::launch(kernel, shape.grid(), shape.threads(), 0, x.data(), w.data(), y.data(), shape.n, EPS, shape.pieces);
    check::near(kernel + shape.name(), y, normed(shape, doubles(x), w), check::tolerance<Y>());
}

template <class Y>
void forward_q8(Shape shape) {
    const auto x = check::random<float>(shape.len(), 1);
    const auto w = check::random<float>(shape.n, 2);
    auto y = check::unwritten<Y>(shape.len());
    auto q = eight::room(shape.pieces, shape.n);
    const std::string kernel = check::name<float, Y>("rms_norm_q8");
    check::launch(kernel, Grid{unsigned(shape.pieces), 1, 1}, 96, 0, x.data(), w.data(), y.data(), q.data(), shape.n, EPS);
    check::near(kernel + shape.name(), y, normed(shape, doubles(x), w), check::tolerance<Y>());
    eight::of(kernel + shape.name(), q, y, shape.pieces, shape.n);
}

template <class X, class D>
void backward(Shape shape) {
    const auto x = check::random<X>(shape.len(), 1);
    const auto dy = check::random<D>(shape.len(), 4);
    const auto w = check::random<float>(shape.n, 2);
    const auto want = gradient(shape, doubles(x), w, doubles(dy));
    const std::string kernel = check::name<X, D>("rms_norm_backward");
    const std::string adds = check::name<X, D>("rms_norm_backward_add");
    auto dx = check::unwritten<X>(shape.len());
    check::launch(kernel, shape.grid(), shape.threads(), 0, x.data(), w.data(), dy.data(), dx.data(), shape.n, EPS,
                  shape.pieces);
    check::near(kernel + shape.name(), dx, want, 4 * check::tolerance<X>());
    if (std::is_same<X, D>::value) {
        auto both = dy;
        check::launch(kernel, shape.grid(), shape.threads(), 0, x.data(), w.data(), (const D *)both.data(),
                      (X *)(void *)both.data(), shape.n, EPS, shape.pieces);
        check::that(std::memcmp(both.data(), dx.data(), dx.size() * sizeof(X)) == 0,
                    kernel + " in place" + shape.name());
    }

    auto into = check::random<float>(shape.len(), 5);
    auto sum = doubles(into);
    for (size_t i = 0; i < sum.size(); i++) sum[i] += want[i];
    check::launch(adds, shape.grid(), shape.threads(), 0, x.data(), w.data(), dy.data(), into.data(), shape.n, EPS,
                  shape.pieces);
    check::near(adds + shape.name(), into, sum, 4e-6);
}

template <class X, class Y>
void of_types() {
    for (Shape shape : {Shape{1, 1}, {7, 6}, {5, 7}, {9, 64}, {6, 128}, {3, 129}, {2, 256}, {2, 257}, {3, 896},
                        {1, 3584}}) {
        forward<X, Y>(shape);
        backward<X, Y>(shape);
    }
}

int main() {
    for (Shape shape : {Shape{1, 1}, {7, 6}, {5, 32}, {3, 129}, {2, 896}, {1, 3584}}) forward_q8<float>(shape), forward_q8<bf16>(shape);
    of_types<float, float>();
    of_types<float, bf16>();
    of_types<bf16, float>();
    of_types<bf16, bf16>();
    return check::report("rms_norm");
}
