// adamw.cu: several steps of one tensor and of a table of them, clipped, with rates of their own; and steps that must
// change nothing.

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

void one(size_t n) {
    Tensor tensor(n, 1);
    const double rate = 1e-2, decay = 0.1, clip = 0.7;
    for (int step = 1; step <= 3; step++) {
        const double correction1 = 1.0 - std::pow(BETA1, step), correction2 = 1.0 - std::pow(BETA2, step);
        check::launch("adamw_step_f32", Grid{2, 1, 1}, 32, 0, tensor.p.data(), (const float *)tensor.g.data(),
                      tensor.m.data(),
                      tensor.v.data(), uint64_t(n), float(1.0 - rate * decay), float(BETA1), float(BETA2),
                      float(1.0 - BETA1), float(1.0 - BETA2), float(rate / correction1), float(std::sqrt(correction2)),
                      float(EPS), float(clip));
        tensor.exact(step, rate, decay, clip);
    }
    tensor.check("one of " + std::to_string(n));
}

struct Table {
    std::vector<Tensor> tensors;
    std::vector<uint64_t> p, g, m, v, lengths;
    std::vector<float> ratios;

    explicit Table(std::vector<size_t> sizes) {
        for (size_t n : sizes) tensors.emplace_back(n, 10 * n + 1);
        for (Tensor &tensor : tensors) {
            p.push_back(uint64_t(tensor.p.data()));
            g.push_back(uint64_t(tensor.g.data()));
            m.push_back(uint64_t(tensor.m.data()));
            v.push_back(uint64_t(tensor.v.data()));
            lengths.push_back(tensor.p.size());
            ratios.push_back(ratios.size() % 2 ? 16.0f : 1.0f);
        }
    }

    unsigned count() const { return unsigned(tensors.size()); }

    float norm() {
        const unsigned parts = 3;
        auto partials = check::unwritten<float>(parts * count());
        auto norm = check::unwritten<float>(1);
        check::launch("gradient_squares_f32", Grid{parts, count(), 1}, 64, 0, (const uint64_t *)g.data(),
                      (const uint64_t *)lengths.data(), partials.data());
        check::launch("gradient_norm_f32", Grid{1, 1, 1}, 64, 0, (const float *)partials.data(),
                      uint64_t(partials.size()),
                      norm.data());
        return norm[0];
    }

    // Whether the step was skipped.
    bool step(int step, double rate, double decay, double max_norm, const float *norm, const float *loss) {
        uint32_t skipped = 0;
        const double correction1 = 1.0 - std::pow(BETA1, step), correction2 = 1.0 - std::pow(BETA2, step);
        const auto table = [](const std::vector<uint64_t> &values) { return values.data(); };
        check::launch("adamw_f32", Grid{2, count(), 1}, 64, 0, table(p), table(g), table(m), table(v), table(lengths),
                      (const float *)ratios.data(), float(rate), float(decay), float(BETA1), float(BETA2),
                      float(1.0 - BETA1), float(1.0 - BETA2), float(correction1), float(std::sqrt(correction2)),
                      float(EPS),
                      float(max_norm), norm, loss, &skipped);
        return skipped != 0;
    }
};

void all(double max_norm) {
    Table table({1, 24, 7, 1000, 513});
    const double rate = 1e-3, decay = 0.1;
    for (int step = 1; step <= 3; step++) {
        double squares = 0.0;
        for (const Tensor &tensor : table.tensors)
            for (float g : tensor.g) squares += double(g) * double(g);
        const float norm = table.norm(), loss = 2.0f;
        check::near("norm", std::vector<float>{norm}, {std::sqrt(squares)}, 1e-6);
        const double clip = max_norm > 0.0 ? std::min(1.0, max_norm / (std::sqrt(squares) + 1e-6)) : 1.0;
        const bool skipped = table.step(step, rate, decay, max_norm, max_norm > 0.0 ? &norm : nullptr,
                                        step == 1 ? nullptr : &loss);
        check::that(!skipped, "a step is done");
        for (unsigned i = 0; i < table.count(); i++)
            table.tensors[i].exact(step, rate * double(table.ratios[i]), decay, clip);
    }
    for (const Tensor &tensor : table.tensors) tensor.check("table, " + std::to_string(tensor.p.size()));
}

void skipped(float bad_gradient, float loss) {
    Table table({5, 300});
    table.tensors[1].g[200] = bad_gradient;
    const float norm = table.norm();
    const auto before = table.tensors;
    check::that(table.step(1, 1e-3, 0.1, 1.0, &norm, &loss), "a step is skipped");
    for (unsigned i = 0; i < table.count(); i++) {
        check::same("a skipped parameter", table.tensors[i].p, before[i].p);
        check::same("a skipped moment", table.tensors[i].m, before[i].m);
    }
}

int main() {
    for (size_t n : {1, 4, 31, 600}) one(n);
    for (double max_norm : {0.0, 1.0, 100.0}) all(max_norm);
    skipped(NAN, 1.0f);
    skipped(INFINITY, 1.0f);
    skipped(0.5f, NAN);
    return check::report("adamw");
}
