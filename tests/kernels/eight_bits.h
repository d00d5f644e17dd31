// Activations in 8 bits as plain code reads them, for the tests of the kernels that make them and those that take them.
#pragma once

#include "check.h"

namespace eight {
using Bytes = std::vector<uint8_t>;

inline size_t padded(size_t width) { return (width + 31) / 32 * 32; }

// Room for a matrix, with anything in it.
inline Bytes room(size_t rows, size_t width) { return Bytes(rows * padded(width) / 32 * 40, 0xa5); }

// What the codes stand for: codes times scales; the sums are held against the codes.
inline std::vector<double> restored(const Bytes &q, size_t rows, size_t width) {
    std::vector<double> values;
    size_t row_blocks = padded(width) / 32;
    auto *scales = reinterpret_cast<const float2 *>(q.data() + rows * padded(width));
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < padded(width); i++) {
            size_t block = row * row_blocks + i / 32;
            int code = int8_t(q[row * padded(width) + i]), sum = 0;
            for (size_t k = 0; k < 32; k++) sum += int8_t(q[block * 32 + k]);
            check::that(scales[block].y == float(sum) && (i < width || code == 0), "sum of 32 codes");
            if (i < width) values.push_back(double(scales[block].x) * code);
        }
    return values;
}

// They are those of y: within half of what a code stands for, the largest of which is 127.
template <class T>
void of(const std::string &what, const Bytes &q, const std::vector<T> &y, size_t rows, size_t width) {
    auto values = restored(q, rows, width);
    for (size_t row = 0; row < rows; row++)
        for (size_t first = 0; first < width; first += 32) {
            double largest = 0.0, worst = 0.0;
            for (size_t i = row * width + first; i < row * width + std::min(first + 32, width); i++) {
                largest = std::max(largest, std::fabs(double(to_float(y[i]))));
                worst = std::max(worst, std::fabs(values[i] - to_float(y[i])));
            }
            check::that(worst <= largest / 127.0 * 0.5001, what + " in 8 bits");
        }
}
} // namespace eight
