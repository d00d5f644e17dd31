// `tailora registry`: versions of adapters, and the aliases that stand for them.

#include <iostream>
#include <memory>

#include "arguments.hpp"
#include "exit_status.hpp"
#include "text.hpp"

namespace {

/// What all of them may have; each takes its own.
struct Registry {
    std::string folder;
    std::string name;
    std::string adapter;
    std::vector<std::string> versions;
    std::string id;
    std::string promote;
    ModelArguments model;
    OptionSet options{"publish"};

    tailora::Registry open() const { return tailora::Registry::open(folder); }
    std::optional<std::string> employee() const { return id.empty() ? std::nullopt : std::optional(id); }
};

std::string shares(const Json &change) {
    std::string out;
    for (const auto &share : change["shares"]) {
        out += (out.empty() ? "" : ", ") + share["version"].get<std::string>();
        if (share["share"] != 1.0) out += " " + text::number(share["share"].get<double>() * 100, 0) + " %";
    }
    return out;
}

void show_version(const Json &version) {
    text::field("Version", version["version"].get<std::string>());
    text::field("", "rank " + version["r"].dump() + ", of " + version["base"].get<std::string>() + ", published " + version["published"].get<std::string>());
}

void show_change(const Json &change) {
    text::field("Change " + change["number"].dump(), change["action"].get<std::string>() + " at " + change["time"].get<std::string>() + ": " + shares(change));
}

void show_list(const Json &list) {
    for (const auto &version : list["versions"]) show_version(version);
    for (const auto &alias : list["aliases"]) text::field("Alias", alias["alias"].get<std::string>() + " = " + shares(alias));
    if (list["versions"].empty()) std::cout << "There is no version yet.\n";
}

/// Prints `json` as it is, or as `show` says it.
int print(const Program &program, const std::string &json, void (*show)(const Json &)) {
    if (program.json) {
        std::cout << json << "\n";
    } else {
        show(Json::parse(json));
    }
    return done;
}

int publish(const Registry &registry, const Program &program) {
    const std::string options = registry.options.text();
    const auto model = registry.model.load(program);
    const auto adapter = model.load_adapter(registry.adapter);
    const auto folder = tailora::Registry::create(registry.folder);
    const std::string published = folder.publish(adapter, options);
    if (!registry.promote.empty()) folder.promote(registry.promote, Json::parse(published)["version"].get<std::string>());
    return print(program, published, show_version);
}

/// `VERSION`, or several `VERSION=SHARE`.
int promote(const Registry &registry, const Program &program) {
    const auto folder = registry.open();
    if (registry.versions.size() == 1) return print(program, folder.promote(registry.name, registry.versions.front()), show_change);
    Json shares = Json::array();
    for (const auto &version : registry.versions) {
        const auto equals = version.rfind('=');
        const Json share = equals == std::string::npos ? Json() : Json::parse(version.substr(equals + 1), nullptr, false);
        if (!share.is_number()) throw refusal(bad_usage, version + ": expected VERSION=SHARE, as in hr-20261128-n60-r8-3f9c=0.5");
        shares.push_back({{"version", version.substr(0, equals)}, {"share", share}});
    }
    return print(program, folder.promote_split(registry.name, shares.dump()), show_change);
}

void show_changes(const Json &changes) {
    for (const auto &change : changes) show_change(change);
}

void show_audit(const Json &lines) {
    for (const auto &line : lines) text::field(line["time"].get<std::string>(), line["version"].get<std::string>() + ", seed " + line["seed"].dump());
    if (lines.empty()) std::cout << "No report was audited.\n";
}

int contains(const Registry &registry, const Program &program) {
    const bool is_in = registry.open().contains(registry.name, registry.id);
    if (program.json) {
        std::cout << Json{{"contained", is_in}}.dump() << "\n";
    } else {
        std::cout << (is_in ? "yes, rows of this person are in it\n" : "no, no row of this person is in it\n");
    }
    return done;
}

/// A command on a registry's folder.
template <typename Run> CLI::App *add(CLI::App &parent, Program &program, const std::string &name, const std::string &what, Run run) {
    const auto registry = std::make_shared<Registry>();
    auto *command = program.add(parent, name, what, [registry, &program, run] { return run(*registry, program); });
    command->add_option("REGISTRY", registry->folder, "Folder of the registry")->type_name("")->required();
    const auto text = [&](const char *argument, std::string &into, const char *meaning) {
        return command->add_option(argument, into, meaning)->type_name("");
    };
    if (name == "publish") {
        text("ADAPTER", registry->adapter, "The adapter's folder")->required();
        registry->model.add(*command);
        registry->options.add_file(*command, "-c,--config", "Options: name, extra");
        registry->options.add_single(*command);
        text("--promote", registry->promote, "Let this alias stand for it")->type_name("ALIAS");
    } else if (name == "contains") {
        text("VERSION", registry->name, "Name of the version")->required();
        text("ID", registry->id, "Whose rows, as in the id_column")->required();
    } else if (name == "audited") {
        text("ID", registry->id, "Whose reports")->required();
    } else if (name == "resolve") {
        text("NAME", registry->name, "An alias or a version")->required();
        text("--id", registry->id, "Whose version of a split alias")->type_name("ID");
    } else if (name != "list") {
        text("ALIAS", registry->name, "A name such as production")->required();
    }
    if (name == "promote")
        command->add_option("VERSION", registry->versions, "One, or several as VERSION=SHARE")->type_name("")->required();
    return command;
}

} // namespace

void add_registry(CLI::App &app, Program &program) {
    auto *parent = Program::add_group(app, "registry", "Versions of adapters and the aliases for them");
    add(*parent, program, "list", "List versions and aliases",
        [](const Registry &r, const Program &p) { return print(p, r.open().list(), show_list); });
    add(*parent, program, "publish", "Add an adapter as a version", publish);
    add(*parent, program, "promote", "Let an alias stand for a version, or split it", promote);
    add(*parent, program, "rollback", "Give an alias back what it stood for before",
        [](const Registry &r, const Program &p) { return print(p, r.open().rollback(r.name), show_change); });
    add(*parent, program, "history", "The changes of an alias",
        [](const Registry &r, const Program &p) { return print(p, r.open().history(r.name), show_changes); });
    add(*parent, program, "resolve", "Which version an alias stands for",
        [](const Registry &r, const Program &p) { return print(p, r.open().resolve(r.name, r.employee()), show_version); });
    add(*parent, program, "contains", "Whether a person's rows are in a version", contains);
    add(*parent, program, "audited", "The reports about a person",
        [](const Registry &r, const Program &p) { return print(p, r.open().audited(r.id), show_audit); });
}
