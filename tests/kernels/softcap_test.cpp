// softcap.cu: near zero, where the cap bends, and far beyond it.

#include "check.h"

#include "../../src/ops/softcap/softcap.cu"

template <class T>
void of_type(size_t n, size_t shift, float c) {
    auto x = check::random<T>(n + shift, 1, 2.0f * c);
    if (n > 2) x[shift] = from_float<T>(1000.0f * c), x[shift + 1] = from_float<T>(1e-4f * c);
    auto want = check::doubles(x);
    for (size_t i = shift; i < n + shift; i++) want[i] = c * std::tanh(want[i] / c);
    check::launch(check::name<T>("softcap"), check::Grid{2, 1, 1}, 32, 0, x.data() + shift, c, uint64_t(n));
    check::near(check::name<T>("softcap of") + " " + std::to_string(n), x, want, check::tolerance<T>());
}

int main() {
    for (size_t n : {1, 8, 77, 1024}) {
        for (size_t shift : {0, 3}) {
            for (float c : {0.5f, 30.0f}) {
                of_type<float>(n, shift, c);
                of_type<bf16>(n, shift, c);
            }
        }
    }
    return check::report("softcap");
}
