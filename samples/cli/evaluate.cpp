// `tailora evaluate`: how well a model, and adapters on it, predict the outputs of a CSV.

#include <iostream>
#include <memory>

#include "arguments.hpp"
#include "exit_status.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace {

struct Evaluate {
    RowsArguments rows;
    ModelArguments model;
    AdapterArguments adapters;
    std::string training;
    OptionSet options{"evaluate"};
};

void show(const Json &evaluation) {
    const auto loss = [](const Json &of) { return "loss " + text::number(of["loss"], 3) + ", perplexity " + text::number(of["perplexity"], 2); };
    text::field("Rows", evaluation["rows"].dump());
    text::field("Model alone", loss(evaluation["base"]));
    if (!evaluation["adapter"].is_null()) text::field("With adapter", loss(evaluation["adapter"]));
    const Json &memorisation = evaluation["memorisation"];
    if (memorisation.is_null()) return;
    text::field("Copied", memorisation["copied_outputs"].dump() + " of " + memorisation["outputs"].dump() + " answers; the longest run is " +
                              memorisation["longest_overlap_chars"].dump() + " characters");
    if (memorisation["note"].is_string()) text::field("Note", memorisation["note"].get<std::string>());
}

int run(const Evaluate &evaluate, const Program &program) {
    const std::string options = evaluate.options.text();
    const auto rows = evaluate.rows.open(program);
    std::optional<tailora::Dataset> training;
    if (!evaluate.training.empty()) training = evaluate.rows.open(program, evaluate.training);
    const auto model = evaluate.model.load(program);
    const auto adapters = evaluate.adapters.load(model);
    const std::string evaluation = [&] {
        ProgressLine line(program.quiet);
        return tailora::evaluate(model, evaluate.adapters.stack(adapters), rows, training ? &*training : nullptr, options,
                                 line.callback(), interrupt::cancel());
    }();
    if (program.json) {
        std::cout << evaluation << "\n";
    } else {
        show(Json::parse(evaluation));
    }
    return done;
}

} // namespace

void add_evaluate(CLI::App &app, Program &program) {
    const auto evaluate = std::make_shared<Evaluate>();
    auto *command = program.add(app, "evaluate", "Measure a model and adapters on a CSV",
                                [evaluate, &program] { return run(*evaluate, program); });
    evaluate->rows.add(*command);
    evaluate->model.add(*command);
    evaluate->adapters.add(*command);
    command->add_option("--training", evaluate->training, "CSV of the training: what is copied from it?")->type_name("FILE");
    evaluate->options.add_file(*command, "-c,--config", "Options of the evaluation");
    evaluate->options.add_single(*command);
}
