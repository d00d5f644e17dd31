/* Every function × {NULL, freed, wrong type, random, odd, all-ones} gives a code and never a crash. */
#include "functions.h"

static const test_handles none;

static void *token(uint64_t bits) { return (void *)(uintptr_t)bits; }

/* A handle that is bad for `function` gives TAILORA_ERR_INVALID_HANDLE, with an error that says so where one is asked for. */
static void bad(const test_function *function, void *handle, const char *kind) {
    tailora_error *err = GARBAGE;
    tailora_status status = function->call(handle, &none, &err);
    check_count++;
    if (status != TAILORA_ERR_INVALID_HANDLE) {
        check_failures++;
        fprintf(stderr, "%s with a handle that is %s: %s\n", function->name, kind, tailora_status_name(status));
    }
    if (err != GARBAGE && err != NULL) {
        CHECK(tailora_error_code(err) == TAILORA_ERR_INVALID_HANDLE);
        CHECK(strlen(tailora_error_message(err)) > 10);
        CHECK(tailora_error_details(err)[0] == '{');
        CHECK_STATUS(tailora_error_free(err), TAILORA_OK);
    }
    /* The same without asking for the error. */
    CHECK_STATUS(function->call(handle, &none, NULL), TAILORA_ERR_INVALID_HANDLE);
}

/* xorshift64*, so that a failure can be repeated. */
static uint64_t random_bits(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717u;
}

int main(void) {
    tailora_cancel *cancel = NULL, *freed_cancel = NULL;
    tailora_error *error = NULL;
    uint64_t seed = 20261123;
    size_t at;

    MUST(tailora_cancel_new(&cancel, &err));
    MUST(tailora_cancel_new(&freed_cancel, &err));
    CHECK_STATUS(tailora_cancel_free(freed_cancel), TAILORA_OK);
    CHECK_STATUS(tailora_model_info(NULL, NULL, &error), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK(error != NULL);

    for (at = 0; at < TEST_FUNCTIONS; at++) {
        const test_function *function = &test_functions[at];
        int of_errors = strstr(function->name, "tailora_error_") != NULL;
        int round;
        if (!function->takes_handle || function->needs_valid_others) continue;
        if (!function->null_is_ok) {
            bad(function, NULL, "NULL");
        } else if (strstr(function->name, "_free") != NULL) {
            CHECK_STATUS(function->call(NULL, &none, NULL), TAILORA_OK);
        }
        bad(function, freed_cancel, "freed, or of another type");
        /* Of another type for all: a live cancel for the functions of errors, a live error for the others. */
        bad(function, of_errors ? (void *)cancel : (void *)error, "of another type");
        bad(function, token(1), "odd");
        bad(function, token(0x00007fff12345671u), "an odd address");
        bad(function, token(0x00007fff12345670u), "an even address");
        bad(function, token(UINT64_MAX), "all ones");
        bad(function, token((uint64_t)(uintptr_t)cancel ^ 1), "a live one's neighbour");
        bad(function, token((uint64_t)(uintptr_t)cancel ^ (1u << 24)), "another generation");
        for (round = 0; round < 50; round++) bad(function, token(random_bits(&seed)), "random");
    }

    /* A handle freed once is freed. */
    CHECK_STATUS(tailora_error_free(error), TAILORA_OK);
    CHECK_STATUS(tailora_error_free(error), TAILORA_ERR_INVALID_HANDLE);
    CHECK(strcmp(tailora_error_message(error), "not the handle of an error") == 0);
    CHECK(strcmp(tailora_error_details(error), "{}") == 0);
    CHECK_STATUS(tailora_cancel_request(cancel), TAILORA_OK);
    CHECK_STATUS(tailora_cancel_free(cancel), TAILORA_OK);
    CHECK_STATUS(tailora_cancel_free(cancel), TAILORA_ERR_INVALID_HANDLE);
    CHECK(tailora_live_handles() == 0);
    return check_result("handles");
}
