// The cases of a batch beside its reports. A report does not have the case that it was written on, which a Word file shows
// to its reviewer: the file `cases.jsonl` in the job's folder keeps them, by their lines in the file of cases.
#pragma once

#include <optional>
#include <string>

#include "option_set.hpp"

namespace cases {

/// The cases of a file as `tailora batch` with these options reads them, as JSON Lines; nothing if the file is not in UTF-8.
std::optional<std::string> read(const std::string &path, const OptionSet &batch);

/// Keeps them in a finished job's folder.
void keep(const std::string &job, const std::string &cases);

/// The reports of a finished job with their cases, as tailora::export_docx takes them; rows that have none are counted.
Json with_reports(const std::string &job, std::size_t &failed);

} // namespace cases
