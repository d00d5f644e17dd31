#include "cases.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>

#include "csv.hpp"
#include "exit_status.hpp"
#include "files.hpp"

static const char *const kept_as = "cases.jsonl";

static bool ends_with(const std::string &text, const std::string &end) {
    return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

static bool is_json_lines(const std::string &path, const Json &format) {
    if (format != "auto") return format == "jsonl";
    std::string lower = path;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return c < 128 ? std::tolower(c) : c; });
    return ends_with(lower, ".jsonl") || ends_with(lower, ".ndjson");
}

/// A value in a line of fields: in quotes where a part of it could be taken for the next field.
static std::string quoted(const std::string &value) {
    const auto has = [&](const char *text) { return value.find(text) != std::string::npos; };
    const char *const ends[] = {",", ";", "|", "\"", "\t", "\r", "\n", "  ", "，", "；", "、", "｜", "　"};
    if (std::none_of(std::begin(ends), std::end(ends), has)) return value;
    std::string out = "\"";
    for (const char c : value) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
}

/// Fields as the model reads them, and as the rows of the next training should have them.
static std::string line_of_fields(const Json &fields) {
    std::string line;
    for (const auto &[name, value] : fields.items())
        line += (line.empty() ? "" : ",") + name + ":" + quoted(value.is_string() ? value.get<std::string>() : value.dump());
    return line;
}

/// A case out of its named parts: the one that is the input, or all but the id.
static std::string input(const Json &parts, const OptionSet &batch) {
    const Json column = batch.value("input_column"), id = batch.value("id_column");
    if (column.is_string()) {
        const Json value = parts.value(column.get<std::string>(), Json(""));
        return value.is_object() ? line_of_fields(value) : value.get<std::string>();
    }
    Json fields = parts;
    if (id.is_string()) fields.erase(id.get<std::string>());
    return line_of_fields(fields);
}

static std::string kept(std::size_t line, const std::string &input) { return Json{{"line", line}, {"input", input}}.dump() + "\n"; }

static std::string of_json_lines(const std::string &text, const OptionSet &batch) {
    std::istringstream lines(text);
    std::string line, out;
    for (std::size_t number = 1; std::getline(lines, line); number++) {
        const Json parts = Json::parse(line, nullptr, false);
        if (parts.is_object()) out += kept(number, input(parts, batch));
    }
    return out;
}

static std::string of_csv(const std::string &text, const OptionSet &batch) {
    const auto delimiter = batch.value("delimiter").get<std::string>();
    const auto rows = csv::read(text, delimiter.empty() ? ',' : delimiter.front());
    std::string out;
    for (std::size_t row = 1; row < rows.size(); row++) {
        const auto &names = rows.front().cells, &cells = rows[row].cells;
        Json parts = Json::object();
        for (std::size_t cell = 0; cell < std::min(names.size(), cells.size()); cell++) {
            if (cells[cell].find_first_not_of(" \t") != std::string::npos) parts[names[cell]] = cells[cell];
        }
        out += kept(rows[row].line, input(parts, batch));
    }
    return out;
}

static bool is_utf8(const std::string &text) {
    // The JSON writer refuses everything else.
    try {
        Json(text).dump();
        return true;
    } catch (const Json::type_error &) {
        return false;
    }
}

std::optional<std::string> cases::read(const std::string &path, const OptionSet &batch) {
    const std::string text = files::read(path);
    if (!is_utf8(text)) return std::nullopt;
    return is_json_lines(path, batch.value("format")) ? of_json_lines(text, batch) : of_csv(text, batch);
}

void cases::keep(const std::string &job, const std::string &cases) { files::replace(files::joined(job, kept_as), cases); }

static std::map<std::size_t, std::string> inputs(const std::string &job) {
    const std::string path = files::joined(job, kept_as);
    if (!files::is_there(path))
        throw refusal(bad_input, path + ": is not there; `tailora batch` writes it when all rows of the job are done, if the cases are in UTF-8");
    std::istringstream lines(files::read(path));
    std::map<std::size_t, std::string> inputs;
    for (std::string line; std::getline(lines, line);) {
        const Json kept = Json::parse(line);
        inputs[kept.at("line").get<std::size_t>()] = kept.at("input").get<std::string>();
    }
    return inputs;
}

Json cases::with_reports(const std::string &job, std::size_t &failed) {
    const auto inputs = ::inputs(job);
    std::istringstream lines(files::read(files::joined(job, "reports.jsonl")));
    Json cases = Json::array();
    failed = 0;
    for (std::string line; std::getline(lines, line);) {
        const Json row = Json::parse(line);
        if (!row.contains("report")) {
            failed++;
            continue;
        }
        const std::string id = row.contains("id") ? row["id"].get<std::string>() : "row-" + row.at("row").dump();
        cases.push_back({{"id", id}, {"input", inputs.at(row.at("line").get<std::size_t>())}, {"report", row["report"]}});
    }
    return cases;
}
