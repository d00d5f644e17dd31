// What the program ends with. README.md beside this file has the same table.
#pragma once

#include <stdexcept>
#include <string>

#include "tailora.h"

enum ExitStatus : int {
    done = 0,
    failed = 1,     // the work could not be done, or not to its end
    bad_usage = 2,  // arguments or options
    bad_input = 3,  // a file: missing, unreadable, or what it holds is wrong
    incomplete = 4, // done, but for rows of a batch that have an error in place of a report
};

/// Ctrl-C and a request to terminate end with 128 + the signal's number: 130 and 143.
inline int interrupted(int signal) { return 128 + signal; }

/// Something that this program itself refuses.
struct refusal : std::runtime_error {
    refusal(int status, const std::string &message) : std::runtime_error(message), status(status) {}
    int status;
};

/// What an error of the library ends with.
inline int exit_status(tailora_status code) {
    switch (code) {
    case TAILORA_ERR_INVALID_ARGUMENT:
    case TAILORA_ERR_INVALID_OPTIONS:
    case TAILORA_ERR_SCHEMA:
        return bad_usage;
    case TAILORA_ERR_IO:
    case TAILORA_ERR_MODEL_FORMAT:
    case TAILORA_ERR_ADAPTER_FORMAT:
    case TAILORA_ERR_ADAPTER_MISMATCH:
    case TAILORA_ERR_CSV_FORMAT:
    case TAILORA_ERR_DOCX_FORMAT:
    case TAILORA_ERR_TOKENIZER:
        return bad_input;
    default:
        return failed;
    }
}
