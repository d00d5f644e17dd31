// Files whose names are UTF-8 on every system.
#pragma once

#include <string>
#include <vector>

namespace files {

/// The whole file; "-" is standard input.
std::string read(const std::string &path);

/// Writes a new file, whole or not at all; one that is there is left alone and refused.
void write_new(const std::string &path, const std::string &text);

/// The same, in the place of one that is there.
void replace(const std::string &path, const std::string &text);

bool is_there(const std::string &path);

/// Makes a folder and those above it.
void make_folder(const std::string &path);

/// The .docx files of a folder in the order of their names, without those that Word keeps while one is open; a file for itself.
std::vector<std::string> documents(const std::string &path);

std::string joined(const std::string &folder, const std::string &name);

} // namespace files
