/*
 * What a host's threads and processes may be: small stacks, forks, callbacks that call back in. Arguments are a model
 * directory and a CSV; with a third, `quick`, nothing is trained, and nothing forked: to valgrind, what the threads that a
 * child lacks held is lost.
 */
#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the header promises to suffice. */
#define STACK_BYTES (64 * 1024)

static const char *model_path, *csv_path;
static int quick;

static const char PROMPT[] = "\xe5\xb2\x97\xe4\xbd\x8d:P7,\xe7\xbb\xa9\xe6\x95\x88:A"; /* 岗位:P7,绩效:A */
#define PROMPT_LEN (sizeof PROMPT - 1)

static void drop(char *json) { CHECK_STATUS(tailora_string_free(json), TAILORA_OK); }

static pthread_t caller;

static int32_t on_progress(const tailora_progress *event, void *user) {
    char *info = NULL;
    tailora_error *err = NULL;
    CHECK(pthread_equal(pthread_self(), caller));
    CHECK(event->struct_size >= sizeof(tailora_progress));
    /* A callback may call the library. */
    CHECK_STATUS(tailora_build_info(&info, &err), TAILORA_OK);
    drop(info);
    CHECK_STATUS(tailora_cancel_request(NULL), TAILORA_ERR_INVALID_HANDLE);
    CHECK_STATUS(tailora_model_info(user, &info, &err), TAILORA_ERR_INVALID_HANDLE);
    CHECK(strlen(tailora_error_message(err)) > 10);
    CHECK_STATUS(tailora_error_free(err), TAILORA_OK);
    return 0;
}

/* A schema that nests as deeply as options may. */
static char *deep_options(void) {
    enum { LEVELS = 60 };
    static char text[LEVELS * 64 + 256];
    char *at = text;
    int level;
    at += sprintf(at, "{\"max_tokens\":400,\"json_schema\":");
    for (level = 0; level < LEVELS; level++) at += sprintf(at, "{\"type\":\"array\",\"minItems\":1,\"maxItems\":1,\"items\":");
    at += sprintf(at, "{\"const\":1}");
    for (level = 0; level < LEVELS; level++) at += sprintf(at, "}");
    sprintf(at, "}");
    return text;
}

static void *every_job(void *nothing) {
    tailora_model *model = NULL;
    tailora_dataset *dataset = NULL;
    tailora_adapter *adapter = NULL, *merged = NULL, *none = NULL;
    tailora_session *session = NULL;
    tailora_stream *stream = NULL;
    tailora_cancel *cancel = NULL;
    tailora_error *error = NULL;
    const tailora_adapter *stack[2];
    const char *chunk = NULL;
    char *json = NULL;
    uint64_t count = 0;
    (void)nothing;
    caller = pthread_self();

    MUST(tailora_build_info(&json, &err));
    drop(json);
    MUST(tailora_options_schema("train", &json, &err));
    drop(json);
    MUST(tailora_cancel_new(&cancel, &err));
    MUST(tailora_model_load(model_path, NULL, on_progress, NULL, cancel, &model, &err));
    MUST(tailora_model_info(model, &json, &err));
    drop(json);
    MUST(tailora_model_count_tokens(model, PROMPT, PROMPT_LEN, &count, &err));
    CHECK(count > 0);
    MUST(tailora_model_tokenize(model, PROMPT, PROMPT_LEN, NULL, &json, &err));
    drop(json);
    MUST(tailora_model_detokenize(model, NULL, 0, NULL, &json, &err));
    drop(json);
    MUST(tailora_dataset_open_csv(csv_path, "{\"max_rows\":12}", on_progress, NULL, NULL, &dataset, &err));
    MUST(tailora_dataset_info(dataset, &json, &err));
    drop(json);
    MUST(tailora_dataset_preview(dataset, model, 1, &json, &err));
    drop(json);
    MUST(tailora_session_new(model, NULL, &session, &err));
    if (!quick) {
        MUST(tailora_model_estimate(model, dataset, "{\"max_steps\":2}", cancel, &json, &err));
        drop(json);
        MUST(tailora_train(model, dataset, "{\"max_steps\":2,\"r\":2}", on_progress, NULL, cancel, &adapter, &json, &err));
        drop(json);
        MUST(tailora_adapter_info(adapter, &json, &err));
        drop(json);
        stack[0] = stack[1] = adapter;
        MUST(tailora_adapter_merge(stack, NULL, 2, NULL, &merged, &err));
        MUST(tailora_evaluate(model, stack, NULL, 2, dataset, NULL, NULL, on_progress, NULL, cancel, &json, &err));
        drop(json);
        CHECK_STATUS(tailora_adapter_save(adapter, "/dev/null/no", NULL, NULL), TAILORA_ERR_IO);
        CHECK_STATUS(tailora_adapter_load(model, "no/such", NULL, &none, NULL), TAILORA_ERR_IO);
        MUST(tailora_session_attach(session, adapter, 1.0, &err));
    }
    MUST(tailora_session_generate(session, PROMPT, PROMPT_LEN, "{\"max_tokens\":4}", cancel, &json, &err));
    drop(json);
    MUST(tailora_session_generate(session, PROMPT, PROMPT_LEN, deep_options(), cancel, &json, &err));
    drop(json);
    MUST(tailora_session_generate(session, NULL, 0, "{\"max_tokens\":4,\"n\":3,\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}",
                                  cancel, &json, &err));
    drop(json);
    MUST(tailora_session_score(session, PROMPT, PROMPT_LEN, "b", 1, NULL, cancel, &json, &err));
    drop(json);
    MUST(tailora_session_report(session, PROMPT, PROMPT_LEN, "{\"mode\":\"schema\",\"max_conclusions\":1}", cancel, &json, &err));
    drop(json);
    MUST(tailora_stream_open(session, PROMPT, PROMPT_LEN, "{\"max_tokens\":4}", cancel, &stream, &err));
    while (tailora_stream_next(stream, &chunk, NULL, NULL) == TAILORA_OK) CHECK(chunk[0] != 0);
    MUST(tailora_stream_usage(stream, NULL, NULL, &err));
    MUST(tailora_stream_summary(stream, &json, &err));
    drop(json);
    if (!quick) MUST(tailora_session_detach(session, adapter, &err));
    MUST(tailora_session_reset(session, &err));
    CHECK_STATUS(tailora_session_free(session), TAILORA_OK);
    CHECK_STATUS(tailora_session_new(model, "{\"n_ctx\":5}", &session, &error), TAILORA_ERR_INVALID_OPTIONS);
    CHECK(strstr(tailora_error_message(error), "context_length") != NULL);
    CHECK(tailora_error_details(error)[0] == '{');
    CHECK_STATUS(tailora_error_free(error), TAILORA_OK);
    tailora_stream_free(stream);
    tailora_adapter_free(merged);
    tailora_adapter_free(adapter);
    tailora_dataset_free(dataset);
    tailora_model_free(model);
    tailora_cancel_free(cancel);
    return NULL;
}

static void small_stack(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    CHECK(pthread_attr_init(&attributes) == 0);
    CHECK(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    CHECK(pthread_create(&thread, &attributes, every_job, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
}

/* The child of a process that has used the library is told so, and can still clean up. */
static void forked(void) {
    tailora_model *model = NULL;
    tailora_session *session = NULL;
    pid_t child;
    int status = -1;
    MUST(tailora_model_load(model_path, NULL, NULL, NULL, NULL, &model, &err));
    MUST(tailora_session_new(model, NULL, &session, &err));
    fflush(NULL);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        tailora_error *error = NULL;
        char *json = NULL;
        uint64_t count = 0;
        check_failures = 0;
        alarm(20); /* a hang is an end by signal */
        CHECK_STATUS(tailora_session_generate(session, PROMPT, PROMPT_LEN, NULL, NULL, &json, &error), TAILORA_ERR_UNSUPPORTED);
        CHECK(json == NULL && strstr(tailora_error_message(error), "forked") != NULL);
        CHECK(strstr(tailora_error_details(error), "\"parent_pid\"") != NULL);
        CHECK_STATUS(tailora_error_free(error), TAILORA_OK);
        CHECK_STATUS(tailora_model_count_tokens(model, PROMPT, PROMPT_LEN, &count, NULL), TAILORA_ERR_UNSUPPORTED);
        CHECK_STATUS(tailora_model_load(model_path, NULL, NULL, NULL, NULL, &model, NULL), TAILORA_ERR_UNSUPPORTED);
        CHECK(tailora_version()[0] != 0 && tailora_abi_version() != 0);
        CHECK_STATUS(tailora_session_free(session), TAILORA_OK);
        _exit(check_failures == 0 ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    CHECK_STATUS(tailora_session_free(session), TAILORA_OK);
    CHECK_STATUS(tailora_model_free(model), TAILORA_OK);
}

/* A fork before the first call is a process like any other. */
static void forked_early(void) {
    pid_t child;
    int status = -1;
    fflush(NULL);
    child = fork();
    if (child == 0) {
        char *json = NULL;
        alarm(20);
        _exit(tailora_build_info(&json, NULL) == TAILORA_OK ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int count, char **arguments) {
    if (count < 3) return 2;
    model_path = arguments[1];
    csv_path = arguments[2];
    quick = count > 3;
    if (!quick) forked_early();
    small_stack();
    if (!quick) forked();
    CHECK(tailora_live_handles() == 0);
    return check_result("host");
}
