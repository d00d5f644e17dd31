// `tailora merge`: the parts of a batch that several machines wrote, as one file.

#include <iostream>
#include <memory>

#include "text.hpp"
#include "program.hpp"
#include "tailora.hpp"

namespace {

struct Merge {
    std::vector<std::string> jobs;
    std::string output;
};

int run(const Merge &merge, const Program &program) {
    const std::string summary = tailora::merge_shards(merge.jobs, merge.output);
    if (program.json) {
        std::cout << summary << "\n";
        return 0;
    }
    const Json merged = Json::parse(summary);
    text::field("Merged", merged["reports"].dump() + " reports on " + merged["rows"].dump() + " rows, in " + merge.output);
    return 0;
}

} // namespace

void add_merge(CLI::App &app, Program &program) {
    const auto merge = std::make_shared<Merge>();
    auto *command = program.add(app, "merge", "Put the shards of a batch into one file", [merge, &program] { return run(*merge, program); });
    command->add_option("JOB", merge->jobs, "The folders, one for each shard")->type_name("")->required();
    command->add_option("-o,--out", merge->output, "The file of all reports, a new one")->type_name("FILE")->required();
}
