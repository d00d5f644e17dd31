// `tailora options`: the options of a set, from the library's own schema.

#include <iostream>
#include <memory>

#include "json.hpp"
#include "program.hpp"
#include "tailora.hpp"

namespace {

void show(const Json &schema) {
    for (const auto &[name, option] : schema.at("properties").items()) {
        const std::string meaning = option.value("description", std::string());
        std::cout << name << ": " << option.value("default", Json()).dump() << "\n    " << meaning << "\n";
    }
}

int run(const std::string &set, const Program &program) {
    const std::string schema = tailora::options_schema(set);
    if (program.json) {
        std::cout << schema << "\n";
    } else {
        show(Json::parse(schema));
    }
    return 0;
}

} // namespace

void add_options(CLI::App &app, Program &program) {
    const auto set = std::make_shared<std::string>();
    auto *command = program.add(app, "options", "List the options of a set with their defaults", [set, &program] { return run(*set, program); });
    command->add_option("SET", *set, "model, dataset, train, evaluate, report ...")->type_name("")->required();
    command->footer("A file for --config has lines `option: value`, as they are listed here.");
}
