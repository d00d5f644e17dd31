#include "option_set.hpp"

#include "exit_status.hpp"
#include "tailora.hpp"

void OptionSet::add_file(CLI::App &command, const std::string &flag, const std::string &what) {
    command.add_option(flag, file_, what)->type_name("FILE");
}

void OptionSet::add_single(CLI::App &command) {
    command.add_option("-s,--set", single_, "One option, over the file's; repeatable")->type_name("KEY=VALUE")->allow_extra_args(false);
}

void OptionSet::put(const std::string &option, Json value) { flags_[option] = std::move(value); }

/// `generate.max_tokens=60`: a dot leads into an object. What is no JSON is a text.
static void place(Json &options, const std::string &assignment) {
    const auto equals = assignment.find('=');
    if (equals == 0 || equals == std::string::npos)
        throw refusal(bad_usage, "--set " + assignment + ": expected KEY=VALUE, as in learning_rate=0.0002");
    Json *place = &options;
    const std::string key = assignment.substr(0, equals);
    for (std::size_t begin = 0;;) {
        const auto dot = key.find('.', begin);
        if (!place->is_object()) *place = Json::object();
        place = &(*place)[key.substr(begin, dot - begin)];
        if (dot == std::string::npos) break;
        begin = dot + 1;
    }
    const std::string value = assignment.substr(equals + 1);
    const Json parsed = Json::parse(value, nullptr, false);
    *place = parsed.is_discarded() ? Json(value) : parsed;
}

Json OptionSet::given() const {
    Json options = file_.empty() ? Json::object() : Json::parse(tailora::options_from_file(file_, name_));
    for (const auto &assignment : single_) place(options, assignment);
    options.update(flags_);
    return options;
}

std::string OptionSet::text() const {
    const Json options = given();
    return options.empty() ? std::string() : options.dump();
}

Json OptionSet::value(const std::string &option) const {
    const Json options = given();
    if (const auto found = options.find(option); found != options.end()) return *found;
    return Json::parse(tailora::options_schema(name_)).at("properties").at(option).value("default", Json());
}
