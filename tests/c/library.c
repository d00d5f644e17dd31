/* The library itself: versions, names, schemas, strings, texts that are not, the log sink and its struct_size. */
#include "check.h"

#ifdef TEST_PANIC_INJECTION
void tailora_test_panic_next(int32_t calls);
#endif

static int records;
static int internal_errors;

static void count_record(const tailora_log_event *event, void *user) {
    CHECK(event->struct_size >= sizeof(tailora_log_event));
    CHECK(event->level >= TAILORA_LOG_ERROR && event->level <= TAILORA_LOG_TRACE);
    CHECK(event->target != NULL && event->message != NULL);
    CHECK(user == &records || user == NULL);
    records++;
    if (strstr(event->message, "internal error") != NULL) internal_errors++;
    /* From within a sink another one cannot be set. */
    CHECK_STATUS(tailora_set_log_sink(NULL, NULL), TAILORA_ERR_BUSY);
}

static void versions(void) {
    CHECK(tailora_abi_version() >> 16 == TAILORA_ABI_MAJOR);
    CHECK((int32_t)(tailora_abi_version() & 0xffff) >= TAILORA_ABI_MINOR);
    CHECK(strchr(tailora_version(), '.') != NULL);
    CHECK(strcmp(tailora_status_name(TAILORA_OK), "TAILORA_OK") == 0);
    CHECK(strcmp(tailora_status_name(TAILORA_ERR_CSV_FORMAT), "TAILORA_ERR_CSV_FORMAT") == 0);
    CHECK(strcmp(tailora_status_name(-12345), "TAILORA_UNKNOWN") == 0);
}

static void strings(void) {
    char *info = NULL;
    char on_the_stack[] = "mine";
    MUST(tailora_build_info(&info, &err));
    CHECK(info != NULL && info[0] == '{');
    CHECK(strstr(info, "\"devices\":[\"cpu\"") != NULL);
    CHECK(strstr(info, "\"threads\":") != NULL);
    CHECK(tailora_live_handles() == 1);
    CHECK_STATUS(tailora_string_free(info), TAILORA_OK);
    CHECK_STATUS(tailora_string_free(info), TAILORA_ERR_INVALID_HANDLE);
    CHECK_STATUS(tailora_string_free(on_the_stack), TAILORA_ERR_INVALID_HANDLE);
    CHECK_STATUS(tailora_string_free(NULL), TAILORA_OK);
}

static void schemas(void) {
    static const char *const names[] = {"model", "adapter", "dataset", "train", "session", "generate", "report"};
    tailora_error *err = NULL;
    char *schema = NULL;
    size_t at;
    for (at = 0; at < sizeof(names) / sizeof(names[0]); at++) {
        CHECK_STATUS(tailora_options_schema(names[at], &schema, NULL), TAILORA_OK);
        CHECK(schema != NULL && strstr(schema, "\"properties\"") != NULL);
        CHECK_STATUS(tailora_string_free(schema), TAILORA_OK);
    }
    CHECK_STATUS(tailora_options_schema("trian", &schema, &err), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK(schema == NULL);
    CHECK(strstr(tailora_error_message(err), "trian") != NULL);
    CHECK(strstr(tailora_error_details(err), "\"train\"") != NULL);
    CHECK_STATUS(tailora_error_free(err), TAILORA_OK);
    CHECK_STATUS(tailora_options_schema(NULL, &schema, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_options_schema("train", NULL, NULL), TAILORA_ERR_INVALID_ARGUMENT);
}

static void texts(void) {
    tailora_model *model = NULL;
    tailora_error *err = NULL;
    /* Not UTF-8. */
    CHECK_STATUS(tailora_model_load("m\xff", NULL, NULL, NULL, NULL, &model, &err), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK(strstr(tailora_error_details(err), "\"argument\":\"path\"") != NULL);
    CHECK_STATUS(tailora_error_free(err), TAILORA_OK);
    CHECK_STATUS(tailora_model_load("", NULL, NULL, NULL, NULL, &model, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_model_load(NULL, NULL, NULL, NULL, NULL, &model, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_model_load("m", NULL, NULL, NULL, NULL, NULL, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_model_load("m", "{", NULL, NULL, NULL, &model, NULL), TAILORA_ERR_INVALID_OPTIONS);
    CHECK_STATUS(tailora_model_load("m", "{\"devise\":\"cpu\"}", NULL, NULL, NULL, &model, &err), TAILORA_ERR_INVALID_OPTIONS);
    CHECK(strstr(tailora_error_message(err), "did you mean `device`?") != NULL);
    CHECK(strstr(tailora_error_details(err), "\"nearest\":\"device\"") != NULL);
    CHECK_STATUS(tailora_error_free(err), TAILORA_OK);
    CHECK_STATUS(tailora_model_load("\xe6\xa8\xa1\xe5\x9e\x8b", NULL, NULL, NULL, NULL, &model, &err), TAILORA_ERR_IO);
    CHECK(strstr(tailora_error_message(err), "\xe6\xa8\xa1\xe5\x9e\x8b") != NULL);
    CHECK_STATUS(tailora_error_free(err), TAILORA_OK);
}

static void log_sinks(void) {
    struct {
        tailora_log_sink known;
        uint64_t later;
    } longer;
    tailora_log_sink sink;
    memset(&longer, 0, sizeof longer);
    memset(&sink, 0, sizeof sink);
    sink.log = count_record;
    sink.user = &records;
    sink.max_level = TAILORA_LOG_TRACE;

    sink.struct_size = 0; /* forgotten */
    CHECK_STATUS(tailora_set_log_sink(&sink, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    sink.struct_size = 3;
    CHECK_STATUS(tailora_set_log_sink(&sink, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    sink.struct_size = UINT32_MAX;
    CHECK_STATUS(tailora_set_log_sink(&sink, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    sink.struct_size = offsetof(tailora_log_sink, log); /* no callback */
    CHECK_STATUS(tailora_set_log_sink(&sink, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    sink.struct_size = sizeof sink;
    sink.max_level = 6;
    CHECK_STATUS(tailora_set_log_sink(&sink, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    sink.max_level = TAILORA_LOG_TRACE;
    CHECK_STATUS(tailora_set_log_sink(&sink, NULL), TAILORA_OK);

    /* Shorter: what is missing is zero, here `user`. */
    sink.struct_size = offsetof(tailora_log_sink, user);
    CHECK_STATUS(tailora_set_log_sink(&sink, NULL), TAILORA_OK);

    /* Longer: good as long as what the library does not know is zero. */
    longer.known = sink;
    longer.known.struct_size = sizeof longer;
    CHECK_STATUS(tailora_set_log_sink(&longer.known, NULL), TAILORA_OK);
    longer.later = 1;
    CHECK_STATUS(tailora_set_log_sink(&longer.known, NULL), TAILORA_ERR_INVALID_ARGUMENT);

#ifdef TEST_PANIC_INJECTION
    {
        tailora_test_panic_next(1);
        CHECK_STATUS(tailora_cancel_free(NULL), TAILORA_ERR_INTERNAL);
        CHECK(records == 1 && internal_errors == 1);
    }
#endif
    CHECK_STATUS(tailora_set_log_sink(NULL, NULL), TAILORA_OK);
#ifdef TEST_PANIC_INJECTION
    tailora_test_panic_next(1);
    CHECK_STATUS(tailora_cancel_free(NULL), TAILORA_ERR_INTERNAL);
    CHECK(records == 1);
#endif
}

int main(void) {
    versions();
    strings();
    schemas();
    texts();
    log_sinks();
    CHECK(tailora_live_handles() == 0);
    return check_result("library");
}
