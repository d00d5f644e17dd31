#include "arguments.hpp"

#include "exit_status.hpp"
#include "interrupt.hpp"
#include "progress.hpp"

void ModelArguments::add(CLI::App &command, bool required) {
    command.add_option("-m,--model", path_, "Base model: a folder or GGUF file")->type_name("PATH")->required(required);
    options_.add_file(command, "--model-config", "Options of loading the model");
}

tailora::Model ModelArguments::load(const Program &program) const {
    ProgressLine line(program.quiet);
    return tailora::Model::load(path_, options_.text(), line.callback(), interrupt::cancel());
}

void AdapterArguments::add(CLI::App &command) {
    command.add_option("-a,--adapter", names_, "Adapter's folder; repeatable")->type_name("DIR")->allow_extra_args(false);
    command.add_option("--scale", scales_, "Scale of each adapter; 1 is as trained")->type_name("X")->allow_extra_args(false);
    command.add_option("--registry", registry_, "--adapter names a version or alias here")->type_name("DIR");
}

std::vector<tailora::Adapter> AdapterArguments::load(const tailora::Model &model, const std::optional<std::string> &id) const {
    if (!scales_.empty() && scales_.size() != names_.size())
        throw refusal(bad_usage, "--scale: there are " + std::to_string(scales_.size()) + " for " + std::to_string(names_.size()) +
                                     " adapters; expected one for each, or none");
    std::vector<tailora::Adapter> adapters;
    if (registry_.empty()) {
        for (const auto &path : names_) adapters.push_back(model.load_adapter(path));
        return adapters;
    }
    if (names_.empty()) throw refusal(bad_usage, "--registry: expected the name of a version or an alias there, as --adapter");
    const auto registry = tailora::Registry::open(registry_);
    for (const auto &name : names_) adapters.push_back(registry.load(model, name, id));
    return adapters;
}

Stack AdapterArguments::stack(const std::vector<tailora::Adapter> &adapters) const {
    Stack stack;
    for (const auto &adapter : adapters) stack.emplace_back(&adapter, scales_.empty() ? 1.0 : scales_[stack.size()]);
    return stack;
}

void RowsArguments::add(CLI::App &command, bool required) {
    command.add_option("ROWS", path_, "CSV with the columns input and output")->type_name("")->required(required);
    options_.add_file(command, "--data-config", "Options of reading the CSV");
}

tailora::Dataset RowsArguments::open(const Program &program, const std::string &path) const {
    ProgressLine line(program.quiet);
    return tailora::Dataset::open_csv(path, options_.text(), line.callback(), interrupt::cancel());
}
