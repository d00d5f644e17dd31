// The arguments that several commands have: a model, adapters on it, a CSV of rows.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "option_set.hpp"
#include "tailora.hpp"

/// `--model DIR` and `--model-config FILE`.
class ModelArguments {
public:
    void add(CLI::App &command, bool required = true);
    bool given() const { return !path_.empty(); }
    tailora::Model load(const Program &program) const;

private:
    std::string path_;
    OptionSet options_{"model"};
};

/// Adapters as the library takes them.
using Stack = std::vector<std::pair<const tailora::Adapter *, double>>;

/// `--adapter`, a folder, or with `--registry` a version or an alias there.
class AdapterArguments {
public:
    void add(CLI::App &command);
    std::vector<tailora::Adapter> load(const tailora::Model &model, const std::optional<std::string> &id = {}) const;
    Stack stack(const std::vector<tailora::Adapter> &adapters) const;
    /// Where the adapters were looked up by name; empty for folders.
    const std::string &registry() const { return registry_; }
    const std::vector<std::string> &names() const { return names_; }

private:
    std::vector<std::string> names_;
    std::vector<double> scales_;
    std::string registry_;
};

/// `ROWS` and `--data-config FILE`.
class RowsArguments {
public:
    void add(CLI::App &command, bool required = true);
    bool given() const { return !path_.empty(); }
    tailora::Dataset open(const Program &program) const { return open(program, path_); }
    /// Another file with the same options.
    tailora::Dataset open(const Program &program, const std::string &path) const;

private:
    std::string path_;
    OptionSet options_{"dataset"};
};
