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

/// A command on a registry's folder, and what else it takes.
struct Command {
    CLI::App *app;
    std::shared_ptr<Registry> registry;

    Command &text(const char *argument, std::string Registry::*into, const char *meaning) {
        app->add_option(argument, (*registry).*into, meaning)->type_name("")->required();
        return *this;
    }
    Command &flag(const char *argument, std::string Registry::*into, const char *type, const char *meaning) {
        app->add_option(argument, (*registry).*into, meaning)->type_name(type);
        return *this;
    }
};

template <typename Run> Command add(CLI::App &parent, Program &program, const char *name, const char *what, Run run) {
    const auto registry = std::make_shared<Registry>();
    auto *app = program.add(parent, name, what, [registry, &program, run] { return run(*registry, program); });
    Command command{app, registry};
    command.text("REGISTRY", &Registry::folder, "Folder of the registry");
    return command;
}

void add_publish(CLI::App &parent, Program &program) {
    auto command = add(parent, program, "publish", "Add an adapter as a version", publish);
    command.text("ADAPTER", &Registry::adapter, "The adapter's folder");
    command.registry->model.add(*command.app);
    command.registry->options.add_file(*command.app, "-c,--config", "Options: name, extra");
    command.registry->options.add_single(*command.app);
    command.flag("--promote", &Registry::promote, "ALIAS", "Let this alias stand for it");
}

void add_promote(CLI::App &parent, Program &program) {
    auto command = add(parent, program, "promote", "Let an alias stand for a version, or split it", promote);
    command.text("ALIAS", &Registry::name, "A name such as production");
    command.app->add_option("VERSION", command.registry->versions, "One, or several as VERSION=SHARE")->type_name("")->required();
}

} // namespace

void add_registry(CLI::App &app, Program &program) {
    auto &parent = *Program::add_group(app, "registry", "Versions of adapters and the aliases for them");
    const auto list = [](const Registry &r, const Program &p) { return print(p, r.open().list(), show_list); };
    const auto rollback = [](const Registry &r, const Program &p) { return print(p, r.open().rollback(r.name), show_change); };
    const auto history = [](const Registry &r, const Program &p) { return print(p, r.open().history(r.name), show_changes); };
    const auto resolve = [](const Registry &r, const Program &p) { return print(p, r.open().resolve(r.name, r.employee()), show_version); };
    const auto audited = [](const Registry &r, const Program &p) { return print(p, r.open().audited(r.id), show_audit); };
    add(parent, program, "list", "List versions and aliases", list);
    add_publish(parent, program);
    add_promote(parent, program);
    add(parent, program, "rollback", "Give an alias back what it stood for before", rollback).text("ALIAS", &Registry::name, "The alias");
    add(parent, program, "history", "The changes of an alias", history).text("ALIAS", &Registry::name, "The alias");
    add(parent, program, "resolve", "Which version an alias stands for", resolve)
        .text("NAME", &Registry::name, "An alias or a version")
        .flag("--id", &Registry::id, "ID", "Whose version of a split alias");
    add(parent, program, "contains", "Whether a person's rows are in a version", contains)
        .text("VERSION", &Registry::name, "Name of the version")
        .text("ID", &Registry::id, "Whose rows, as in the id_column");
    add(parent, program, "audited", "The reports about a person", audited).text("ID", &Registry::id, "Whose reports");
}
