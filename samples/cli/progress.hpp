// Progress on standard error: one line with a bar where a person looks on, plain lines now and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tailora.hpp"

class ProgressLine {
public:
    /// `quiet`: shows nothing.
    explicit ProgressLine(bool quiet);
    /// Takes the bar away, so that what comes next stands alone.
    ~ProgressLine();
    ProgressLine(const ProgressLine &) = delete;
    ProgressLine &operator=(const ProgressLine &) = delete;

    /// For the library's calls, while this object lives.
    tailora::ProgressCallback callback();

private:
    using Clock = std::chrono::steady_clock;

    void show(const tailora::Progress &event);
    bool is_due(const tailora::Progress &event) const;

    bool quiet_;
    bool watched_;
    bool drawn_ = false;
    int phase_ = 0;
    std::uint64_t step_ = 0;
    double validation_loss_;
    Clock::time_point last_{};
};

/// `1:05` or `2:03:09`.
std::string clock_time(double seconds);
