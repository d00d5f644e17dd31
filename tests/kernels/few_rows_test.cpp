// Products of 9 to 64 rows with quantized weights, against plain loops over values that `dequantize` has (its own test holds
// those against the bytes of files) and activations rounded to bf16.

#include "check.h"
#include "parts.h"

#include "../../src/weights/gpu/dequantize.cu"
#include "../../src/weights/gpu/few_rows.cu"
#include "../../src/weights/gpu/staged.cu"

using Bytes = std::vector<uint8_t>;

struct Type {
    std::string name;
    size_t weights, bytes;
    std::vector<size_t> halves; // bytes of a block, in planes, before its half-precision scales
    bool last_plane;            // scales are the last plane, else they lie in the block
    fragments::Order order;
};

static const std::vector<Type> TYPES = {
    {"q8_0", 32, 34, {32}, true, fragments::Order::Octets},    {"q4_0", 32, 18, {16}, true, fragments::Order::Halves},
    {"q5_0", 32, 22, {20}, true, fragments::Order::Halves},    {"q4_k", 256, 144, {0, 2}, false, fragments::Order::Octets},
    {"q5_k", 256, 176, {0, 2}, false, fragments::Order::Octets}, {"q6_k", 256, 210, {208}, true, fragments::Order::Halves},
};

// A matrix of random blocks as the card has it, and its values.
struct Matrix {
    const Type &type;
    size_t outputs, width;
    uint64_t blocks;
    Bytes planes;
    std::vector<float> values;

    Matrix(const Type &type, size_t outputs, size_t width, unsigned seed)
        : type(type), outputs(outputs), width(width), blocks(outputs * ((width + type.weights - 1) / type.weights)),
          planes(blocks * type.bytes), values(outputs * width) {
        std::mt19937 engine(seed);
        for (auto &byte : planes) byte = uint8_t(engine());
        for (size_t block = 0; block < blocks; block++)
            for (size_t at : type.halves) {
                uint16_t bits = float_to_half(0.001f * float(1 + engine() % 1000) * (engine() % 2 ? 1.0f : -1.0f));
                std::memcpy(&planes[type.last_plane ? blocks * at + block * 2 : block * type.bytes + at], &bits, 2);
            }
        check::launch("dequantize_" + type.name + "_f32", {unsigned(outputs), unsigned(width / 300 + 1), 1}, 32, 0, planes.data(), blocks,
                      values.data(), 0u, uint32_t(width), 0u, uint32_t(width));
    }
};

struct Shape {
    uint32_t threads, across;
};

// Of weights in bf16, whose scales and mins are in bf16, too.
constexpr double DEQUANTIZED = 1.5e-2;

// The products as they should be, and what an error of each is beside.
struct Expected {
    std::vector<double> sums, sizes;

    template <class T>
    Expected(const Matrix &m, const std::vector<T> &x, size_t rows) : sums(rows * m.outputs), sizes(rows * m.outputs) {
        for (size_t row = 0; row < rows; row++)
            for (size_t o = 0; o < m.outputs; o++) {
                double sum = 0.0, size = 0.0;
                for (size_t i = 0; i < m.width; i++) {
                    double term = double(m.values[o * m.width + i]) * to_float(from_float<bf16>(to_float(x[row * m.width + i])));
                    sum += term, size += term * term;
                }
                sums[row * m.outputs + o] = sum, sizes[row * m.outputs + o] = std::sqrt(size);
            }
    }

    template <class T>
    void check(const std::string &what, const std::vector<T> &y, double tolerance) const {
        double worst = 0.0;
        for (size_t i = 0; i < sums.size(); i++) {
            double error = std::fabs(to_float(y[i]) - sums[i]);
            if (sizeof(T) == 2) error = std::max(0.0, error - std::fabs(sums[i]) / 256);
            error /= sizes[i] + 1e-30;
            worst = error >= worst || error != error ? error : worst;
        }
        check::that(worst < tolerance, what + ": " + std::to_string(worst));
    }
};

static uint32_t tiles_of(uint32_t rows) { return (rows + 15) / 16 * 2; }

template <class T>
static std::vector<uint4> operand(const std::vector<T> &x, uint32_t rows, size_t width, fragments::Order order) {
    uint32_t tiles = tiles_of(rows), blocks = uint32_t(width + 255) / 256;
    std::vector<uint4> operand(size_t(blocks) * tiles * (8 * 32));
    std::memset(operand.data(), 0xa5, operand.size() * 16);
    check::launch(check::name<T>("few_rows_operand"), {blocks, tiles, 1}, 256, 0, x.data(), operand.data(), rows, uint32_t(width), uint32_t(order));
    return operand;
}

template <class T>
static void multiplies(const Matrix &m, uint32_t rows, Shape shape) {
    auto x = check::random<T>(rows * m.width, rows);
    auto taken = operand(x, rows, m.width, m.type.order);
    auto y = check::unwritten<T>(size_t(rows) * m.outputs);
    uint32_t outputs = uint32_t(m.outputs), of_block = 32 * shape.across;
    check::launch(check::name<T>(("few_rows_" + m.type.name).c_str()), {(outputs + of_block - 1) / of_block * ((rows + 31) / 32), 1, 1}, shape.threads, 0,
                  m.planes.data(), m.blocks, taken.data(), y.data(), rows, outputs, uint32_t(m.width), shape.across);
    Expected(m, x, rows).check(m.type.name + " " + std::to_string(rows) + " x " + std::to_string(m.width), y, 2e-6);
}

// Matrices side by side, of which the second and the third have something on top; their inputs in so many parts.
template <class T>
static void multiplies_together(const std::vector<const Matrix *> &matrices, uint32_t rows, uint32_t splits) {
    size_t width = matrices[0]->width, all = 0, bytes = 0;
    auto x = check::random<T>(rows * width, rows);
    std::vector<several::Part<uint8_t, T>> of;
    for (const Matrix *m : matrices) {
        several::Part<uint8_t, T> part;
        part.w = m->planes.data(), part.blocks = m->blocks, part.outputs = m->outputs, part.kind = uint32_t(&m->type - TYPES.data());
        if (of.size() == 1) part.with_bias(), part.with_delta(8);
        if (of.size() == 2) part.on_top(rows), part.with_delta(3);
        of.push_back(part);
        all += m->outputs;
        bytes = std::max(bytes, std::min(tiles_of(rows), 4u) * 8 * 512 + 128 * (m->type.bytes / 16 * 16));
    }
    several::Parts<uint8_t, T> parts(of, rows);
    auto octets = operand(x, rows, width, fragments::Order::Octets), halves = operand(x, rows, width, fragments::Order::Halves);
    auto partial = check::unwritten<float>(size_t(splits) * rows * all);
    const uint4 *both[] = {octets.data(), halves.data()};
    parts.launch(check::name<T>("staged"), {parts.blocks(128) * ((rows + 31) / 32), splits, 1}, 128, unsigned(2 * bytes), both[0], both[1],
                 partial.data(), rows, uint32_t(width));
    const float *sums = partial.data();
    if (splits > 1) parts.launch(check::name<T>("staged_sum"), {unsigned(rows * all + 255) / 256, 1, 1}, 256, 0, sums, rows, splits);
    for (size_t i = 0; i < matrices.size(); i++) {
        Expected expected(*matrices[i], x, rows);
        parts.add_top(i, expected.sums);
        std::string what = matrices[i]->type.name + " " + std::to_string(i) + " of " + std::to_string(rows) + " x " + std::to_string(width);
        if (parts[i].onto.empty()) expected.check(what, parts[i].y, DEQUANTIZED);
        else expected.check(what + " on top", parts[i].sum, DEQUANTIZED);
    }
}

static void of_blocks_of_32(const Type &type) {
    for (size_t width : {size_t(256), size_t(768), size_t(1280)}) {
        Matrix m(type, width == 768 ? 39 : 70, width, unsigned(width));
        for (uint32_t rows : {1u, 9u, 16u, 17u, 32u, 33u, 64u})
            for (Shape shape : {Shape{256, 4}, Shape{512, 1}, Shape{256, 2}, Shape{32, 1}}) {
                if (shape.threads != 256 && rows % 16 > 1) continue;
                multiplies<float>(m, rows, shape), multiplies<bf16>(m, rows, shape);
            }
    }
    // They need not fill 256.
    for (size_t width : {size_t(96), size_t(300)}) {
        Matrix m(type, 5, width, 7);
        multiplies<float>(m, 11, {256, 1}), multiplies<bf16>(m, 41, {64, 2});
    }
}

static void of_blocks_of_256(const Type &type) {
    for (size_t width : {size_t(256), size_t(768), size_t(1280)}) {
        Matrix m(type, width == 768 ? 39 : 70, width, unsigned(width)), wide(TYPES[3], 150, width, 8), other(TYPES[5], 20, width, 9);
        for (uint32_t rows : {1u, 9u, 16u, 17u, 32u, 33u, 64u})
            for (uint32_t splits : {1u, 2u, 4u}) {
                multiplies_together<float>({&m}, rows, splits), multiplies_together<bf16>({&m}, rows, splits);
                if (rows == 9 || rows == 33)
                    multiplies_together<float>({&wide, &m, &other}, rows, splits), multiplies_together<bf16>({&m, &other, &wide}, rows, splits);
            }
    }
    // A last block may have more weights than are left.
    Matrix m(type, 5, 300, 7);
    multiplies_together<float>({&m}, 11, 1), multiplies_together<bf16>({&m}, 41, 2);
}

int main() {
    for (const Type &type : TYPES) type.weights == 256 ? of_blocks_of_256(type) : of_blocks_of_32(type);
    return check::report("few_rows");
}
