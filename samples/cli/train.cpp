// `tailora train`: a LoRA adapter out of a CSV.

#include <iostream>
#include <memory>

#include "arguments.hpp"
#include "exit_status.hpp"
#include "files.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace {

struct Train {
    RowsArguments rows;
    ModelArguments model;
    OptionSet options{"train"};
    std::string output_dir;
    std::string save;
    bool overwrite = false;
    bool resume = false;
};

void show_confidences(const Json &calibration) {
    if (calibration.is_null()) return;
    text::field("Confidence", calibration["kind"].get<std::string>() + ": " + calibration["right"].dump() + " of " +
                                  calibration["conclusions"].dump() + " conclusions on rows held out were right");
}

void show(const Json &summary, const std::string &saved) {
    text::field("Training", summary["stop_reason"].get<std::string>() + " after " + summary["steps"].dump() + " steps on " +
                                summary["train_rows"].dump() + " rows, " + clock_time(summary["seconds"].get<double>()));
    text::field("Loss", text::number(summary["base_validation_loss"], 3) + " before, " + text::number(summary["validation_loss"], 3) +
                            " at the best step, " + summary["best_step"].dump() + " (rows held out)");
    show_confidences(summary["calibration"]);
    text::notes(summary["notes"]);
    text::field("Version", summary["name"].get<std::string>() + "-" + summary["version"].get<std::string>());
    if (summary["adapter_path"].is_string()) text::field("Adapter", summary["adapter_path"].get<std::string>());
    if (!saved.empty()) text::field("Saved as", saved);
}

int run(Train &train, const Program &program) {
    if (!train.output_dir.empty()) train.options.put("output_dir", train.output_dir);
    if (train.resume) train.options.put("resume_from_checkpoint", true);
    const std::string options = train.options.text();
    const bool has_run_folder = !train.options.value("output_dir").is_null();
    if (train.save.empty() && !has_run_folder)
        throw refusal(bad_usage, "nothing says where the adapter is to be kept; expected --out, --save, or output_dir among the options");
    if (!train.save.empty() && !train.overwrite && files::is_there(train.save))
        throw refusal(bad_input, train.save + ": is there already; --overwrite replaces an adapter");
    const auto rows = train.rows.open(program);
    const auto model = train.model.load(program);
    const auto trained = [&] {
        ProgressLine line(program.quiet);
        return tailora::train(model, rows, options, line.callback(), interrupt::cancel());
    }();
    // One that ended early is in the run's folder, and the same command may go on from there: it finds no adapter in its way.
    const bool saves = !train.save.empty() && !(trained.stopped && has_run_folder);
    if (saves) trained.adapter.save(train.save, train.overwrite ? R"({"overwrite": true})" : "");
    const Json summary = Json::parse(trained.summary);
    if (program.json) {
        std::cout << trained.summary << "\n";
    } else {
        show(summary, saves ? train.save : "");
    }
    if (!trained.stopped) return done;
    if (summary["stop_reason"] == "failed") {
        std::cerr << "tailora: the training failed, the adapter is the best until then: " << summary["error"]["message"].get<std::string>() << "\n";
        return failed;
    }
    return interrupted(interrupt::signal());
}

} // namespace

void add_train(CLI::App &app, Program &program) {
    const auto train = std::make_shared<Train>();
    auto *command = program.add(app, "train", "Train an adapter on the rows of a CSV", [train, &program] { return run(*train, program); });
    train->rows.add(*command);
    train->model.add(*command);
    train->options.add_file(*command, "-c,--config", "Options of the training (YAML or JSON)");
    train->options.add_single(*command);
    command->add_option("-o,--out", train->output_dir, "Run folder, over the option output_dir")->type_name("DIR");
    command->add_flag("--resume", train->resume, "Go on from the run folder's checkpoint");
    command->add_option("--save", train->save, "Also save the adapter as this folder")->type_name("DIR");
    command->add_flag("--overwrite", train->overwrite, "--save may replace an adapter");
    command->footer("`tailora options train` lists the options.");
}
