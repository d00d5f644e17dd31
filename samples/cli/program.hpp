// What all commands share, and the list of them.
#pragma once

#include <functional>
#include <iostream>
#include <string>

#include <CLI/CLI.hpp>

#include "exit_status.hpp"
#include "json.hpp"
#include "tailora.hpp"

struct Program {
    /// Results as JSON, for other programs.
    bool json = false;
    /// No progress.
    bool quiet = false;
    /// The library's log records, in place of progress.
    bool verbose = false;
    /// What the program ends with.
    int status = 0;

    /// Adds a command with the flags that every one has. `run` gives the exit status.
    CLI::App *add(CLI::App &parent, const std::string &name, const std::string &what, std::function<int()> run) {
        CLI::App *command = parent.add_subcommand(name, what);
        command->add_flag("--json", json, "The result as JSON");
        command->add_flag("-q,--quiet", quiet, "No progress");
        command->add_flag("-v,--verbose", verbose, "What the library does, not progress");
        command->callback([this, run = std::move(run)] { status = logged(run); });
        return command;
    }

    /// Commands under one name. CLI11's own demand for one would hide which word it did not know.
    static CLI::App *add_group(CLI::App &parent, const std::string &name, const std::string &what) {
        CLI::App *group = parent.add_subcommand(name, what);
        group->require_subcommand(0, 1);
        group->callback([group] { expect_command(*group); });
        return group;
    }

    static void expect_command(const CLI::App &group) {
        if (group.get_subcommands().empty()) throw refusal(bad_usage, "expected a command; --help lists them");
    }

private:
    int logged(const std::function<int()> &run) {
        if (!verbose) return run();
        quiet = true;
        const tailora::LogSink sink([](std::int32_t, std::string_view target, std::string_view message) {
            std::cerr << (std::string(target) + ": " + std::string(message) + "\n");
        });
        return run();
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
