// Quantized and dense weights on a card: values, products and lookups against plain loops over the bytes of GGUF files.

#include "check.h"
#include "eight_bits.h"
#include "parts.h"

#include "../../src/weights/gpu/dequantize.cu"
#include "../../src/weights/gpu/matvec.cu"
#include "../../src/weights/gpu/matvec_dense.cu"

using Bytes = std::vector<uint8_t>;

struct Plane {
    size_t first, bytes; // of a block
};

// A type: its blocks, the planes that `layout.rs` makes of them, and the value of a weight of a block.
struct Type {
    std::string name;
    size_t weights, bytes;
    std::vector<size_t> halves; // where scales lie
    std::vector<Plane> planes;
    double (*value)(const uint8_t *block, size_t i);
};

static double half(const uint8_t *at) { return half_to_float(uint16_t(at[0] | at[1] << 8)); }

static void k_scale(const uint8_t *block, size_t sub, int &scale, int &min) {
    const uint8_t *s = block + 4;
    if (sub < 4) scale = s[sub] & 63, min = s[sub + 4] & 63;
    else scale = (s[sub + 4] & 15) | s[sub - 4] >> 6 << 4, min = s[sub + 4] >> 4 | s[sub] >> 6 << 4;
}

static double k_value(const uint8_t *block, size_t i, int code) {
    int scale, min;
    k_scale(block, i / 32, scale, min);
    return half(block) * scale * code - half(block + 2) * min;
}

static const std::vector<Type> TYPES = {
    {"q8_0", 32, 34, {0}, {{2, 32}, {0, 2}}, [](const uint8_t *b, size_t i) { return half(b) * int8_t(b[2 + i]); }},
    {"q4_0", 32, 18, {0}, {{2, 16}, {0, 2}}, [](const uint8_t *b, size_t i) { return half(b) * ((b[2 + i % 16] >> i / 16 * 4 & 15) - 8); }},
    {"q5_0", 32, 22, {0}, {{6, 16}, {2, 4}, {0, 2}},
     [](const uint8_t *b, size_t i) { return half(b) * (((b[6 + i % 16] >> i / 16 * 4 & 15) | (b[2 + i / 8] >> i % 8 & 1) << 4) - 16); }},
    {"q4_k", 256, 144, {0, 2}, {{0, 144}}, [](const uint8_t *b, size_t i) { return k_value(b, i, b[16 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15); }},
    {"q5_k", 256, 176, {0, 2}, {{0, 176}},
     [](const uint8_t *b, size_t i) {
         int low = b[48 + i / 64 * 32 + i % 32] >> i / 32 % 2 * 4 & 15;
         return k_value(b, i, low | (b[16 + i % 32] >> i / 32 & 1) << 4);
     }},
    {"q6_k", 256, 210, {208}, {{0, 208}, {208, 2}},
     [](const uint8_t *b, size_t i) {
         size_t part = i / 128, of_32 = i / 32 % 4;
         int low = b[part * 64 + of_32 % 2 * 32 + i % 32] >> of_32 / 2 * 4 & 15;
         int high = b[128 + part * 32 + i % 32] >> of_32 * 2 & 3;
         return half(b + 208) * int8_t(b[192 + i / 16]) * ((low | high << 4) - 32);
     }},
};

// A matrix of random blocks: as its file has it, as the card has it, and its values.
struct Matrix {
    const Type &type;
    size_t rows, width, row_blocks;
    uint64_t blocks;
    Bytes stored, planes;
    std::vector<double> values;

    Matrix(const Type &type, size_t rows, size_t width, unsigned seed)
        : type(type), rows(rows), width(width), row_blocks((width + type.weights - 1) / type.weights), blocks(rows * row_blocks) {
        std::mt19937 engine(seed);
        for (size_t i = 0; i < blocks * type.bytes; i++) stored.push_back(uint8_t(engine()));
        for (size_t block = 0; block < blocks; block++)
            for (size_t at : type.halves) {
                uint16_t bits = float_to_half(0.001f * float(1 + engine() % 1000) * (engine() % 2 ? 1.0f : -1.0f));
                stored[block * type.bytes + at] = uint8_t(bits), stored[block * type.bytes + at + 1] = uint8_t(bits >> 8);
            }
        for (Plane plane : type.planes)
            for (size_t block = 0; block < blocks; block++)
                for (size_t i = 0; i < plane.bytes; i++) planes.push_back(stored[block * type.bytes + plane.first + i]);
        for (size_t row = 0; row < rows; row++)
            for (size_t i = 0; i < width; i++)
                values.push_back(type.value(&stored[(row * row_blocks + i / type.weights) * type.bytes], i % type.weights));
    }
};

template <class T>
static void same_values(const std::string &what, const std::vector<T> &got, const std::vector<double> &want) {
    std::vector<T> rounded;
    for (double value : want) rounded.push_back(from_float<T>(float(value)));
    check::same(what, got, rounded);
}

template <class T>
static void dequantizes(const Matrix &m) {
    size_t step = m.type.weights, first_column = m.width > step ? step : 0, columns = m.width - first_column;
    for (size_t first_row : {size_t(0), m.rows / 2}) {
        size_t rows = m.rows - first_row;
        for (bool all : {true, false}) {
            size_t from = all ? 0 : first_column, count = all ? m.width : columns;
            auto out = check::unwritten<T>(rows * count);
            check::launch(check::name<T>(("dequantize_" + m.type.name).c_str()), {unsigned(rows), unsigned(count / 300 + 1), 1}, 32, 0,
                          m.planes.data(), m.blocks, out.data(), uint32_t(first_row), uint32_t(m.width), uint32_t(from), uint32_t(count));
            std::vector<double> want;
            for (size_t row = first_row; row < m.rows; row++)
                want.insert(want.end(), &m.values[row * m.width + from], &m.values[row * m.width + from] + count);
            same_values("dequantize " + m.type.name, out, want);
        }
    }
    std::vector<uint32_t> ids = {uint32_t(m.rows - 1), 0, uint32_t(m.rows / 2), 0};
    auto out = check::unwritten<T>(ids.size() * m.width);
    check::launch(check::name<T>(("gather_" + m.type.name).c_str()), {unsigned(ids.size()), 1, 1}, 64, 0, m.planes.data(), m.blocks,
                  ids.data(), out.data(), uint32_t(m.width));
    std::vector<double> want;
    for (uint32_t id : ids) want.insert(want.end(), &m.values[id * m.width], &m.values[id * m.width] + m.width);
    same_values("gather " + m.type.name, out, want);
}

template <class T>
static Bytes quantized(const std::vector<T> &x, size_t rows, size_t width) {
    Bytes out = eight::room(rows, width);
    check::launch(check::name<T>("quantize_q8"), {unsigned(width + 255) / 256, unsigned(rows), 1}, 64, 0, x.data(), out.data(), uint32_t(rows),
                  uint32_t(width));
    return out;
}

static std::vector<double> product(const std::vector<double> &x, const std::vector<double> &w, size_t rows, size_t outputs, size_t width) {
    std::vector<double> y(rows * outputs, 0.0);
    for (size_t row = 0; row < rows; row++)
        for (size_t o = 0; o < outputs; o++)
            for (size_t i = 0; i < width; i++) y[row * outputs + o] += x[row * width + i] * w[o * width + i];
    return y;
}

static unsigned kernel_rows(size_t rows) { return rows <= 2 ? unsigned(rows) : rows <= 4 ? 4 : 8; }

using several::Part;

// Launches the product of some parts, and checks each.
template <class W, class X, class Y>
static void launch_parts(const std::string &kernel, std::vector<Part<W, Y>> of, const X *x, const std::vector<double> &taken, size_t rows,
                         size_t width, unsigned threads) {
    several::Parts<W, Y> parts(std::move(of), rows);
    parts.launch(kernel, {parts.blocks(::parts::OUTPUTS), 1, 1}, threads, 0, x, uint32_t(rows), uint32_t(width));
    for (size_t i = 0; i < parts.count; i++) {
        const auto &part = parts[i];
        auto want = product(taken, part.values, rows, part.outputs, width);
        parts.add_top(i, want);
        if (part.onto.empty()) check::near(kernel, part.y, want, check::tolerance<Y>());
        else check::near(kernel + " on top", part.sum, want, 2e-6);
    }
}

template <class Y>
static Part<uint8_t, Y> part_of(const Matrix &m) {
    Part<uint8_t, Y> part;
    part.w = m.planes.data(), part.blocks = m.blocks, part.values = m.values, part.outputs = m.rows;
    for (size_t i = 0; i < TYPES.size(); i++)
        if (TYPES[i].name == m.type.name) part.kind = uint32_t(i);
    return part;
}

template <class T>
static void multiplies(const Matrix &m, size_t rows, unsigned threads) {
    auto x = check::random<T>(rows * m.width, rows + m.width);
    Bytes q = quantized(x, rows, m.width);
    eight::of("activation", q, x, rows, m.width);
    std::string kernel = check::name<T>(("matvec" + std::to_string(kernel_rows(rows)) + "_q8").c_str());
    auto plain = part_of<T>(m);
    launch_parts<uint8_t, uint8_t, T>(kernel, {plain}, q.data(), eight::restored(q, rows, m.width), rows, m.width, threads);
}

// Three types side by side, of which each has something else on top.
template <class T>
static void multiplies_together(size_t rows) {
    size_t width = 512;
    Matrix one(TYPES[3], 9, width, 1), two(TYPES[5], 6, width, 2), three(TYPES[0], 5, width, 3);
    auto x = check::random<T>(rows * width, 4);
    Bytes q = quantized(x, rows, width);
    auto a = part_of<T>(one), b = part_of<T>(two), c = part_of<T>(three);
    a.with_bias(), a.with_delta(8), b.on_top(rows), b.with_delta(3), c.with_bias(), c.on_top(rows), c.with_delta(16);
    std::string kernel = check::name<T>(("matvec" + std::to_string(kernel_rows(rows)) + "_q8").c_str());
    launch_parts<uint8_t, uint8_t, T>(kernel, {a, b, c}, q.data(), eight::restored(q, rows, width), rows, width, 64);
}

template <class W, class T>
static void multiplies_dense(size_t rows, size_t outputs, size_t width, unsigned threads) {
    auto w = check::random<W>(outputs * width, 1), more = check::random<W>(5 * width, 3);
    auto x = check::random<T>(rows * width, 2);
    auto part = [&](const std::vector<W> &w, size_t outputs) {
        Part<W, T> part;
        part.w = w.data(), part.values = check::doubles(w), part.outputs = outputs;
        return part;
    };
    std::string kernel = check::name<W, T>(("matvec" + std::to_string(kernel_rows(rows))).c_str());
    auto one = part(w, outputs), two = part(more, 5);
    launch_parts<W, T, T>(kernel, {one}, x.data(), check::doubles(x), rows, width, threads);
    one.with_bias(), two.on_top(rows), two.with_delta(4);
    launch_parts<W, T, T>(kernel, {one, two}, x.data(), check::doubles(x), rows, width, threads);

    std::vector<uint32_t> ids = {uint32_t(outputs - 1), 0, uint32_t(outputs - 1)};
    auto out = check::unwritten<T>(ids.size() * width);
    check::launch(check::name<W, T>("gather_rows"), {unsigned(ids.size()), 2, 1}, 32, 0, w.data(), ids.data(), out.data(), uint32_t(width));
    std::vector<double> want;
    for (uint32_t id : ids)
        for (size_t i = 0; i < width; i++) want.push_back(to_float(w[id * width + i]));
    same_values(check::name<W, T>("gather_rows"), out, want);
}

// What is not a number or not finite reaches every output, and what is tiny or zero gives zero.
static void keeps_what_is_not_a_number(const Type &type) {
    Matrix m(type, 3, type.weights, 5);
    for (float bad : {NAN, INFINITY, 1e-42f}) {
        std::vector<float> x(m.width, 0.0f);
        x[m.width / 2 + 1] = bad;
        Bytes q = quantized(x, 1, m.width);
        auto y = check::unwritten<float>(3);
        uint32_t kind = part_of<float>(m).kind;
        const float *none = nullptr;
        const uint8_t *no_weight = nullptr;
#define NO_PART no_weight, uint64_t(0), (float *)nullptr, none, none, none, 0u, 0u, 0u, 0.0f
        check::launch("matvec1_q8_f32", {1, 1, 1}, 32, 0, (const uint8_t *)m.planes.data(), m.blocks, y.data(), none, none, none, 3u, kind, 0u,
                      0.0f, NO_PART, NO_PART, none, (const uint8_t *)q.data(), 1u, uint32_t(m.width));
        for (float value : y) check::that(bad == 1e-42f ? value == 0.0f : !std::isfinite(value), type.name + " of a number that is none");
    }
}

int main() {
    for (const Type &type : TYPES) {
        for (size_t width : {type.weights, 3 * type.weights, size_t(1536)}) {
            Matrix m(type, 7, width, unsigned(width));
            dequantizes<float>(m), dequantizes<bf16>(m);
            for (size_t rows = 1; rows <= 8; rows++)
                for (unsigned threads : {32u, 64u}) multiplies<float>(m, rows, threads), multiplies<bf16>(m, rows, threads);
        }
        Matrix one(type, 1, type.weights, 3), wide(type, 9, 2 * type.weights, 4);
        multiplies<float>(wide, 7, 64), multiplies<bf16>(wide, 8, 32);
        multiplies<float>(one, 3, 64), multiplies<float>(one, 1, 32), dequantizes<float>(one);
        keeps_what_is_not_a_number(type);
    }
    for (size_t rows : {1, 2, 4, 7}) multiplies_together<float>(rows), multiplies_together<bf16>(rows);
    for (size_t width : {size_t(1), size_t(33), size_t(50), size_t(88)}) { // the last block is short
        Matrix m(TYPES[0], 5, width, 9);
        dequantizes<float>(m), dequantizes<bf16>(m), multiplies<float>(m, 2, 64), multiplies<bf16>(m, 5, 32);
    }
    for (size_t width : {size_t(1), size_t(7), size_t(8), size_t(100), size_t(1000), size_t(2048)})
        for (size_t rows = 1; rows <= 8; rows++)
            for (size_t outputs : {size_t(1), size_t(9)}) {
                multiplies_dense<float, float>(rows, outputs, width, 128), multiplies_dense<float, bf16>(rows, outputs, width, 64);
                multiplies_dense<bf16, float>(rows, outputs, width, 32), multiplies_dense<bf16, bf16>(rows, outputs, width, 128);
            }
    return check::report("quantized");
}
