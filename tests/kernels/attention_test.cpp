// Attention against a loop in double precision over every query, head and key.

#include "../../src/ops/attention/backward.cu"
#include "../../src/ops/attention/few.cu"
#include "../../src/ops/attention/forward.cu"
#include "../../src/ops/attention/plain.cu"
#include "check.h"
#include "eight_bits.h"

#include <functional>

struct Heads {
    uint32_t queries, keys, dim, window = 0;
    float softcap = 0.0f;
    float scale() const { return softcap > 0.0f ? 0.9f : 1.0f / std::sqrt(float(dim)); }
};

struct Part {
    uint32_t queries;
    std::vector<std::pair<uint32_t, uint32_t>> runs; // of the rows of its keys: the first, the number
};

// Keys of their own for each, in a row.
static std::vector<Part> packed(const std::vector<uint32_t> &lens, uint32_t before = 0) {
    std::vector<Part> parts;
    uint32_t row = 0;
    for (uint32_t len : lens) parts.push_back({len, {{row, len + before}}}), row += len + before;
    return parts;
}

// As cuda.rs lays them out.
struct Layout {
    std::vector<uint32_t> spans, table, query_tiles, key_tiles;
    uint32_t shift = 6, tokens = 0, keys = 0;

    explicit Layout(const std::vector<Part> &parts) {
        for (const auto &part : parts) {
            for (size_t i = 0; i + 1 < part.runs.size(); i++) {
                if (part.runs[i].second % 64 != 0) shift = 0;
            }
        }
        for (uint32_t s = 0; s < parts.size(); s++) {
            uint32_t count = 0, first = uint32_t(table.size());
            for (auto run : parts[s].runs) {
                for (uint32_t i = 0; i < run.second; i += 1u << shift) table.push_back(run.first + i);
                count += run.second, keys = std::max(keys, run.first + run.second);
            }
            for (uint32_t i : {tokens, parts[s].queries, count, first}) spans.push_back(i);
            for (uint32_t i = 0; i < (parts[s].queries + 63) / 64; i++) query_tiles.push_back(s), query_tiles.push_back(i);
            for (uint32_t i = 0; i < (count + 63) / 64; i++) key_tiles.push_back(s), key_tiles.push_back(i);
            tokens += parts[s].queries;
        }
    }
    uint32_t key_row(uint32_t span, uint32_t key) const {
        return table[spans[4 * span + 3] + (key >> shift)] + (key & ((1u << shift) - 1));
    }
};

// What the formulas give.
struct Truth {
    std::vector<double> out, lse, delta, dq, dk, dv;
};

static Truth truth(const Heads &h, const Layout &l, const std::vector<double> &q, const std::vector<double> &k,
                   const std::vector<double> &v, const std::vector<double> &dout) {
    Truth t{std::vector<double>(q.size()), std::vector<double>(l.tokens * h.queries), std::vector<double>(l.tokens * h.queries),
            std::vector<double>(q.size()), std::vector<double>(k.size()), std::vector<double>(k.size())};
    for (uint32_t span = 0; span < l.spans.size() / 4; span++) {
        uint32_t first = l.spans[4 * span], queries = l.spans[4 * span + 1], keys = l.spans[4 * span + 2];
        for (uint32_t i = 0; i < queries * h.queries; i++) {
            uint32_t head = i % h.queries, token = first + i / h.queries, end = keys - queries + i / h.queries + 1;
            uint32_t begin = h.window == 0 || end < h.window ? 0 : end - h.window;
            const double *query = &q[(token * h.queries + head) * h.dim], *dy = &dout[(token * h.queries + head) * h.dim];
            auto at = [&](uint32_t key) { return (l.key_row(span, key) * h.keys + head / (h.queries / h.keys)) * h.dim; };
            std::vector<double> scores, slopes, dps;
            double sum = 0, delta = 0;
            for (uint32_t key = begin; key < end; key++) {
                double product = 0, dp = 0;
                for (uint32_t d = 0; d < h.dim; d++) product += query[d] * k[at(key) + d], dp += dy[d] * v[at(key) + d];
                double score = product * h.scale(), slope = h.scale();
                if (h.softcap > 0) {
                    double tanh = std::tanh(score / h.softcap);
                    score = h.softcap * tanh, slope *= 1 - tanh * tanh;
                }
                scores.push_back(score), slopes.push_back(slope), dps.push_back(dp), sum += std::exp(score);
            }
            for (size_t j = 0; j < scores.size(); j++) delta += std::exp(scores[j]) / sum * dps[j];
            for (size_t j = 0; j < scores.size(); j++) {
                double p = std::exp(scores[j]) / sum, ds = p * (dps[j] - delta) * slopes[j];
                for (uint32_t d = 0; d < h.dim; d++) {
                    size_t of_query = (token * h.queries + head) * h.dim + d, of_key = at(begin + uint32_t(j)) + d;
                    t.out[of_query] += p * v[of_key];
                    t.dq[of_query] += ds * k[of_key], t.dk[of_key] += ds * q[of_query], t.dv[of_key] += p * dy[d];
                }
            }
            t.lse[token * h.queries + head] = std::log(sum), t.delta[token * h.queries + head] = delta;
        }
    }
    return t;
}

template <class T>
struct Case {
    std::string name;
    Heads h;
    Layout l;
    std::vector<T> q, k, v, dout;
    Truth want;

    Case(std::string name, Heads h, const std::vector<Part> &parts, uint64_t seed = 1)
        : name(name + " " + check::name_of<T>() + " dim " + std::to_string(h.dim) + " window " + std::to_string(h.window) +
               (h.softcap > 0 ? " cap" : "")),
          h(h), l(parts), q(check::random<T>(size_t(l.tokens) * h.queries * h.dim, seed)),
          k(check::random<T>(size_t(l.keys) * h.keys * h.dim, seed + 1)), v(check::random<T>(k.size(), seed + 2)),
          dout(check::random<T>(q.size(), seed + 3)),
          want(truth(h, l, check::doubles(q), check::doubles(k), check::doubles(v), check::doubles(dout))) {}

    static constexpr bool NARROW = std::is_same<T, bf16>::value;
    double tolerance() const { return NARROW ? 1.0 / 100 : 4e-6; }

    template <class... A>
    void launch(const std::string &kernel, const std::vector<uint32_t> &tiles, check::Grid grid, uint32_t threads,
                uint32_t shared, A... args) const {
        check::launch(kernel, grid, threads, shared, args..., l.spans.data(), l.table.data(), tiles.data(), l.shift, h.queries,
                      h.keys, h.dim, h.window, h.scale(), h.softcap);
    }
    uint32_t padded() const { return h.dim <= 64 ? 64 : h.dim <= 128 ? 128 : 256; }
    std::string tensor(const char *kernel) const { return kernel + std::to_string(padded()) + "_bf16"; }
    uint32_t count(const std::vector<uint32_t> &tiles) const { return uint32_t(tiles.size() / 2); }

    void check_forward(const std::string &kernel, const std::vector<T> &out, const std::vector<float> &lse) const {
        check::near(name + kernel + " out", out, want.out, tolerance());
        if (!lse.empty()) check::near(name + kernel + " lse", lse, want.lse, 4e-6);
    }

    // The kernels without tensor cores, the keys in one split and in several.
    void plain() const {
        for (uint32_t splits : {1u, 3u}) {
            auto out = check::unwritten<T>(q.size());
            auto partial = check::unwritten<float>(splits * q.size()), lse = check::unwritten<float>(splits * want.lse.size());
            launch(check::name<T>("attention_plain_forward"), l.query_tiles, {h.queries, count(l.query_tiles), splits}, 128, 0,
                   q.data(), k.data(), v.data(), out.data(), partial.data(), lse.data(), uint64_t(l.tokens));
            if (splits > 1) {
                check::launch(check::name<T>("attention_combine"), {h.queries, l.tokens, 1}, 64, 0, partial.data(), lse.data(),
                              out.data(), (uint8_t *)nullptr, splits, h.dim);
                lse.clear();
            }
            check_forward(" plain " + std::to_string(splits), out, lse);
        }
    }
    void plain_backward() const {
        backward("attention_plain_backward_q_" + std::string(check::name_of<T>()),
                 "attention_plain_backward_kv_" + std::string(check::name_of<T>()), 128, 0, 0, 1);
    }

    void backward(const std::string &q_kernel, const std::string &kv_kernel, uint32_t kv_threads, uint32_t q_shared,
                  uint32_t kv_shared, uint32_t columns) const {
        std::vector<T> out, dq = check::unwritten<T>(q.size()), dk = check::unwritten<T>(k.size()), dv = dk;
        for (double value : want.out) out.push_back(from_float<T>(float(value)));
        std::vector<float> lse(want.lse.begin(), want.lse.end()), delta = check::unwritten<float>(lse.size());
        check::launch(check::name<T>("attention_delta"), {(l.tokens * h.queries + 3) / 4, 1, 1}, 128, 0, out.data(), dout.data(),
                      delta.data(), uint64_t(l.tokens) * h.queries, h.dim);
        launch(q_kernel, l.query_tiles, {h.queries, count(l.query_tiles), 1}, 128, q_shared, q.data(), k.data(), v.data(),
               dout.data(), lse.data(), delta.data(), dq.data());
        launch(kv_kernel, l.key_tiles, {h.keys, count(l.key_tiles), columns}, kv_threads, kv_shared, q.data(), k.data(),
               v.data(), dout.data(), lse.data(), delta.data(), dk.data(), dv.data());
        check::near(name + " delta", delta, want.delta, tolerance());
        check::near(name + " " + q_kernel, dq, want.dq, tolerance());
        check::near(name + " " + kv_kernel + " dk", dk, want.dk, tolerance());
        check::near(name + " " + kv_kernel + " dv", dv, want.dv, tolerance());
    }

    // On tensor cores.
    void many() const {
        auto out = check::unwritten<T>(q.size());
        auto lse = check::unwritten<float>(want.lse.size());
        launch(tensor("attention_forward_"), l.query_tiles, {h.queries, count(l.query_tiles), 1}, 128, 3 * 64 * padded() * 2,
               q.data(), k.data(), v.data(), out.data(), lse.data());
        check_forward(" many", out, lse);
    }
    void many_backward() const {
        uint32_t wide = padded() == 256, stages = wide ? 1 : 2, teams = wide ? 1 : 2, row = padded() * 2;
        backward(tensor("attention_backward_q_"), tensor("attention_backward_kv_"), 128 * teams, (128 + stages * 64) * row,
                 (128 + stages * teams * 64) * row + stages * teams * 64 * 4, wide ? 2 : 1);
    }
    void few() const {
        uint32_t most = 0, warps = padded() == 256 ? 2 : 4;
        for (size_t i = 1; i < l.spans.size(); i += 4) most = std::max(most, l.spans[i]);
        uint32_t chunks = (most * (h.queries / h.keys) + 15) / 16;
        for (uint32_t splits : {1u, 2u, 5u}) {
            auto out = check::unwritten<T>(q.size());
            auto out8 = eight::room(l.tokens, h.queries * h.dim);
            uint8_t *bits = h.dim % 32 == 0 ? out8.data() : nullptr;
            auto partial = check::unwritten<float>(splits * q.size()), lse = check::unwritten<float>(splits * want.lse.size());
            launch(tensor("attention_few_"), l.query_tiles, {splits, h.keys * chunks, count(l.query_tiles)}, 32 * warps,
                   (16 + warps * 64) * padded() * 2, q.data(), k.data(), v.data(), out.data(), bits, partial.data(), lse.data(),
                   uint64_t(l.tokens));
            if (splits > 1) {
                check::launch(check::name<T>("attention_combine"), {h.queries, l.tokens, 1}, 256, 0, partial.data(), lse.data(),
                              out.data(), bits, splits, h.dim);
            }
            if (bits) eight::of(name + " few " + std::to_string(splits), out8, out, l.tokens, h.queries * h.dim);
            check_forward(" few " + std::to_string(splits), out, {});
        }
    }
};

// Blocks of a pool in no order; the second sequence has some before its queries that it shares.
static std::vector<Part> in_blocks(uint32_t queries, uint32_t more) {
    return {{queries, {{128, 64}, {320, 64}, {0, 64}, {256, more}}}, {1, {{128, 64}, {64, 1}}}, {queries, {{192, queries + 3}}}};
}

static std::vector<Heads> kinds(uint32_t queries, uint32_t keys, uint32_t dim) {
    return {{queries, keys, dim}, {queries, keys, dim, 5}, {queries, keys, dim, 33, 2.0f}, {queries, keys, dim, 0, 1.5f}};
}

template <class T>
static void plain_cases() {
    for (const Heads &h : kinds(4, 2, 6)) {
        Case<T> packed_case("packed", h, packed({7, 70}));
        packed_case.plain(), packed_case.plain_backward();
        Case<T> after("after others", h, packed({3, 1, 67}, 11));
        after.plain(), after.plain_backward();
    }
    Case<T> wide("wide", {3, 3, 250}, packed({5, 35}));
    wide.plain(), wide.plain_backward();
    Case<T>("runs", {6, 2, 33, 70}, {{3, {{0, 4}, {8, 4}, {4, 4}}}}).plain();
    Case<T>("pool", {6, 2, 8}, in_blocks(3, 9)).plain();
}

static void tensor_cases() {
    for (const Heads &h : kinds(4, 2, 64)) {
        Case<bf16> packed_case("packed", h, packed({7, 150, 1, 64}));
        packed_case.many(), packed_case.many_backward();
        Case<bf16> after("after others", h, packed({3, 1, 67, 40}, 75));
        after.many(), after.many_backward();
        Case<bf16>("pool", h, in_blocks(70, 20)).many();
        Case<bf16>("runs", h, {{20, {{0, 4}, {30, 7}, {4, 21}}}}).many();
        Case<bf16>("pool", h, in_blocks(3, 20)).few();
        Case<bf16>("pool", h, in_blocks(1, 1)).few();
    }
    for (uint32_t dim : {16u, 48u, 80u, 128u, 144u, 256u}) {
        for (const Heads &h : kinds(7, 1, dim)) {
            if (h.window == 5) continue;
            Case<bf16> packed_case("packed", h, packed({70, 5}));
            packed_case.many(), packed_case.many_backward();
            Case<bf16>("pool", h, in_blocks(4, 20)).few();
        }
    }
}

int main() {
    plain_cases<float>();
    plain_cases<bf16>();
    tensor_cases();
    return check::report("attention");
}
