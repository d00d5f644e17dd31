// tailora: what the library does, as a command for people who do not program. One file per command; this one only picks.
//
// Results go to standard output, all else to standard error. README.md says how to build it and what the exit statuses mean.

#include <algorithm>
#include <iostream>

#include "exit_status.hpp"
#include "interrupt.hpp"
#include "program.hpp"
#include "tailora.hpp"
#include "terminal.hpp"

/// Says what went wrong, to a person, and with --json to a program.
static int fail(const Program &program, int status, const std::string &message, Json error) {
    std::cerr << "tailora: " << message << "\n";
    if (program.json) {
        error["message"] = message;
        std::cout << Json{{"error", error}}.dump() << "\n";
    }
    return interrupt::signal() != 0 ? interrupted(interrupt::signal()) : status;
}

static int run(CLI::App &app, Program &program, std::vector<std::string> arguments) {
    try {
        std::reverse(arguments.begin(), arguments.end()); // CLI11 takes them from the back
        app.parse(std::move(arguments));
        Program::expect_command(app);
        return program.status;
    } catch (const CLI::ParseError &err) {
        if (err.get_exit_code() == 0) return app.exit(err); // --help and --version
        return fail(program, bad_usage, std::string(err.what()) + "; --help says what there is", {});
    } catch (const refusal &err) {
        return fail(program, err.status, err.what(), {});
    } catch (const tailora::error &err) {
        return fail(program, exit_status(err.code()), err.what(), {{"code", err.name()}, {"details", Json::parse(err.details())}});
    } catch (const std::exception &err) {
        return fail(program, failed, err.what(), {});
    }
}

int main(int argc, char **argv) {
    interrupt::watch();
    terminal::speak_utf8();
    Program program;
    CLI::App app("Trains a LoRA adapter on your rows and writes reports with it, on this machine.", "tailora");
    app.set_version_flag("--version", tailora::version());
    app.require_subcommand(0, 1);
    app.allow_windows_style_options(false); // "/" begins paths
    app.get_formatter()->column_width(27);
    for (const auto add : {add_doctor, add_train, add_evaluate, add_report, add_batch, add_merge, add_docx, add_review,
                           add_recalibrate, add_registry, add_options})
        add(app, program);
    // After the commands, which would take it over.
    app.footer("`tailora COMMAND --help` says what each one takes.\n"
               "Exit status: 0 done, 1 failed, 2 wrong arguments or options, 3 a wrong file,\n"
               "4 rows of a batch without a report, 130 stopped by Ctrl-C.");
    const int status = run(app, program, terminal::arguments(argc, argv));
    std::cout.flush();
    return std::cout ? status : failed;
}
