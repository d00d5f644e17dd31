// What all commands share, and the list of them.
#pragma once

#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "json.hpp"

struct Program {
    /// Results as JSON, for other programs.
    bool json = false;
    /// No progress.
    bool quiet = false;
    /// What the program ends with.
    int status = 0;

    /// Adds a command with the flags that every one has. `run` gives the exit status.
    CLI::App *add(CLI::App &parent, const std::string &name, const std::string &what, std::function<int()> run) {
        CLI::App *command = parent.add_subcommand(name, what);
        command->add_flag("--json", json, "The result as JSON");
        command->add_flag("-q,--quiet", quiet, "No progress");
        command->callback([this, run = std::move(run)] { status = run(); });
        return command;
    }
};

void add_options(CLI::App &app, Program &program);
void add_doctor(CLI::App &app, Program &program);
void add_train(CLI::App &app, Program &program);
void add_evaluate(CLI::App &app, Program &program);
void add_report(CLI::App &app, Program &program);
void add_batch(CLI::App &app, Program &program);
void add_merge(CLI::App &app, Program &program);
void add_docx(CLI::App &app, Program &program);
void add_review(CLI::App &app, Program &program);
void add_recalibrate(CLI::App &app, Program &program);
void add_registry(CLI::App &app, Program &program);
