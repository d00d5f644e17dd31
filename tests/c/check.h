/* The C tests' own checks: a failed one is printed with its place and counted; a program ends with `check_result`. */
#ifndef TAILORA_CHECK_H
#define TAILORA_CHECK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tailora.h"

static int check_failures;
static int check_count;

#define CHECK(condition)                                                              \
    do {                                                                              \
        check_count++;                                                                \
        if (!(condition)) {                                                           \
            check_failures++;                                                         \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);   \
        }                                                                             \
    } while (0)

/* Compares statuses by name, so that a failure can be read. */
#define CHECK_STATUS(call, expected)                                                                    \
    do {                                                                                                \
        tailora_status check_found = (call);                                                            \
        check_count++;                                                                                  \
        if (check_found != (expected)) {                                                                \
            check_failures++;                                                                           \
            fprintf(stderr, "%s:%d: %s is %s (%d); expected %s\n", __FILE__, __LINE__, #call,           \
                    tailora_status_name(check_found), (int)check_found, tailora_status_name(expected)); \
        }                                                                                               \
    } while (0)

/* For calls that must work: prints the error's message if they do not, and ends the program. */
#define MUST(call)                                                                                           \
    do {                                                                                                     \
        tailora_error *err = NULL;                                                                           \
        tailora_status check_found = (call);                                                                 \
        if (check_found < 0) {                                                                               \
            fprintf(stderr, "%s:%d: %s: %s %s\n", __FILE__, __LINE__, tailora_status_name(check_found),      \
                    tailora_error_message(err), tailora_error_details(err));                                 \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

static int check_result(const char *name) {
    printf("%s: %d checks, %d failed\n", name, check_count, check_failures);
    return check_failures == 0 ? 0 : 1;
}

#endif
