// `tailora recalibrate`: confidences that say how often reviewers leave a conclusion as it was.

#include <iostream>
#include <memory>

#include "arguments.hpp"
#include "exit_status.hpp"
#include "files.hpp"
#include "text.hpp"

namespace {

struct Recalibrate {
    std::vector<std::string> paths;
    ModelArguments model;
    AdapterArguments adapters;
    std::string save;
};

void show(const Json &summary, const std::string &saved) {
    text::field("Reviewed", summary["cases"].dump() + " reports: " + summary["kept"].dump() + " of " + summary["conclusions"].dump() + " conclusions kept");
    if (summary["undecided"] != 0) text::field("Left out", summary["undecided"].dump() + " reports with open changes");
    if (summary["of_others"] != 0) text::field("Left out", summary["of_others"].dump() + " reports that this adapter did not write");
    text::field("Version", summary["version"].get<std::string>());
    text::field("Saved as", saved);
}

int run(const Recalibrate &recalibrate, const Program &program) {
    std::vector<std::string> documents;
    for (const auto &path : recalibrate.paths)
        for (auto &file : files::documents(path)) documents.push_back(std::move(file));
    const auto model = recalibrate.model.load(program);
    const auto adapters = recalibrate.adapters.load(model);
    if (adapters.size() != 1) throw refusal(bad_usage, "expected one --adapter, that which wrote the reports");
    const auto made = tailora::recalibrate(adapters.front(), documents);
    made.adapter.save(recalibrate.save);
    if (program.json) {
        std::cout << made.summary << "\n";
    } else {
        show(Json::parse(made.summary), recalibrate.save);
    }
    return done;
}

} // namespace

void add_recalibrate(CLI::App &app, Program &program) {
    const auto recalibrate = std::make_shared<Recalibrate>();
    auto *command = program.add(app, "recalibrate", "Give an adapter confidences by reviews",
                                [recalibrate, &program] { return run(*recalibrate, program); });
    command->add_option("PATH", recalibrate->paths, "Reviewed .docx files, or folders of them")->type_name("")->required();
    recalibrate->model.add(*command);
    recalibrate->adapters.add(*command);
    command->add_option("--save", recalibrate->save, "Save the new version as this folder")->type_name("DIR")->required();
}
