// `tailora report`: a report on one case.

#include <iostream>
#include <memory>

#include "arguments.hpp"
#include "exit_status.hpp"
#include "files.hpp"
#include "interrupt.hpp"
#include "text.hpp"

namespace {

struct Report {
    std::string input;
    std::string file;
    ModelArguments model;
    AdapterArguments adapters;
    OptionSet options{"report"};
    std::string id;
    std::string docx;
};

/// A line in the registry's audit for each adapter that took part.
void audit(const AdapterArguments &adapters, const std::string &id, const Json &report) {
    const auto registry = tailora::Registry::open(adapters.registry());
    const auto seed = report.at("generation").at("seed").get<std::uint64_t>();
    for (const auto &name : adapters.names()) {
        const auto version = Json::parse(registry.resolve(name, id)).at("version").get<std::string>();
        registry.audit(id, version, name == version ? std::nullopt : std::optional(name), seed);
    }
}

int run(const Report &report, const Program &program) {
    if (report.input.empty() == report.file.empty()) throw refusal(bad_usage, "expected the case, either as CASE or as --file");
    if (!report.docx.empty() && report.id.empty()) throw refusal(bad_usage, "--docx: expected --id, whose report it is");
    const std::string options = report.options.text();
    const std::string input = report.file.empty() ? report.input : files::read(report.file);
    const auto model = report.model.load(program);
    const auto adapters = report.adapters.load(model, report.id.empty() ? std::nullopt : std::optional(report.id));
    auto session = model.session();
    for (const auto &[adapter, scale] : report.adapters.stack(adapters)) session.attach(*adapter, scale);
    const std::string text = session.report(input, options, interrupt::cancel());
    const Json written = Json::parse(text);
    if (!report.adapters.registry().empty() && !report.id.empty()) audit(report.adapters, report.id, written);
    if (!report.docx.empty()) tailora::export_docx(Json{{"id", report.id}, {"input", input}, {"report", written}}.dump(), report.docx);
    if (program.json) {
        std::cout << text << "\n";
    } else {
        text::report(written);
    }
    return done;
}

} // namespace

void add_report(CLI::App &app, Program &program) {
    const auto report = std::make_shared<Report>();
    auto *command = program.add(app, "report", "Write a report on one case", [report, &program] { return run(*report, program); });
    command->add_option("CASE", report->input, "The case: name:value,name:value or JSON")->type_name("");
    command->add_option("-f,--file", report->file, "The case is in a file; - is standard input")->type_name("FILE");
    report->model.add(*command);
    report->adapters.add(*command);
    report->options.add_file(*command, "-c,--config", "Options of the report");
    report->options.add_single(*command);
    command->add_option("--id", report->id, "Whose report; with --registry it is audited")->type_name("ID");
    command->add_option("--docx", report->docx, "Also as a Word file for review")->type_name("FILE");
}
