// `tailora docx`: the reports of a batch as Word files for their reviewers.

#include <iostream>
#include <memory>

#include "cases.hpp"
#include "exit_status.hpp"
#include "files.hpp"
#include "tailora.hpp"
#include "text.hpp"

namespace {

/// As many as one call of the library takes.
constexpr std::size_t cases_per_call = 2000;

struct Docx {
    std::string job;
    std::string out;
    OptionSet options{"docx"};
};

bool is_document(const std::string &path) { return path.size() > 5 && path.compare(path.size() - 5, 5, ".docx") == 0; }

/// One file for each person; their paths.
Json write_each(const Json &cases, const std::string &folder, const std::string &options) {
    files::make_folder(folder);
    Json paths = Json::array();
    for (std::size_t begin = 0; begin < cases.size(); begin += cases_per_call) {
        const auto from = cases.begin() + static_cast<std::ptrdiff_t>(begin);
        const auto count = std::min(cases_per_call, cases.size() - begin);
        const Json part(Json::array_t(from, from + static_cast<std::ptrdiff_t>(count)));
        for (auto &path : Json::parse(tailora::export_docx_files(part.dump(), folder, options))) paths.push_back(std::move(path));
    }
    return paths;
}

int run(const Docx &docx, const Program &program) {
    const std::string options = docx.options.text();
    std::size_t failed = 0;
    const Json cases = cases::with_reports(docx.job, failed);
    Json paths = Json::array();
    if (is_document(docx.out)) {
        tailora::export_docx(cases.dump(), docx.out, options);
        paths.push_back(docx.out);
    } else {
        paths = write_each(cases, docx.out, options);
    }
    if (program.json) {
        std::cout << paths.dump() << "\n";
    } else {
        for (const auto &path : paths) std::cout << path.get<std::string>() << "\n";
    }
    if (failed > 0) std::cerr << "tailora: " << failed << " rows have no report; reports.jsonl says why\n";
    return failed == 0 ? done : incomplete;
}

} // namespace

void add_docx(CLI::App &app, Program &program) {
    const auto docx = std::make_shared<Docx>();
    auto *command = program.add(app, "docx", "Write a batch's reports as Word files", [docx, &program] { return run(*docx, program); });
    command->add_option("JOB", docx->job, "Folder of a finished batch")->type_name("")->required();
    command->add_option("-o,--out", docx->out, "Folder for a file each, or one .docx for all")->type_name("PATH")->required();
    docx->options.add_file(*command, "-c,--config", "Options of the Word files, template too");
    docx->options.add_single(*command);
    command->footer("Files of the same names are replaced.");
}
