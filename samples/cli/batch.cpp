// `tailora batch`: a report on each case of a file, as one job that goes on where an earlier call ended.

#include <iostream>
#include <memory>
#include <sstream>

#include "arguments.hpp"
#include "cases.hpp"
#include "exit_status.hpp"
#include "files.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace {

struct Batch {
    std::string cases;
    std::string job;
    ModelArguments model;
    AdapterArguments adapters;
    OptionSet options{"batch"};
};

/// Says which rows have no report, and why.
void show_errors(const std::string &reports) {
    std::istringstream lines(files::read(reports));
    for (std::string line; std::getline(lines, line);) {
        const Json row = Json::parse(line);
        if (row.contains("error")) std::cerr << "tailora: line " << row.at("line") << ": " << row["error"]["message"].get<std::string>() << "\n";
    }
}

void show(const Json &summary) {
    text::field("Reports", summary["reports"].dump() + " on " + summary["rows"].dump() + " rows, in " + clock_time(summary["seconds"].get<double>()));
    if (summary["resumed"] != 0) text::field("Of before", summary["resumed"].dump() + " rows");
    if (summary["failed"] != 0) text::field("Without one", summary["failed"].dump() + " rows");
    text::field("File", summary["output"].get<std::string>());
}

int run(const Batch &batch, const Program &program) {
    const std::string options = batch.options.text();
    const auto cases = cases::read(batch.cases, batch.options);
    if (!cases) std::cerr << "tailora: note: " << batch.cases << " is not in UTF-8; `tailora docx` will want it saved as CSV UTF-8\n";
    const auto model = batch.model.load(program);
    const auto adapters = batch.adapters.load(model);
    const std::string summary = [&] {
        ProgressLine line(program.quiet);
        return tailora::batch(model, batch.adapters.stack(adapters), batch.cases, batch.job, options, line.callback(), interrupt::cancel());
    }();
    // The library has said that these are the job's cases.
    if (cases) cases::keep(batch.job, *cases);
    const Json result = Json::parse(summary);
    show_errors(result["output"].get<std::string>());
    if (program.json) {
        std::cout << summary << "\n";
    } else {
        show(result);
    }
    return result["failed"] == 0 ? done : incomplete;
}

} // namespace

void add_batch(CLI::App &app, Program &program) {
    const auto batch = std::make_shared<Batch>();
    auto *command = program.add(app, "batch", "Write a report on each case of a CSV or JSON Lines",
                                [batch, &program] { return run(*batch, program); });
    command->add_option("CASES", batch->cases, "CSV or JSON Lines with a case in each row")->type_name("")->required();
    command->add_option("-j,--job", batch->job, "Folder of the job, a new one")->type_name("DIR")->required();
    batch->model.add(*command);
    batch->adapters.add(*command);
    batch->options.add_file(*command, "-c,--config", "Options of the batch (YAML or JSON)");
    batch->options.add_single(*command);
    command->footer("The same command goes on where an earlier one was stopped.\nExit status 4 where rows have no report.");
}
