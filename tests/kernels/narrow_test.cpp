// narrow.cu: products with and of narrow matrices, in sizes around those of its blocks, and sums over rows in both layouts.

#include "check.h"

#include "../../src/tensor/narrow.cu"

using check::Grid;

struct Case {
    uint32_t rows, n, rank;
    float scale;

    std::string named(const std::string &kernel) const {
        return kernel + " " + std::to_string(rows) + " x " + std::to_string(n) + ", " + std::to_string(rank);
    }
    std::string kernel(const std::string &what) const {
        return "narrow_" + what + "_" + std::to_string((rank + 7) / 8) + "_bf16";
    }
};

double at(const std::vector<bf16> &matrix, size_t index) { return double(to_float(matrix[index])); }

void products(const Case &of, bool by_rows) {
    const auto x = check::random<bf16>(of.rows * of.n, 1), w = check::random<bf16>(of.rank * of.n, 2);
    auto y = check::unwritten<bf16>(of.rows * of.rank);
    std::vector<double> want;
    for (uint32_t row = 0; row < of.rows; row++) {
        for (uint32_t j = 0; j < of.rank; j++) {
            double sum = 0.0;
            for (uint32_t k = 0; k < of.n; k++)
                sum += at(x, row * of.n + k) * at(w, by_rows ? j * of.n + k : k * of.rank + j);
            want.push_back(double(of.scale) * sum);
        }
    }
    const auto kernel = of.kernel(by_rows ? "of_rows" : "of_columns");
    check::launch(kernel, Grid{(of.rows + 15) / 16, 1, 1}, 32 * narrow::WARPS, 0, x.data(), w.data(), y.data(), of.rows,
                  of.n, of.rank, of.scale);
    check::near(of.named(kernel), y, want, 1e-2);
}

void sums(const Case &of, bool by_rows) {
    const auto x = check::random<bf16>(of.rows * of.n, 3), d = check::random<bf16>(of.rows * of.rank, 4);
    auto y = check::unwritten<float>(of.n * of.rank);
    const uint32_t column_stride = by_rows ? 1 : of.rank, rank_stride = by_rows ? of.n : 1;
    std::vector<double> want(of.n * of.rank);
    for (uint32_t row = 0; row < of.rows; row++)
        for (uint32_t c = 0; c < of.n; c++)
            for (uint32_t j = 0; j < of.rank; j++)
                want[c * column_stride + j * rank_stride] +=
                    double(of.scale) * at(x, row * of.n + c) * at(d, row * of.rank + j);
    const auto kernel = of.kernel("sums");
    const unsigned warps = of.rank <= 8 ? narrow::SUM_WARPS<1> : narrow::SUM_WARPS<2>;
    check::launch(kernel, Grid{(of.n + 63) / 64, 1, 1}, 32 * warps, 0, x.data(), d.data(), y.data(), of.rows, of.n,
                  of.rank, of.scale, column_stride, rank_stride);
    check::near(of.named(kernel), y, want, 2e-4);
}

void outer(const Case &of, bool by_rows) {
    const auto d = check::random<bf16>(of.rows * of.rank, 5), w = check::random<bf16>(of.rank * of.n, 6);
    auto y = check::unwritten<bf16>(of.rows * of.n);
    std::vector<double> want;
    for (uint32_t row = 0; row < of.rows; row++) {
        for (uint32_t c = 0; c < of.n; c++) {
            double sum = 0.0;
            for (uint32_t j = 0; j < of.rank; j++)
                sum += at(d, row * of.rank + j) * at(w, by_rows ? c * of.rank + j : j * of.n + c);
            want.push_back(double(of.scale) * sum);
        }
    }
    const auto kernel = std::string("narrow_by_") + (by_rows ? "rows_" : "columns_") +
                        std::to_string((of.rank + 15) / 16) + "_bf16";
    check::launch(kernel, Grid{(of.n + 255) / 256, (of.rows + 255) / 256, 1}, 128, 0, d.data(), w.data(), y.data(),
                  of.rows, of.n, of.rank, of.scale);
    check::near(of.named(kernel), y, want, 1e-2);
}

int main() {
    for (uint32_t rank : {1, 7, 8, 9, 16, 24, 32}) {
        for (const auto &[rows, n] : {std::pair{1u, 8u}, {16u, 64u}, {37u, 136u}, {70u, 1064u}, {530u, 72u}}) {
            const Case of{rows, n, rank, 0.5f};
            for (bool by_rows : {false, true}) {
                products(of, by_rows);
                sums(of, by_rows);
                outer(of, by_rows);
            }
        }
    }
    return check::report("narrow");
}
