// swiglu.cu: both activations, over the range where they bend and where they overflow, into new memory and in place.

#include "check.h"
#include "eight_bits.h"

#include "../../src/ops/swiglu/swiglu.cu"

using check::doubles;
using check::Grid;

struct Value {
    double value, slope;
};

Value silu(double x) {
    const double sigmoid = 1.0 / (1.0 + std::exp(-x));
    return {x * sigmoid, sigmoid * (1.0 + x * (1.0 - sigmoid))};
}

Value gelu(double x) {
    const double root = std::sqrt(2.0 / M_PI), cubic = 0.044715;
    const double tanh = std::tanh(root * (x + cubic * x * x * x));
    const double slope = 0.5 * (1.0 + tanh) + 0.5 * x * (1.0 - tanh * tanh) * root * (1.0 + 3.0 * cubic * x * x);
    return {0.5 * x * (1.0 + tanh), slope};
}

template <class T>
void of_type(const char *activation, Value (*exact)(double), size_t n, size_t shift) {
    const std::string forward = check::name<T>((std::string("swiglu_") + activation).c_str());
    const std::string backward = check::name<T>((std::string("swiglu_backward_") + activation).c_str());
    const std::string what = " of " + std::to_string(n) + " from " + std::to_string(shift);
    auto gate = check::random<T>(n + shift, 1, 4.0f), up = check::random<T>(n + shift, 2);
    auto dy = check::random<T>(n + shift, 3);
    const float special[] = {-200.0f, 200.0f, 0.0f};
    for (size_t i = 0; i < 3 && n > 4; i++) gate[shift + i] = from_float<T>(special[i]);
    const auto gates = doubles(gate), ups = doubles(up), dys = doubles(dy);
    std::vector<double> gated, dgate, dup;
    for (size_t i = 0; i < n + shift; i++) {
        const Value at = i < shift ? Value{NAN, NAN} : exact(gates[i]);
        gated.push_back(at.value * ups[i]);
        dgate.push_back(dys[i] * ups[i] * at.slope);
        dup.push_back(dys[i] * at.value);
    }
    const auto from = [&](auto values) { return decltype(values)(values.begin() + shift, values.end()); };
    auto y = check::unwritten<T>(n + shift);
    const T *g = gate.data() + shift, *u = up.data() + shift, *d = dy.data() + shift;
    check::launch(forward, Grid{2, 1, 1}, 64, 0, g, u, y.data() + shift, uint64_t(n));
    check::near(forward + what, from(y), from(gated), check::tolerance<T>());
    if (n % 2 == 0) {
        // As two rows.
        auto q = eight::room(2, n / 2);
        auto again = check::unwritten<T>(n);
        const std::string in_bits = check::name<T>((std::string("swiglu_q8_") + activation).c_str());
        check::launch(in_bits, Grid{unsigned(n / 2 + 255) / 256, 2, 1}, 64, 0, g, u, again.data(), q.data(), 2u, uint32_t(n / 2));
        check::near(in_bits + what, again, from(gated), check::tolerance<T>());
        eight::of(in_bits + what, q, again, 2, n / 2);
    }
    // gated takes the place of dy, dgate that of gate, dup that of up.
    check::launch(backward, Grid{3, 1, 1}, 32, 0, g, u, d, dy.data() + shift, gate.data() + shift, up.data() + shift,
                  uint64_t(n));
    check::near(backward + " gated" + what, from(dy), from(gated), check::tolerance<T>());
    check::near(backward + " dgate" + what, from(gate), from(dgate), check::tolerance<T>());
    check::near(backward + " dup" + what, from(up), from(dup), check::tolerance<T>());
}

int main() {
    for (size_t n : {1, 7, 8, 513, 2000}) {
        for (size_t shift : {0, 1}) {
            of_type<float>("silu", silu, n, shift);
            of_type<bf16>("silu", silu, n, shift);
            of_type<float>("gelu", gelu, n, shift);
            of_type<bf16>("gelu", gelu, n, shift);
        }
    }
    return check::report("swiglu");
}
