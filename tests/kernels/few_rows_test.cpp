// Products of 9 to 64 rows with quantized weights, against plain loops over values that `dequantize` has (its own test holds
// those against the bytes of files) and activations rounded to bf16.

#include "check.h"

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

template <class T>
static void multiplies(const Matrix &m, uint32_t rows, Shape shape) {
    auto x = check::random<T>(rows * m.width, rows);
    uint32_t tiles = (rows + 15) / 16 * 2, blocks = uint32_t(m.width + 255) / 256, outputs = uint32_t(m.outputs), width = uint32_t(m.width);
    std::vector<uint4> operand(size_t(blocks) * tiles * (8 * 32 + 16));
    std::memset(operand.data(), 0xa5, operand.size() * 16);
    check::launch(check::name<T>("few_rows_operand"), {blocks, tiles, 1}, 256, 0, x.data(), operand.data(), rows, width, uint32_t(m.type.order));
    auto y = check::unwritten<T>(size_t(rows) * outputs);
    if (m.type.weights == 256) {
        // Of `across`: into how many parts the inputs are split.
        uint32_t splits = shape.across, of_tiles = std::min(tiles, 4u), count = rows * outputs;
        uint32_t stage = of_tiles * (8 * 512 + (m.type.last_plane ? 0 : 256)) + 128 * uint32_t(m.type.bytes / 16 * 16);
        auto partial = check::unwritten<float>(size_t(splits) * count);
        check::launch(check::name<T>(("staged_" + m.type.name).c_str()), {(outputs + 127) / 128 * ((rows + 31) / 32), splits, 1}, 128, 2 * stage,
                      m.planes.data(), m.blocks, operand.data(), partial.data(), y.data(), rows, outputs, width);
        if (splits > 1)
            check::launch(check::name<T>("staged_sum"), {(count + 255) / 256, 1, 1}, 256, 0, partial.data(), y.data(), uint64_t(count), splits);
    } else {
        check::launch(check::name<T>(("few_rows_" + m.type.name).c_str()), {(outputs + 32 * shape.across - 1) / (32 * shape.across) * ((rows + 31) / 32), 1, 1},
                      shape.threads, 0, m.planes.data(), m.blocks, operand.data(), y.data(), rows, outputs, width, shape.across);
    }
    double worst = 0.0;
    for (size_t row = 0; row < rows; row++)
        for (size_t o = 0; o < outputs; o++) {
            double sum = 0.0, size = 0.0;
            for (size_t i = 0; i < width; i++) {
                double term = double(m.values[o * width + i]) * to_float(from_float<bf16>(to_float(x[row * width + i])));
                sum += term, size += term * term;
            }
            double error = std::fabs(to_float(y[row * outputs + o]) - sum);
            if (sizeof(T) == 2) error = std::max(0.0, error - std::fabs(sum) / 256);
            error /= std::sqrt(size) + 1e-30;
            worst = error >= worst || error != error ? error : worst;
        }
    // Mins of random blocks are many times what is left of them, and their sums have 16 bits.
    check::that(worst < 2e-4, m.type.name + " " + std::to_string(rows) + " x " + std::to_string(width) + ": " + std::to_string(worst));
}

int main() {
    for (const Type &type : TYPES) {
        for (size_t width : {size_t(256), size_t(768), size_t(1280)}) {
            Matrix m(type, width == 768 ? 39 : 70, width, unsigned(width));
            for (uint32_t rows : {1u, 9u, 16u, 17u, 32u, 33u, 64u})
                for (Shape shape : {Shape{256, 4}, Shape{512, 1}, Shape{256, 2}, Shape{32, 1}}) {
                    if (shape.threads != 256 && rows % 16 > 1) continue;
                    multiplies<float>(m, rows, shape);
                    multiplies<bf16>(m, rows, shape);
                }
        }
        // Blocks of 32 need not fill 256; a last block may have more weights than are left.
        for (size_t width : {size_t(96), size_t(300)}) {
            Matrix m(type, 5, width, 7);
            multiplies<float>(m, 11, {256, 1});
            multiplies<bf16>(m, 41, {64, 2});
        }
    }
    return check::report("few_rows");
}
