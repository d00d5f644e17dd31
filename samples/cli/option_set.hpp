// A set of the library's options as a person gives them: a YAML or JSON file, and single ones that stand over it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "program.hpp"

class OptionSet {
public:
    /// `name`: as for tailora::options_schema.
    explicit OptionSet(std::string name) : name_(std::move(name)) {}

    /// `flag FILE`.
    void add_file(CLI::App &command, const std::string &flag, const std::string &what);
    /// `--set KEY=VALUE`.
    void add_single(CLI::App &command);

    /// What was given, for the library; "" if nothing was. The library has the defaults and checks the values.
    std::string text() const;
    /// What was given for an option, else the library's default.
    Json value(const std::string &option) const;

    /// What a flag of this program says of an option stands over file and `--set`.
    void put(const std::string &option, Json value);

private:
    Json given() const;

    std::string name_;
    std::string file_;
    std::vector<std::string> single_;
    Json flags_ = Json::object();
};
