// cross_entropy.cu: odd vocabularies, targets at both ends, logits that overflow an exponential, with and without the
// cap.

#include "check.h"

#include "../../src/ops/cross_entropy/cross_entropy.cu"

using check::Grid;

// Loss and gradient of one row, in place.
double exact(double *row, uint32_t vocab, uint32_t target, double factor, double c) {
    double max = -INFINITY, sum = 0.0;
    for (uint32_t i = 0; i < vocab; i++) {
        if (c != 0.0) row[i] = c * std::tanh(row[i] / c);
        max = std::max(max, row[i]);
    }
    for (uint32_t i = 0; i < vocab; i++) sum += std::exp(row[i] - max);
    const double loss = std::log(sum) + max - row[target];
    for (uint32_t i = 0; i < vocab; i++) {
        const double slope = c == 0.0 ? 1.0 : 1.0 - row[i] / c * row[i] / c;
        row[i] = factor * (std::exp(row[i] - max) / sum - (i == target)) * slope;
    }
    return loss;
}

template <class T>
void of_type(uint32_t rows, uint32_t vocab, float deviation, float offset, float c) {
    auto logits = check::random<T>(size_t(rows) * vocab, 1, deviation);
    for (T &each : logits) each = from_float<T>(to_float(each) + offset);
    std::vector<uint32_t> targets;
    for (uint32_t row = 0; row < rows; row++)
        targets.push_back(row == 0 ? 0 : row == 1 ? vocab - 1 : row * 7919 % vocab);
    const float factor = 0.25f;
    std::vector<double> want = check::doubles(logits), losses;
    for (uint32_t row = 0; row < rows; row++)
        losses.push_back(exact(&want[row * vocab], vocab, targets[row], factor, c));

    const std::string kernel = check::name<T>("softmax_loss");
    const std::string what = kernel + " of " + std::to_string(rows) + " x " + std::to_string(vocab) + ", cap " +
        std::to_string(c);
    const auto before = logits;
    auto got = check::unwritten<float>(rows);
    const uint32_t *ids = targets.data();
    check::launch(kernel, Grid{rows, 1, 1}, 96, 0, logits.data(), ids, got.data(), vocab, factor, c, uint32_t(0));
    check::near(what + " loss alone", got, losses, 2e-6);
    check::same(what + " logits", logits, before);
    got = check::unwritten<float>(rows);
    check::launch(kernel, Grid{rows, 1, 1}, vocab > 100000 ? 1024 : 64, 0, logits.data(), ids, got.data(), vocab,
                  factor, c, uint32_t(1));
    check::near(what + " loss", got, losses, 2e-6);
    check::near(what, logits, want, check::tolerance<T>() / (std::is_same<T, bf16>::value ? 4 : 1));
}

template <class T>
void all() {
    for (float c : {0.0f, 5.0f, 30.0f}) {
        of_type<T>(3, 5003, 3.0f, 0.0f, c);
        of_type<T>(2, 1024, 10.0f, 0.0f, c);
        of_type<T>(4, 37, 2.0f, 0.0f, c);
        of_type<T>(2, 1, 1.0f, 0.0f, c);
        of_type<T>(2, 9, 1.0f, -3.0f, c);
    }
    of_type<T>(2, 152064, 4.0f, 0.0f, 0.0f);
    of_type<T>(2, 300, 30.0f, 500.0f, 0.0f);
    of_type<T>(2, 300, 30.0f, -500.0f, 0.0f);
}

// A number that is none must show in the loss.
void bad(float value) {
    auto logits = check::random<float>(50, 1);
    logits[20] = value;
    std::vector<uint32_t> targets = {3};
    auto loss = check::unwritten<float>(1);
    check::launch("softmax_loss_f32", Grid{1, 1, 1}, 32, 0, logits.data(), (const uint32_t *)targets.data(),
                  loss.data(),
                  uint32_t(50), 1.0f, 0.0f, uint32_t(1));
    check::that(!std::isfinite(loss[0]), "the loss of " + std::to_string(value));
}

int main() {
    all<float>();
    all<bf16>();
    bad(NAN);
    bad(INFINITY);
    return check::report("cross_entropy");
}
