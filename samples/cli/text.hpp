// Results as a person reads them.
#pragma once

#include <string>

#include "json.hpp"

namespace text {

/// A line `label     value`.
void field(const std::string &label, const std::string &value);

/// `notes` of a result, a line each.
void notes(const Json &notes);

/// A report: what it says, and of each conclusion how sure it is and what it rests on.
void report(const Json &report);

/// `4.71`; `-` for null.
std::string number(const Json &value, int digits);

/// `33.6 MB`.
std::string bytes(const Json &value);

/// Conclusions of a reviewed case by their label: `3 kept, 1 edited`.
std::string labels(const Json &conclusions);

} // namespace text
