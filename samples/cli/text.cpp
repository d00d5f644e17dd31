#include "text.hpp"

#include <cstdio>
#include <iostream>
#include <map>

void text::field(const std::string &label, const std::string &value) {
    std::cout << label << std::string(label.size() < 14 ? 14 - label.size() : 1, ' ') << value << "\n";
}

void text::notes(const Json &notes) {
    for (const auto &note : notes) field("Note", note.get<std::string>());
}

std::string text::number(const Json &value, int digits) {
    if (!value.is_number()) return "-";
    char out[64];
    std::snprintf(out, sizeof out, "%.*f", digits, value.get<double>());
    return out;
}

std::string text::bytes(const Json &value) {
    double size = value.get<double>();
    const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    std::size_t unit = 0;
    for (; size >= 1000 && unit + 1 < std::size(units); unit++) size /= 1000;
    return number(size, unit == 0 ? 0 : 1) + " " + units[unit];
}

static std::string percent(const Json &share) { return text::number(share.get<double>() * 100, 0) + " %"; }

/// How often such conclusions are right, as far as that is known.
static std::string confidence(const Json &conclusion) {
    const auto kind = conclusion.at("confidence_kind").get<std::string>();
    if (kind == "calibrated") return "right in " + percent(conclusion.at("confidence"));
    if (kind == "rule") return "written by a house rule";
    if (kind != "band") return kind + " " + text::number(conclusion.at("confidence"), 2);
    const Json &band = conclusion.at("band");
    return band.at("name").get<std::string>() + ", right in " + percent(band.at("interval").at(0)) + " to " + percent(band.at("interval").at(1));
}

static std::string source(const Json &source) {
    const auto text = [&](const char *key) { return source.contains(key) && source[key].is_string() ? source[key].get<std::string>() : std::string(); };
    if (source.contains("field")) return text("field") + ":" + text("value");
    return text("passage").empty() ? text("text") : "[" + text("passage") + "] " + text("text");
}

static void conclusion(const Json &conclusion) {
    std::cout << "- " << conclusion.at("text").get<std::string>() << "\n  "
              << conclusion.at("kind").get<std::string>() << ", " << confidence(conclusion);
    std::string from;
    for (const auto &one : conclusion.at("sources")) from += (from.empty() ? "; from " : ", ") + source(one);
    std::cout << from;
    if (conclusion.value("grounded", Json()) == false) std::cout << "; no field moves it";
    for (const auto &one : conclusion.at("unsupported"))
        std::cout << "; not in the case: " << (one.is_string() ? one.get<std::string>() : one.dump());
    std::cout << "\n";
}

void text::report(const Json &report) {
    std::cout << report.at("report").get<std::string>() << "\n\n";
    for (const auto &one : report.at("conclusions")) conclusion(one);
    for (const char *check : {"rules", "bias"}) {
        if (report.contains(check)) field(check, report[check].dump());
    }
}

std::string text::labels(const Json &conclusions) {
    std::map<std::string, int> counts;
    for (const auto &conclusion : conclusions) counts[conclusion.at("label").get<std::string>()]++;
    std::string out;
    for (const char *label : {"kept", "edited", "deleted"}) {
        if (counts[label] > 0) out += (out.empty() ? "" : ", ") + std::to_string(counts[label]) + " " + label;
    }
    return out.empty() ? "no conclusions" : out;
}
