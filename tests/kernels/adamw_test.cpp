// adamw.cu: several steps of a table of tensors, clipped, with rates of their own, some with a copy in bf16.

#include "check.h"

#include "../../src/ops/adamw/adamw.cu"

using check::Grid;

const double BETA1 = 0.9, BETA2 = 0.999, EPS = 1e-8;

// A parameter with its gradient and moments, and what they should be.
struct Tensor {
    std::vector<float> p, g, m, v;
    std::vector<double> want;
    std::vector<double> want_m, want_v;

    Tensor(size_t n, uint64_t seed)
        : p(check::random<float>(n, seed)), g(check::random<float>(n, seed + 1, 0.1f)), m(n), v(n),
          want(check::doubles(p)), want_m(n), want_v(n) {}

    void exact(int step, double rate, double decay, double clip) {
        for (size_t i = 0; i < p.size(); i++) {
            const double gradient = clip * double(g[i]);
            want_m[i] = BETA1 * want_m[i] + (1.0 - BETA1) * gradient;
            want_v[i] = BETA2 * want_v[i] + (1.0 - BETA2) * gradient * gradient;
            const double m = want_m[i] / (1.0 - std::pow(BETA1, step)), v = want_v[i] / (1.0 - std::pow(BETA2, step));
            want[i] = want[i] * (1.0 - rate * decay) - rate * m / (std::sqrt(v) + EPS);
        }
    }

    void check(const std::string &what) const {
        check::near(what + " parameter", p, want, 1e-6);
        check::near(what + " first moment", m, want_m, 3e-8);
        check::near(what + " second moment", v, want_v, 1e-10);
    }
};

// Tensors with and without a copy in bf16, of which the last begins at an odd address.
struct Table {
    std::vector<Tensor> tensors;
    std::vector<std::vector<bf16>> casts;
    std::vector<adamw::Tensor> entries;

    explicit Table(std::vector<size_t> sizes) {
        for (size_t n : sizes) tensors.emplace_back(n, 10 * n + 1);
        for (size_t n : sizes) casts.push_back(check::unwritten<bf16>(n + 1));
        for (unsigned i = 0; i < tensors.size(); i++) {
            Tensor &of = tensors[i];
            bf16 *cast = i % 3 == 2 ? nullptr : casts[i].data() + i % 2;
            entries.push_back({of.p.data(), of.g.data(), of.m.data(), of.v.data(), cast, of.p.size(), ratio(i)});
        }
    }

    static float ratio(unsigned tensor) { return tensor % 2 ? 16.0f : 1.0f; }

    unsigned count() const { return unsigned(tensors.size()); }

    double norm() {
        const unsigned parts = 3;
        std::vector<uint64_t> gradients, lengths;
        for (const Tensor &tensor : tensors) {
            gradients.push_back(uint64_t(tensor.g.data()));
            lengths.push_back(tensor.g.size());
        }
        auto partials = check::unwritten<float>(parts * count());
        check::launch("gradient_squares_f32", Grid{parts, count(), 1}, 64, 0, (const uint64_t *)gradients.data(),
                      (const uint64_t *)lengths.data(), partials.data());
        double sum = 0.0;
        for (float partial : partials) sum += double(partial);
        return std::sqrt(sum);
    }

    void step(int step, double rate, double decay, double clip) {
        const double correction1 = 1.0 - std::pow(BETA1, step), correction2 = 1.0 - std::pow(BETA2, step);
        check::launch("adamw_f32", Grid{2, count(), 1}, 64, 0, (const adamw::Tensor *)entries.data(), float(rate),
                      float(decay), float(BETA1), float(BETA2), float(1.0 - BETA1), float(1.0 - BETA2),
                      float(correction1), float(std::sqrt(correction2)), float(EPS), float(clip));
    }
};

void steps(double clip) {
    Table table({1, 24, 7, 1000, 513, 600});
    const double rate = 1e-3, decay = 0.1;
    for (int step = 1; step <= 3; step++) {
        double squares = 0.0;
        for (const Tensor &tensor : table.tensors)
            for (float g : tensor.g) squares += double(g) * double(g);
        check::that(std::fabs(table.norm() / std::sqrt(squares) - 1.0) < 1e-6, "the norm");
        table.step(step, rate, decay, clip);
        for (unsigned i = 0; i < table.count(); i++) table.tensors[i].exact(step, rate * Table::ratio(i), decay, clip);
    }
    for (unsigned i = 0; i < table.count(); i++) {
        const Tensor &tensor = table.tensors[i];
        tensor.check("table, " + std::to_string(tensor.p.size()));
        for (size_t j = 0; table.entries[i].cast && j < tensor.p.size(); j++)
            check::that(to_float(table.entries[i].cast[j]) == to_float(from_float<bf16>(tensor.p[j])), "the cast");
    }
}

int main() {
    for (double clip : {1.0, 0.3}) steps(clip);
    return check::report("adamw");
}
