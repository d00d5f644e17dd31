#include "csv.hpp"

namespace {

/// Where the reading is.
struct Reader {
    std::string_view rest;
    char delimiter;
    std::size_t line = 1;

    char take() {
        const char c = rest.front();
        rest.remove_prefix(1);
        if (c == '\n') line++;
        return c;
    }
    bool at_end_of_row() const { return rest.empty() || rest.front() == '\n' || rest.front() == '\r'; }
    void end_row() {
        if (!rest.empty() && rest.front() == '\r') take();
        if (!rest.empty() && rest.front() == '\n') take();
    }

    std::string cell() {
        const auto content = rest.find_first_not_of(' ');
        if (content == std::string_view::npos || rest[content] != '"') return plain();
        rest.remove_prefix(content + 1);
        std::string cell;
        while (!rest.empty()) {
            const char c = take();
            if (c != '"') {
                cell += c;
            } else if (!rest.empty() && rest.front() == '"') {
                cell += take();
            } else {
                break;
            }
        }
        plain(); // blanks between the quote and the delimiter
        return cell;
    }

    std::string plain() {
        std::string cell;
        while (!at_end_of_row() && rest.front() != delimiter) cell += take();
        return cell;
    }

    std::vector<std::string> row() {
        std::vector<std::string> cells{cell()};
        while (!at_end_of_row()) {
            take(); // the delimiter
            cells.push_back(cell());
        }
        end_row();
        return cells;
    }
};

} // namespace

std::vector<csv::Row> csv::read(std::string_view text, char delimiter) {
    if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
    Reader reader{text, delimiter};
    if (text.size() > 4 && text.substr(0, 4) == "sep=") {
        reader.delimiter = text[4];
        while (!reader.at_end_of_row()) reader.take();
        reader.end_row();
    }
    std::vector<Row> rows;
    while (!reader.rest.empty()) {
        const std::size_t line = reader.line;
        auto cells = reader.row();
        if (cells.size() > 1 || !cells.front().empty()) rows.push_back({line, std::move(cells)});
    }
    return rows;
}

std::string csv::line(const std::vector<std::string> &cells) {
    std::string out;
    for (const auto &cell : cells) {
        if (!out.empty()) out += ',';
        out += '"';
        for (const char c : cell) out += c == '"' ? std::string("\"\"") : std::string(1, c);
        out += '"';
    }
    return out + "\r\n";
}
