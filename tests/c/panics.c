/* A forced panic in every entry point: TAILORA_ERR_INTERNAL, nothing given out, and the process lives.
 * Needs a library with the feature `panic-injection`. */
#include "functions.h"

void tailora_test_panic_next(int32_t calls);

int main(void) {
    static const test_handles none;
    tailora_cancel *cancel = NULL;
    char *info = NULL;
    size_t at;
    for (at = 0; at < TEST_FUNCTIONS; at++) {
        const test_function *function = &test_functions[at];
        tailora_error *err = GARBAGE;
        /* `tailora_error_code` answers what it answers to any failure. */
        tailora_status expected = function->call == call_tailora_error_code ? TAILORA_ERR_INVALID_HANDLE : TAILORA_ERR_INTERNAL;
        tailora_status status;
        tailora_test_panic_next(1);
        status = function->call(NULL, &none, &err);
        check_count++;
        if (status != expected) {
            check_failures++;
            fprintf(stderr, "%s with a forced panic: %s\n", function->name, tailora_status_name(status));
        }
        if (err != GARBAGE) {
            CHECK(err != NULL);
            CHECK(tailora_error_code(err) == TAILORA_ERR_INTERNAL);
            CHECK(strstr(tailora_error_message(err), "forced by a test") != NULL);
            CHECK(strstr(tailora_error_details(err), "injection.rs:") != NULL);
            CHECK_STATUS(tailora_error_free(err), TAILORA_OK);
        }
        /* And once more while the error is being made: the code alone. */
        err = GARBAGE;
        tailora_test_panic_next(2);
        CHECK_STATUS(function->call(NULL, &none, &err), expected);
        CHECK(err == NULL || err == GARBAGE);
        tailora_test_panic_next(0);
    }

    /* Functions whose answer is not a status give what the header says they give to a failure. */
    tailora_test_panic_next(1);
    CHECK(tailora_abi_version() == 0);
    tailora_test_panic_next(1);
    CHECK(strcmp(tailora_version(), "") != 0);
    tailora_test_panic_next(1);
    CHECK(strcmp(tailora_status_name(TAILORA_OK), "TAILORA_UNKNOWN") == 0);
    tailora_test_panic_next(1);
    CHECK(tailora_live_handles() == 0);
    tailora_test_panic_next(1);
    CHECK(tailora_error_message(NULL)[0] != 0);
    tailora_test_panic_next(1);
    CHECK(strcmp(tailora_error_details(NULL), "{}") == 0);

    /* One on a thread of the library's own comes back to the caller like one on the caller's. */
    {
        tailora_model *model = GARBAGE;
        tailora_error *err = NULL;
        tailora_test_panic_next(-2);
        CHECK_STATUS(tailora_build_info(&info, NULL), TAILORA_ERR_INTERNAL);
        CHECK_STATUS(tailora_model_load("m", NULL, NULL, NULL, NULL, &model, &err), TAILORA_ERR_INTERNAL);
        CHECK(info == NULL && model == NULL);
        CHECK(strstr(tailora_error_message(err), "forced by a test") != NULL);
        CHECK(strstr(tailora_error_details(err), "injection.rs:") != NULL);
        CHECK_STATUS(tailora_error_free(err), TAILORA_OK);
    }

    /* The library goes on working. */
    MUST(tailora_cancel_new(&cancel, &err));
    CHECK_STATUS(tailora_cancel_free(cancel), TAILORA_OK);
    MUST(tailora_build_info(&info, &err));
    CHECK(strstr(info, "panic-injection") != NULL);
    CHECK_STATUS(tailora_string_free(info), TAILORA_OK);
    CHECK(tailora_live_handles() == 0);
    return check_result("panics");
}
