// The terminal of each system, as one that speaks UTF-8.
#pragma once

#include <string>
#include <vector>

namespace terminal {

/// Makes the console of Windows take UTF-8, and leaves line ends as they are written.
void speak_utf8();

/// The program's arguments in UTF-8, without its name.
std::vector<std::string> arguments(int argc, char **argv);

/// Whether a person sees standard error, where lines can be written over.
bool is_watched();

/// Columns of standard error.
int width();

} // namespace terminal
