// CSV, RFC 4180, in UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace csv {

struct Row {
    /// Line of the file where it begins, from 1.
    std::size_t line;
    std::vector<std::string> cells;
};

/// The rows of a file, the header first; lines with nothing on them are left out. A first line `sep=;` stands over `delimiter`.
std::vector<Row> read(std::string_view text, char delimiter);

/// A row with its line end.
std::string line(const std::vector<std::string> &cells);

} // namespace csv
