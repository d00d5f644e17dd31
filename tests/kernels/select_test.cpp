// select.cu: vocabularies around the sizes of groups, equal logits, logits of −∞, and what is no number.

#include "check.h"

#include "../../src/ops/select/select.cu"

using check::Grid;

struct Listed {
    float max, sum, bound;
    std::vector<float> values;
    std::vector<uint32_t> ids;
};

template <class T>
std::vector<Listed> select(const std::vector<T> &logits, uint32_t rows, uint32_t vocab, uint32_t listed, unsigned threads) {
    uint32_t octets = (vocab + 7) / 8, lanes = 1, times;
    while (lanes < 32 && (octets + lanes - 1) / lanes > 4096) lanes *= 2;
    times = ((octets + lanes - 1) / lanes + 4095) / 4096;
    uint32_t groups = (octets + lanes * times - 1) / (lanes * times), parts = (groups * lanes + 255) / 256;
    std::vector<uint32_t> keys(size_t(rows) * groups, 7), out(size_t(rows) * (4 + 2 * listed), 7);
    auto softmax = check::unwritten<float>(size_t(rows) * parts * 2);
    const T *from = logits.data();
    check::launch(check::name<T>("select_scan"), Grid{parts, rows, 1}, 256, 0, from, keys.data(), softmax.data(), vocab, groups, lanes,
                  times);
    const uint32_t *of_groups = keys.data();
    const float *of_parts = softmax.data();
    check::launch(check::name<T>("select_list"), Grid{rows, 1, 1}, threads, 0, from, of_groups, of_parts, out.data(), vocab, groups,
                  lanes * times, parts, listed);
    std::vector<Listed> result;
    for (uint32_t row = 0; row < rows; row++) {
        const uint32_t *at = &out[size_t(row) * (4 + 2 * listed)];
        Listed each{__uint_as_float(at[0]), __uint_as_float(at[1]), __uint_as_float(at[3]), {}, {}};
        for (uint32_t i = 0; i < at[2]; i++)
            each.values.push_back(__uint_as_float(at[4 + i])), each.ids.push_back(at[4 + listed + i]);
        result.push_back(each);
    }
    return result;
}

template <class T>
void check_row(const std::string &what, const T *row, uint32_t vocab, uint32_t listed, const Listed &got) {
    std::vector<uint32_t> ids;
    double max = -INFINITY, sum = 0.0;
    for (uint32_t id = 0; id < vocab; id++) {
        if (to_float(row[id]) > -INFINITY) ids.push_back(id);
        max = std::max(max, double(to_float(row[id])));
    }
    for (uint32_t id : ids) sum += std::exp(to_float(row[id]) - max);
    std::stable_sort(ids.begin(), ids.end(), [&](uint32_t a, uint32_t b) { return to_float(row[a]) > to_float(row[b]); });
    bool all = ids.size() <= listed;
    if (!all) ids.resize(listed);
    check::that(got.max == float(max), what + ": the largest");
    check::that(std::fabs(got.sum - sum) <= 3e-6 * sum, what + ": the sum " + std::to_string(got.sum) + " of " + std::to_string(sum));
    if (got.ids.empty() && got.bound == INFINITY) {
        // More than the kernel has room for reach the last one.
        size_t reach = 0;
        for (uint32_t id = 0; id < vocab; id++) reach += to_float(row[id]) >= to_float(row[ids.back()]);
        return check::that(reach > listed, what + ": nothing is listed");
    }
    check::that(got.ids == ids, what + ": the ids");
    bool holds = got.values.size() == ids.size();
    for (size_t i = 0; i < ids.size() && holds; i++) holds = got.values[i] == to_float(row[ids[i]]);
    check::that(holds, what + ": the values");
    check::that(got.bound == (all ? -INFINITY : to_float(row[ids.back()])), what + ": the bound");
}

template <class T>
void of_size(uint32_t rows, uint32_t vocab, uint32_t listed, unsigned threads) {
    auto logits = check::random<T>(size_t(rows) * vocab, vocab, 3.0f);
    for (uint32_t i = 0; i < rows * vocab; i++)
        if (i % 7 == 3 && i / vocab == 1) logits[i] = from_float<T>(-INFINITY);
    // The largest side by side, as those of one group.
    for (uint32_t i = 0; i < vocab && i < 300 && rows > 2; i++) logits[2 * vocab + i] = from_float<T>(30.0f + i / 8);
    auto found = select(logits, rows, vocab, listed, threads);
    for (uint32_t row = 0; row < rows; row++)
        check_row(check::name<T>("select") + " of " + std::to_string(vocab) + ", row " + std::to_string(row), &logits[row * vocab],
                  vocab, listed, found[row]);
}

template <class T>
void special() {
    const uint32_t vocab = 5000;
    std::vector<T> logits = check::filled<T>(6 * vocab, 1.5f);
    for (uint32_t i = vocab; i < 2 * vocab; i++) logits[i] = from_float<T>(-INFINITY);
    for (uint32_t i = 2 * vocab; i < 3 * vocab; i++) logits[i] = from_float<T>(i % 500 == 0 ? 2.0f + i : -INFINITY);
    logits[3 * vocab + 4321] = from_float<T>(NAN), logits[4 * vocab + 17] = from_float<T>(INFINITY);
    for (uint32_t i = 5 * vocab; i < 6 * vocab; i++) logits[i] = from_float<T>(-float(i % 1000));
    auto found = select(logits, 6, vocab, 256, 512);
    check::that(found[0].ids.empty() && found[0].bound == INFINITY && found[0].sum == float(vocab), "equal ones");
    check::that(found[1].ids.empty() && found[1].max == -INFINITY, "none");
    check_row("few are possible", &logits[2 * vocab], vocab, 256, found[2]);
    check::that(std::isnan(found[3].sum) && std::isnan(found[4].sum), "no numbers");
    check_row("five of each", &logits[5 * vocab], vocab, 256, found[5]);
}

template <class T>
void all() {
    for (uint32_t vocab : {1u, 7u, 100u, 256u, 257u, 2048u, 2049u, 5003u, 32768u, 40001u}) of_size<T>(3, vocab, 256, 512);
    of_size<T>(2, 152064, 256, 512);
    of_size<T>(1, 151669, 16, 64);
    special<T>();
}

int main() {
    all<float>();
    all<bf16>();
    return check::report("select");
}
