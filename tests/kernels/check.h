// What the tests of kernels share: operands, launches and comparisons. Each test includes its .cu, and is compiled with
//   g++ -std=c++17 -O1 -fno-strict-aliasing -Wno-unknown-pragmas -DTAILORA_EMULATOR -Isrc/gpu -Itests/kernels TEST.cpp src/gpu/emulator/*.cpp
#pragma once

#include "device.cuh"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

namespace check {
inline int failures = 0, checks = 0;

template <class T>
constexpr const char *name_of() {
    if (std::is_same<T, bf16>::value) return "bf16";
    return "f32";
}

// `name<float, bf16>("rms_norm")` is "rms_norm_f32_bf16".
template <class... T>
std::string name(const char *kernel) {
    std::string name = kernel;
    (void)std::initializer_list<int>{((name += std::string("_") + name_of<T>()), 0)...};
    return name;
}

// Numbers of a normal distribution, the same for the same seed.
template <class T>
std::vector<T> random(size_t count, uint64_t seed, float deviation = 1.0f) {
    std::mt19937_64 engine(seed);
    std::normal_distribution<float> normal(0.0f, deviation);
    std::vector<T> values(count);
    for (auto &value : values) value = from_float<T>(normal(engine));
    return values;
}

template <class T>
std::vector<T> filled(size_t count, float value) {
    return std::vector<T>(count, from_float<T>(value));
}

// What was never written is NaN.
template <class T>
std::vector<T> unwritten(size_t count) {
    return filled<T>(count, NAN);
}

template <class T>
std::vector<double> doubles(const std::vector<T> &values) {
    std::vector<double> result;
    for (T value : values) result.push_back(double(to_float(value)));
    return result;
}

struct Grid {
    unsigned x, y, z;
};

// Launches by name, as Rust does; the arguments must have exactly the types of the kernel's parameters (checked by size).
template <class... A>
void launch(const std::string &kernel, Grid grid, unsigned threads, unsigned shared_bytes, A... arguments) {
    emulator::poison_static_shared = true;
    void *pointers[] = {(void *)&arguments..., nullptr};
    unsigned char sizes[] = {sizeof(A)..., 0}, bytes[64];
    int count = tailora_emulator_arguments(kernel.c_str(), bytes);
    bool fits = count == int(sizeof...(A)) && std::memcmp(sizes, bytes, sizeof...(A)) == 0;
    unsigned blocks[] = {grid.x, grid.y, grid.z};
    int code = fits ? tailora_emulator_launch(kernel.c_str(), blocks, threads, shared_bytes, pointers) : -1;
    if (code == 0) return;
    std::printf("FAILED %s: launch gives %d%s\n", kernel.c_str(), code, fits ? "" : " (other arguments)");
    std::exit(1);
}

inline void that(bool holds, const std::string &what) {
    checks++;
    if (holds) return;
    failures++;
    std::printf("FAILED %s\n", what.c_str());
}

// |got - want| ≤ tolerance · max(1, largest |want|): for sums, whose error goes with their terms.
template <class T>
void near(const std::string &what, const std::vector<T> &got, const std::vector<double> &want, double tolerance) {
    double scale = 1.0, worst = 0.0;
    size_t at = 0;
    for (double value : want) scale = std::max(scale, std::fabs(value));
    for (size_t i = 0; i < want.size() && i < got.size(); i++) {
        double error = std::fabs(double(to_float(got[i])) - want[i]);
        if (error > worst || error != error) worst = error, at = i;
        if (error != error) break;
    }
    bool holds = got.size() == want.size() && worst <= tolerance * scale;
    that(holds, what + ": " + std::to_string(got.size()) + " values of " + std::to_string(want.size()) + ", worst at " +
                    std::to_string(at) + ": " + (holds ? "" : std::to_string(to_float(got[at])) + " for " + std::to_string(want[at])));
}

// Bit by bit.
template <class T>
void same(const std::string &what, const std::vector<T> &got, const std::vector<T> &want) {
    bool holds = got.size() == want.size() && std::memcmp(got.data(), want.data(), want.size() * sizeof(T)) == 0;
    that(holds, what + ": the same bits");
}

// The tolerance of values stored as T that were computed in f32.
template <class T>
double tolerance() {
    return std::is_same<T, bf16>::value ? 1.0 / 256 : 2e-6;
}

// What main returns.
inline int report(const char *test) {
    std::printf("%s: %d of %d checks hold\n", test, checks - failures, checks);
    return failures == 0 ? 0 : 1;
}
} // namespace check
