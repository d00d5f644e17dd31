#include "files.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "exit_status.hpp"

namespace fs = std::filesystem;

static fs::path native(const std::string &path) { return fs::u8path(path); }

[[noreturn]] static void refuse(const std::string &path, const char *what, const std::string &why) {
    throw refusal(bad_input, path + ": " + what + ": " + why);
}

std::string files::read(const std::string &path) {
    if (path == "-") return {std::istreambuf_iterator<char>(std::cin), {}};
    std::ifstream file(native(path), std::ios::binary);
    if (!file || fs::is_directory(native(path))) refuse(path, "cannot be read", std::strerror(file ? EISDIR : errno));
    return {std::istreambuf_iterator<char>(file), {}};
}

void files::write_new(const std::string &path, const std::string &text) {
    if (is_there(path)) throw refusal(bad_input, path + ": is there already; name a new file, or move it away");
    replace(path, text);
}

void files::replace(const std::string &path, const std::string &text) {
    const fs::path part = native(path + ".part");
    std::ofstream file(part, std::ios::binary);
    file << text;
    file.close();
    std::error_code error;
    if (file) {
        fs::rename(part, native(path), error);
        if (!error) return;
    }
    const std::string why = error ? error.message() : std::strerror(errno);
    fs::remove(part, error);
    refuse(path, "cannot be written", why);
}

bool files::is_there(const std::string &path) {
    std::error_code error;
    return fs::exists(native(path), error);
}

void files::make_folder(const std::string &path) {
    std::error_code error;
    fs::create_directories(native(path), error);
    if (error) refuse(path, "cannot be made", error.message());
}

std::vector<std::string> files::documents(const std::string &path) {
    if (!fs::is_directory(native(path))) return {path};
    std::vector<std::string> found;
    for (const auto &entry : fs::directory_iterator(native(path))) {
        const std::string name = entry.path().filename().u8string();
        if (entry.path().extension() == ".docx" && name.rfind("~$", 0) != 0) found.push_back(joined(path, name));
    }
    if (found.empty()) throw refusal(bad_input, path + ": has no .docx file");
    std::sort(found.begin(), found.end());
    return found;
}

std::string files::joined(const std::string &folder, const std::string &name) {
    return folder.empty() || folder.back() == '/' || folder.back() == '\\' ? folder + name : folder + "/" + name;
}
