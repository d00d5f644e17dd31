#include "progress.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "terminal.hpp"

static const char *name_of(int phase) {
    switch (phase) {
    case TAILORA_PHASE_LOAD: return "loading the model";
    case TAILORA_PHASE_PREPARE: return "reading rows";
    case TAILORA_PHASE_TRAIN: return "training";
    case TAILORA_PHASE_VALIDATE: return "validating";
    case TAILORA_PHASE_SAVE: return "saving";
    case TAILORA_PHASE_CALIBRATE: return "calibrating";
    case TAILORA_PHASE_REPORT: return "writing reports";
    default: return "working";
    }
}

std::string clock_time(double seconds) {
    const auto total = static_cast<long long>(std::llround(std::max(seconds, 0.0)));
    char text[48];
    if (total < 3600) {
        std::snprintf(text, sizeof text, "%lld:%02lld", total / 60, total % 60);
    } else {
        std::snprintf(text, sizeof text, "%lld:%02lld:%02lld", total / 3600, total / 60 % 60, total % 60);
    }
    return text;
}

static std::string bar(double share, int cells) {
    const int full = static_cast<int>(share * cells);
    return "[" + std::string(full, '=') + std::string(cells - full, ' ') + "] ";
}

/// What is known, in the order of its use: the end of the line may be cut.
static std::string facts(const tailora::Progress &event, double validation_loss) {
    char text[64];
    std::string line;
    const auto add = [&](const char *format, double value) {
        if (!std::isfinite(value)) return;
        std::snprintf(text, sizeof text, format, value);
        line += text;
    };
    if (event.total_steps > 0) {
        std::snprintf(text, sizeof text, "  %llu/%llu", static_cast<unsigned long long>(event.step),
                      static_cast<unsigned long long>(event.total_steps));
        line += text;
    }
    if (std::isfinite(event.eta_seconds)) line += "  ETA " + clock_time(event.eta_seconds);
    add("  loss %.3f", event.loss);
    add("  validation loss %.3f", validation_loss);
    return line;
}

ProgressLine::ProgressLine(bool quiet)
    : quiet_(quiet), watched_(terminal::is_watched()), validation_loss_(std::numeric_limits<double>::quiet_NaN()) {}

ProgressLine::~ProgressLine() {
    if (drawn_) std::fputs("\r\x1b[K", stderr);
}

tailora::ProgressCallback ProgressLine::callback() {
    return [this](const tailora::Progress &event) {
        if (!quiet_) show(event);
        return true;
    };
}

bool ProgressLine::is_due(const tailora::Progress &event) const {
    const auto pause = watched_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
    const bool is_last = event.step == event.total_steps && event.step != step_;
    return event.phase != phase_ || is_last || Clock::now() - last_ >= pause;
}

void ProgressLine::show(const tailora::Progress &event) {
    if (std::isfinite(event.validation_loss)) validation_loss_ = event.validation_loss;
    if (!is_due(event)) return;
    phase_ = event.phase;
    step_ = event.step;
    last_ = Clock::now();
    const double share = event.total_steps == 0 ? 0 : static_cast<double>(event.step) / static_cast<double>(event.total_steps);
    std::string line = watched_ ? bar(std::clamp(share, 0.0, 1.0), 24) : std::string();
    line += name_of(event.phase) + facts(event, validation_loss_);
    if (!watched_) {
        std::fprintf(stderr, "%s\n", line.c_str());
        return;
    }
    // All of it is ASCII, so bytes are columns.
    line.resize(std::min(line.size(), static_cast<std::size_t>(std::max(terminal::width() - 1, 1))));
    std::fprintf(stderr, "\r%s\x1b[K", line.c_str());
    std::fflush(stderr);
    drawn_ = true;
}
