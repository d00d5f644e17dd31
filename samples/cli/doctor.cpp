// `tailora doctor`: what there is to know before a training: of this machine, a model, a CSV, and what training on it would take.

#include <iostream>
#include <memory>

#include "arguments.hpp"
#include "exit_status.hpp"
#include "interrupt.hpp"
#include "progress.hpp"
#include "text.hpp"

namespace {

struct Doctor {
    RowsArguments rows;
    ModelArguments model;
    OptionSet options{"train"};
    std::uint64_t row = 0;
};

std::string listed(const Json &words) {
    std::string out;
    for (const auto &word : words) out += (out.empty() ? "" : " ") + word.get<std::string>();
    return out;
}

void show_machine(const Json &build) {
    text::field("Tailora", build["version"].get<std::string>() + ", " + build["target"].get<std::string>());
    text::field("Devices", listed(build["devices"]));
    if (build["cuda_problem"].is_string()) text::field("No GPU", build["cuda_problem"].get<std::string>());
    text::field("Processor", build["threads"].dump() + " threads, " + listed(build["cpu"]));
}

void show_model(const Json &model) {
    text::field("Model", model["name"].get<std::string>() + ", " + model["model_type"].get<std::string>() + ", " +
                             text::bytes(model["bytes"]) + ", context " + model["max_position_embeddings"].dump());
    text::notes(model["notes"]);
}

void show_rows(const Json &rows) {
    text::field("Rows", rows["rows"].dump() + " in " + rows["path"].get<std::string>() + ", " + rows["encoding"].get<std::string>());
    for (const auto &finding : rows["findings"]) {
        text::field(finding["severity"].get<std::string>(), "line " + finding["line"].dump() + ", " + finding["column"].get<std::string>() + ": " +
                                                               finding["message"].get<std::string>());
        text::field("", "-> " + finding["remedy"].get<std::string>());
    }
    if (rows["findings"].empty()) text::field("Findings", "none");
}

void show_estimate(const Json &estimate) {
    text::field("Training", "about " + clock_time(estimate["time"]["seconds"].get<double>()) + ", " + estimate["steps"].dump() + " steps, " +
                                text::bytes(estimate["memory"]["peak_bytes"]) + " of memory" +
                                (estimate["memory"]["fits"] == false ? ", more than there is" : ""));
}

bool has_errors(const Json &rows) {
    for (const auto &finding : rows["findings"])
        if (finding["severity"] == "error") return true;
    return false;
}

int run(const Doctor &doctor, const Program &program) {
    const std::string options = doctor.options.text();
    Json result{{"library", Json::parse(tailora::build_info())}};
    std::optional<tailora::Dataset> rows;
    std::optional<tailora::Model> model;
    if (doctor.rows.given()) {
        rows = doctor.rows.open(program);
        result["rows"] = Json::parse(rows->info());
    }
    if (doctor.model.given()) {
        model = doctor.model.load(program);
        result["model"] = Json::parse(model->info());
    }
    if (rows && model) {
        if (doctor.row > 0) result["preview"] = Json::parse(rows->preview(*model, doctor.row));
        result["estimate"] = Json::parse(model->estimate(&*rows, options, interrupt::cancel()));
    } else if (doctor.row > 0) {
        throw refusal(bad_usage, "--row: a row is shown as a model sees it; expected ROWS and --model");
    }
    if (program.json) {
        std::cout << result.dump() << "\n";
    } else {
        show_machine(result["library"]);
        if (model) show_model(result["model"]);
        if (rows) show_rows(result["rows"]);
        if (result.contains("estimate")) show_estimate(result["estimate"]);
        if (result.contains("preview")) std::cout << "\n" << result["preview"]["text"].get<std::string>() << "\n";
    }
    return rows && has_errors(result["rows"]) ? bad_input : done;
}

} // namespace

void add_doctor(CLI::App &app, Program &program) {
    const auto doctor = std::make_shared<Doctor>();
    auto *command = program.add(app, "doctor", "Look at machine and rows, and what training takes",
                                [doctor, &program] { return run(*doctor, program); });
    doctor->rows.add(*command, false);
    doctor->model.add(*command, false);
    command->add_option("--row", doctor->row, "Show this row as the model will see it")->type_name("N");
    doctor->options.add_file(*command, "-c,--config", "Options of the training to estimate");
    doctor->options.add_single(*command);
    command->footer("Exit status 3 where a finding is an error: the model would learn it.");
}
