/*
 * The jobs on a real model: arguments are a model directory, a CSV and a directory to write to (its name is not ASCII).
 * Handles in any order, frees during calls, BUSY, cancellation from a thread and from the callback, nothing left alive.
 * With a fourth argument `quick` nothing is trained for long (for valgrind).
 */
#include <math.h>

#include "functions.h"
#include "thread.h"

static const char TRAIN[] = "{\"num_train_epochs\":1,\"max_steps\":3,\"r\":2,\"seed\":7}";
static const char SHORT[] = "{\"max_tokens\":4}";
static const char PROMPT[] = "\xe5\xb2\x97\xe4\xbd\x8d:P7,\xe7\xbb\xa9\xe6\x95\x88:A"; /* 岗位:P7,绩效:A */
#define PROMPT_LEN (sizeof PROMPT - 1)

static const char *model_path, *csv_path, *out_path;

typedef struct {
    int events;
    int stop_at;
    int32_t phases;
    uint64_t last_step;
    void (*also)(void *);
    void *also_user;
} watch;

static int32_t on_progress(const tailora_progress *event, void *user) {
    watch *seen = user;
    CHECK(event->struct_size >= sizeof(tailora_progress));
    CHECK(event->phase >= TAILORA_PHASE_LOAD && event->phase <= TAILORA_PHASE_CALIBRATE);
    CHECK(event->step <= event->total_steps);
    CHECK(event->elapsed_seconds >= 0);
    CHECK(isnan(event->eta_seconds) || event->eta_seconds >= 0);
    if (event->phase == TAILORA_PHASE_TRAIN && event->step > 0) {
        CHECK(event->loss > 0 && event->learning_rate >= 0);
    }
    seen->events++;
    seen->phases |= 1 << event->phase;
    seen->last_step = event->step;
    if (seen->also != NULL) seen->also(seen->also_user);
    return seen->stop_at != 0 && seen->events >= seen->stop_at;
}

static tailora_model *load_model(void) {
    tailora_model *model = NULL;
    watch seen = {0};
    MUST(tailora_model_load(model_path, NULL, on_progress, &seen, NULL, &model, &err));
    CHECK(seen.phases == 1 << TAILORA_PHASE_LOAD);
    return model;
}

static tailora_dataset *open_dataset(void) {
    tailora_dataset *dataset = NULL;
    MUST(tailora_dataset_open_csv(csv_path, NULL, NULL, NULL, NULL, &dataset, &err));
    return dataset;
}

static int has(const char *json, const char *what) { return json != NULL && strstr(json, what) != NULL; }

/* Frees a string after checking that it has `what` in it. */
static void expect_in(char *json, const char *what) {
    if (!has(json, what)) fprintf(stderr, "no %s in %s\n", what, json == NULL ? "NULL" : json);
    CHECK(has(json, what));
    CHECK_STATUS(tailora_string_free(json), TAILORA_OK);
}

static void models_and_datasets(void) {
    tailora_model *model = load_model();
    tailora_dataset *dataset = open_dataset();
    tailora_error *error = NULL;
    tailora_session *session = NULL;
    uint64_t count = 0, one = 0;
    char *json = NULL;

    MUST(tailora_model_info(model, &json, &err));
    expect_in(json, "\"model_type\":\"qwen2\"");
    MUST(tailora_model_count_tokens(model, NULL, 0, &count, &err));
    CHECK(count == 0);
    MUST(tailora_model_count_tokens(model, "a", 1, &one, &err));
    MUST(tailora_model_count_tokens(model, "a\0a", 3, &count, &err));
    CHECK(one == 1 && count >= 3);
    MUST(tailora_dataset_info(dataset, &json, &err));
    expect_in(json, "\"rows\":");
    MUST(tailora_dataset_preview(dataset, model, 1, &json, &err));
    expect_in(json, "\"trained\":true");
    CHECK_STATUS(tailora_dataset_preview(dataset, model, 0, &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_dataset_preview(dataset, model, UINT64_MAX, &json, &error), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK(json == NULL && error != NULL);
    tailora_error_free(error);

    /* A length that no text has, and a text that is not UTF-8. */
    CHECK_STATUS(tailora_model_count_tokens(model, "a", SIZE_MAX, &count, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_model_count_tokens(model, "a\xff", 2, &count, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_model_count_tokens(model, NULL, 1, &count, NULL), TAILORA_ERR_INVALID_ARGUMENT);

    /* The model may go while a session uses it. */
    MUST(tailora_session_new(model, NULL, &session, &err));
    CHECK_STATUS(tailora_model_free(model), TAILORA_OK);
    CHECK_STATUS(tailora_model_free(model), TAILORA_ERR_INVALID_HANDLE);
    CHECK_STATUS(tailora_model_info(model, &json, NULL), TAILORA_ERR_INVALID_HANDLE);
    MUST(tailora_session_generate(session, PROMPT, PROMPT_LEN, SHORT, NULL, &json, &err));
    expect_in(json, "\"finish_reason\":\"");
    /* A model handle is none of a session. */
    CHECK_STATUS(tailora_session_reset((tailora_session *)dataset, NULL), TAILORA_ERR_INVALID_HANDLE);
    CHECK_STATUS(tailora_session_free(session), TAILORA_OK);
    CHECK_STATUS(tailora_dataset_free(dataset), TAILORA_OK);
    CHECK(tailora_live_handles() == 0);
}

static void estimates_and_evaluations(void) {
    tailora_model *model = load_model();
    tailora_dataset *dataset = open_dataset();
    tailora_cancel *cancel = NULL;
    tailora_adapter *adapter = NULL;
    const tailora_adapter *twice[2];
    const double scales[2] = {0.5, 0.5}, endless[2] = {1.0, HUGE_VAL};
    char *json = NULL;
    watch seen = {0};

    MUST(tailora_model_estimate(model, dataset, TRAIN, NULL, &json, &err));
    CHECK(has(json, "\"peak_bytes\":"));
    expect_in(json, "\"training_seconds\":");
    MUST(tailora_model_estimate(model, NULL, NULL, NULL, &json, &err));
    expect_in(json, "\"seconds\":null");
    MUST(tailora_model_estimate(model, dataset, "{\"max_memory\":\"1 KiB\"}", NULL, &json, &err));
    expect_in(json, "\"fits\":false");
    CHECK_STATUS(tailora_model_estimate(model, (tailora_dataset *)model, NULL, NULL, &json, NULL), TAILORA_ERR_INVALID_HANDLE);
    CHECK_STATUS(tailora_model_estimate(model, dataset, NULL, NULL, NULL, NULL), TAILORA_ERR_INVALID_ARGUMENT);

    MUST(tailora_train(model, dataset, TRAIN, NULL, NULL, NULL, &adapter, NULL, &err));
    twice[0] = twice[1] = adapter;
    MUST(tailora_evaluate(model, NULL, NULL, 0, dataset, NULL, NULL, NULL, NULL, NULL, &json, &err));
    CHECK(has(json, "\"adapter\":null"));
    expect_in(json, "\"perplexity\":");
    MUST(tailora_evaluate(model, twice, scales, 2, dataset, dataset, "{\"memorisation_samples\":1}", on_progress, &seen, NULL,
                          &json, &err));
    CHECK(has(json, "\"outputs\":1"));
    CHECK(!has(json, "\"adapter\":null"));
    CHECK_STATUS(tailora_string_free(json), TAILORA_OK);
    CHECK((seen.phases & 1 << TAILORA_PHASE_VALIDATE) != 0);
    CHECK_STATUS(tailora_evaluate(model, twice, endless, 2, dataset, NULL, NULL, NULL, NULL, NULL, &json, NULL),
                 TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_cancel_new(&cancel, &err));
    CHECK_STATUS(tailora_cancel_request(cancel), TAILORA_OK);
    CHECK_STATUS(tailora_evaluate(model, twice, NULL, 2, dataset, NULL, NULL, NULL, NULL, cancel, &json, NULL),
                 TAILORA_ERR_CANCELLED);
    CHECK_STATUS(tailora_model_estimate(model, dataset, NULL, cancel, &json, NULL), TAILORA_ERR_CANCELLED);
    CHECK(json == NULL);
    tailora_cancel_free(cancel);
    tailora_adapter_free(adapter);
    tailora_dataset_free(dataset);
    tailora_model_free(model);
    CHECK(tailora_live_handles() == 0);
}

/* A run writes to no folder of others. */
static void run_directories(void) {
    tailora_model *model = load_model();
    tailora_dataset *dataset = open_dataset();
    tailora_adapter *adapter = NULL;
    char options[4096], *json = NULL;

    CHECK_STATUS(tailora_train(model, dataset, "{\"output_dir\":\"\"}", NULL, NULL, NULL, &adapter, NULL, NULL),
                 TAILORA_ERR_INVALID_OPTIONS);
    CHECK(snprintf(options, sizeof options, "{\"max_steps\":3,\"output_dir\":\"%s\"}", model_path) < (int)sizeof options);
    CHECK_STATUS(tailora_train(model, dataset, options, NULL, NULL, NULL, &adapter, NULL, NULL), TAILORA_ERR_IO);
    CHECK(adapter == NULL);
    MUST(tailora_train(model, dataset, TRAIN, NULL, NULL, NULL, &adapter, &json, &err));
    expect_in(json, "\"notes\":[");
    CHECK_STATUS(tailora_adapter_save(adapter, model_path, NULL, NULL), TAILORA_ERR_IO);
    tailora_adapter_free(adapter);
    tailora_dataset_free(dataset);
    tailora_model_free(model);
    CHECK(tailora_live_handles() == 0);
}

/* The second handle of a function is checked like the first. */
static void other_handles(void) {
    test_handles valid = {0};
    tailora_cancel *cancel = NULL;
    size_t at;
    valid.model = load_model();
    valid.dataset = open_dataset();
    MUST(tailora_session_new(valid.model, NULL, &valid.session, &err));
    MUST(tailora_cancel_new(&cancel, &err));
    for (at = 0; at < TEST_FUNCTIONS; at++) {
        const test_function *function = &test_functions[at];
        if (!function->needs_valid_others) continue;
        CHECK_STATUS(function->call(NULL, &valid, NULL), TAILORA_ERR_INVALID_HANDLE);
        CHECK_STATUS(function->call(cancel, &valid, NULL), TAILORA_ERR_INVALID_HANDLE);
        CHECK_STATUS(function->call((void *)(uintptr_t)UINT64_MAX, &valid, NULL), TAILORA_ERR_INVALID_HANDLE);
    }
    tailora_cancel_free(cancel);
    CHECK_STATUS(tailora_cancel_request(cancel), TAILORA_ERR_INVALID_HANDLE);
    tailora_dataset_free(valid.dataset);
    tailora_session_free(valid.session);
    tailora_model_free(valid.model);
    CHECK(tailora_live_handles() == 0);
}

static void streams(void) {
    tailora_model *model = load_model();
    tailora_session *session = NULL;
    tailora_stream *stream = NULL;
    tailora_cancel *cancel = NULL;
    const char *chunk = NULL;
    char *json = NULL;
    char text[4096] = "\"text\":\"", usage[80];
    size_t len = 0;
    uint64_t prompt_tokens = 0, completion_tokens = 0, before = 0;
    tailora_status status;

    MUST(tailora_session_new(model, NULL, &session, &err));
    MUST(tailora_stream_open(session, PROMPT, PROMPT_LEN, SHORT, NULL, &stream, &err));
    /* The session is free for other work meanwhile, and may go. */
    MUST(tailora_session_generate(session, PROMPT, PROMPT_LEN, SHORT, NULL, &json, &err));
    CHECK_STATUS(tailora_session_free(session), TAILORA_OK);
    while ((status = tailora_stream_next(stream, &chunk, &len, NULL)) == TAILORA_OK) {
        CHECK(len > 0 && strlen(chunk) <= len && chunk[len] == 0);
        strncat(text, chunk, sizeof text - strlen(text) - 1);
        MUST(tailora_stream_usage(stream, &prompt_tokens, &completion_tokens, &err));
        CHECK(prompt_tokens > 0 && completion_tokens > 0 && completion_tokens >= before);
        before = completion_tokens;
    }
    CHECK_STATUS(status, TAILORA_DONE);
    CHECK(chunk == NULL && len == 0);
    CHECK_STATUS(tailora_stream_next(stream, &chunk, NULL, NULL), TAILORA_DONE);
    CHECK_STATUS(tailora_string_free(json), TAILORA_OK);
    MUST(tailora_stream_usage(stream, &prompt_tokens, &completion_tokens, &err));
    snprintf(usage, sizeof usage, "\"prompt_tokens\":%u,\"completion_tokens\":%u", (unsigned)prompt_tokens, (unsigned)completion_tokens);
    MUST(tailora_stream_summary(stream, &json, &err));
    expect_in(json, usage);
    CHECK_STATUS(tailora_stream_next(stream, NULL, NULL, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_stream_free(stream), TAILORA_OK);
    CHECK_STATUS(tailora_stream_next(stream, &chunk, NULL, NULL), TAILORA_ERR_INVALID_HANDLE);

    /* A cancelled stream ends and says so. */
    MUST(tailora_session_new(model, NULL, &session, &err));
    MUST(tailora_cancel_new(&cancel, &err));
    MUST(tailora_stream_open(session, PROMPT, PROMPT_LEN, NULL, cancel, &stream, &err));
    CHECK_STATUS(tailora_cancel_request(cancel), TAILORA_OK);
    CHECK_STATUS(tailora_stream_next(stream, &chunk, &len, NULL), TAILORA_DONE);
    MUST(tailora_stream_summary(stream, &json, &err));
    expect_in(json, "\"finish_reason\":\"cancelled\"");
    CHECK_STATUS(tailora_session_generate(session, PROMPT, PROMPT_LEN, NULL, cancel, &json, NULL), TAILORA_STOPPED);
    expect_in(json, "\"finish_reason\":\"cancelled\"");
    tailora_cancel_free(cancel);
    tailora_model_free(model);
    tailora_stream_free(stream);
    tailora_session_free(session);
    CHECK(tailora_live_handles() == 0);
}

static volatile int generated;

TEST_THREAD(generate_long, session) {
    static const char long_text[] = "{\"max_tokens\":200,\"temperature\":1.5}";
    char *json = NULL;
    tailora_status status;
    do { /* the other thread's call may be first */
        status = tailora_session_generate(session, PROMPT, PROMPT_LEN, long_text, NULL, &json, NULL);
    } while (status == TAILORA_ERR_BUSY);
    CHECK_STATUS(status, TAILORA_OK);
    CHECK_STATUS(tailora_string_free(json), TAILORA_OK);
    generated = 1;
    TEST_THREAD_END;
}

/* While one thread generates, another is told BUSY; freeing meanwhile is safe. */
static void threads(void) {
    tailora_model *model = load_model();
    tailora_session *session = NULL;
    tailora_status status = TAILORA_OK;
    test_thread thread;
    int tries;
    for (tries = 0; tries < 50 && status != TAILORA_ERR_BUSY; tries++) {
        MUST(tailora_session_new(model, NULL, &session, &err));
        generated = 0;
        test_thread_start(&thread, generate_long, session);
        while (!generated && status != TAILORA_ERR_BUSY) {
            status = tailora_session_reset(session, NULL);
            CHECK(status == TAILORA_OK || status == TAILORA_ERR_BUSY);
        }
        CHECK_STATUS(tailora_session_free(session), TAILORA_OK);
        test_thread_join(thread);
    }
    CHECK_STATUS(status, TAILORA_ERR_BUSY);
    CHECK_STATUS(tailora_model_free(model), TAILORA_OK);
    CHECK(tailora_live_handles() == 0);
}

static tailora_model *freed_in_training;
static tailora_dataset *freed_in_training_too;

static void free_what_is_used(void *user) {
    (void)user;
    /* Once each, whatever the callback is called for later. */
    tailora_status model = tailora_model_free(freed_in_training), dataset = tailora_dataset_free(freed_in_training_too);
    CHECK(model == dataset && (model == TAILORA_OK || model == TAILORA_ERR_INVALID_HANDLE));
}

static void cancel_now(void *cancel) { CHECK_STATUS(tailora_cancel_request(cancel), TAILORA_OK); }

static void training(void) {
    tailora_model *model = load_model();
    tailora_dataset *dataset = open_dataset();
    tailora_session *session = NULL;
    tailora_adapter *adapter = NULL, *loaded = NULL, *merged = NULL;
    tailora_cancel *cancel = NULL;
    tailora_error *error = NULL;
    char *summary = NULL, *json = NULL;
    watch seen = {0};
    double scales[2] = {0.5, 0.5};
    const tailora_adapter *stack[2];

    /* Model and dataset are freed by the callback; training goes on to its end. */
    freed_in_training = model;
    freed_in_training_too = dataset;
    seen.also = free_what_is_used;
    MUST(tailora_train(model, dataset, TRAIN, on_progress, &seen, NULL, &adapter, &summary, &err));
    CHECK(adapter != NULL && (seen.phases & 1 << TAILORA_PHASE_TRAIN) != 0);
    expect_in(summary, "\"");
    CHECK_STATUS(tailora_model_info(model, &json, NULL), TAILORA_ERR_INVALID_HANDLE);

    /* Saved and loaded again, in a directory whose name is not ASCII. */
    model = load_model();
    dataset = open_dataset();
    MUST(tailora_adapter_save(adapter, out_path, NULL, &err));
    MUST(tailora_adapter_load(model, out_path, "{\"name\":\"hr\"}", &loaded, &err));
    MUST(tailora_adapter_info(loaded, &json, &err));
    expect_in(json, "\"hr\"");
    CHECK_STATUS(tailora_adapter_load(model, out_path, "{\"nam\":1}", &merged, NULL), TAILORA_ERR_INVALID_OPTIONS);
    CHECK_STATUS(tailora_adapter_save(adapter, out_path, "{\"x\":1}", NULL), TAILORA_ERR_INVALID_OPTIONS);
    CHECK_STATUS(tailora_adapter_save(adapter, out_path, "{\"overwrite\":false}", NULL), TAILORA_ERR_IO);
    MUST(tailora_adapter_save(adapter, out_path, "{\"overwrite\":true}", &err));
    stack[0] = adapter;
    stack[1] = loaded;
    MUST(tailora_adapter_merge(stack, scales, 2, NULL, &merged, &err));
    CHECK_STATUS(tailora_adapter_free(merged), TAILORA_OK);
    stack[1] = merged;
    CHECK_STATUS(tailora_adapter_merge(stack, scales, 2, NULL, &merged, &error), TAILORA_ERR_INVALID_HANDLE);
    CHECK(merged == NULL && has(tailora_error_details(error), "\"index\":1"));
    tailora_error_free(error);
    scales[1] = NAN;
    stack[1] = loaded;
    CHECK_STATUS(tailora_adapter_merge(stack, scales, 2, NULL, &merged, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_adapter_merge(NULL, NULL, 0, NULL, &merged, NULL), TAILORA_ERR_INVALID_ARGUMENT);

    /* Attached, the adapter may go; detached, it must be there. */
    MUST(tailora_session_new(model, NULL, &session, &err));
    MUST(tailora_session_attach(session, adapter, 1.0, &err));
    CHECK_STATUS(tailora_session_attach(session, adapter, INFINITY, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_session_attach(session, loaded, 0.5, &err));
    CHECK_STATUS(tailora_adapter_free(loaded), TAILORA_OK);
    MUST(tailora_session_generate(session, PROMPT, PROMPT_LEN, SHORT, NULL, &json, &err));
    expect_in(json, "\"text\":");
    MUST(tailora_session_report(session, PROMPT, PROMPT_LEN, "{\"generate\":{\"max_tokens\":60}}", NULL, &json, &err));
    expect_in(json, "\"tailora.report/1\"");
    MUST(tailora_session_set_scale(session, adapter, 0.25, &err));
    CHECK_STATUS(tailora_session_set_scale(session, adapter, NAN, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_session_report(session, PROMPT, PROMPT_LEN, "{\"generate\":{\"max_tokens\":4},\"influence\":false}", NULL, &json, &err));
    expect_in(json, "\"scale\":0.25");
    MUST(tailora_session_detach(session, adapter, &err));
    CHECK_STATUS(tailora_session_set_scale(session, adapter, 1.0, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_session_detach(session, adapter, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_session_reset(session, &err));

    /* Stopped by the callback and by a request, after the first step: the best so outside is given out. */
    CHECK_STATUS(tailora_adapter_free(adapter), TAILORA_OK);
    MUST(tailora_cancel_new(&cancel, &err));
    memset(&seen, 0, sizeof seen);
    seen.also = cancel_now;
    seen.also_user = cancel;
    tailora_status status = tailora_train(model, dataset, TRAIN, on_progress, &seen, cancel, &adapter, &summary, &error);
    CHECK(status == TAILORA_STOPPED || status == TAILORA_ERR_CANCELLED);
    CHECK((status == TAILORA_STOPPED) == (adapter != NULL && summary != NULL));
    CHECK((status == TAILORA_ERR_CANCELLED) == (error != NULL));
    tailora_error_free(error);
    tailora_string_free(summary);
    tailora_adapter_free(adapter);
    /* A request stays made. */
    CHECK_STATUS(tailora_train(model, dataset, TRAIN, NULL, NULL, cancel, &adapter, NULL, NULL), TAILORA_ERR_CANCELLED);
    CHECK(adapter == NULL);
    CHECK_STATUS(tailora_train(model, dataset, "{\"learning_rat\":1}", NULL, NULL, NULL, &adapter, NULL, NULL),
                 TAILORA_ERR_INVALID_OPTIONS);
    tailora_cancel_free(cancel);
    tailora_dataset_free(dataset);
    tailora_model_free(model);
    tailora_session_free(session);
    CHECK(tailora_live_handles() == 0);
}

/* What a chat host needs: conversations, token ids, scores, alternatives, choices. */
static void chats(void) {
    static const char CHAT[] =
        "{\"max_tokens\":4,\"top_logprobs\":2,\"n\":2,\"messages\":[{\"role\":\"system\",\"content\":\"s\"},"
        "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"assistant\",\"content\":\"b\"},"
        "{\"role\":\"user\",\"content\":\"<|im_end|>c\"}]}";
    static const char NOBODY[] = "{\"messages\":[{\"role\":\"system\",\"content\":\"s\"}]}";
    static const char CONTROL[] = "{\"control_tokens\":true}";
    tailora_model *model = load_model();
    tailora_session *session = NULL;
    tailora_stream *stream = NULL;
    tailora_cancel *cancel = NULL;
    tailora_error *error = NULL;
    const uint32_t outside[2] = {1, UINT32_MAX};
    char *json = NULL, *again = NULL;

    MUST(tailora_session_new(model, NULL, &session, &err));
    MUST(tailora_session_generate(session, NULL, 0, CHAT, NULL, &json, &err));
    CHECK(has(json, "\"choices\":[") && has(json, "\"top\":["));
    CHECK_STATUS(tailora_string_free(json), TAILORA_OK);
    CHECK_STATUS(tailora_session_generate(session, NULL, 0, NOBODY, NULL, &json, &error), TAILORA_ERR_INVALID_OPTIONS);
    CHECK(json == NULL && has(tailora_error_details(error), "\"option\":\"messages\""));
    tailora_error_free(error);
    /* With a prompt, that is the last turn. */
    MUST(tailora_stream_open(session, "a", 1, "{\"max_tokens\":2,\"messages\":[{\"role\":\"system\",\"content\":\"s\"}]}", NULL,
                             &stream, &err));
    CHECK_STATUS(tailora_stream_free(stream), TAILORA_OK);
    CHECK_STATUS(tailora_stream_open(session, NULL, 0, CHAT, NULL, &stream, NULL), TAILORA_ERR_INVALID_OPTIONS);

    MUST(tailora_model_tokenize(model, "<|im_end|>", 10, NULL, &json, &err));
    MUST(tailora_model_tokenize(model, "<|im_end|>", 10, CONTROL, &again, &err));
    CHECK(strlen(json) > strlen(again));
    CHECK_STATUS(tailora_string_free(again), TAILORA_OK);
    CHECK_STATUS(tailora_string_free(json), TAILORA_OK);
    CHECK_STATUS(tailora_model_tokenize(model, NULL, 1, NULL, &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_model_tokenize(model, "a", SIZE_MAX, NULL, &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_model_detokenize(model, outside, 1, CONTROL, &json, &err));
    expect_in(json, "\"text\":\"");
    CHECK_STATUS(tailora_model_detokenize(model, outside, 2, NULL, &json, &error), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK(json == NULL && has(tailora_error_details(error), "\"index\":1"));
    tailora_error_free(error);
    CHECK_STATUS(tailora_model_detokenize(model, NULL, 1, NULL, &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_model_detokenize(model, outside, SIZE_MAX, NULL, &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);

    MUST(tailora_session_score(session, PROMPT, PROMPT_LEN, "b", 1, "{\"end_of_turn\":true}", NULL, &json, &err));
    CHECK(has(json, "\"logprob\":-"));
    expect_in(json, "\"completion_tokens\":2");
    MUST(tailora_session_score(session, PROMPT, PROMPT_LEN, NULL, 0, NULL, NULL, &json, &err));
    expect_in(json, "\"tokens\":[]");
    MUST(tailora_cancel_new(&cancel, &err));
    CHECK_STATUS(tailora_cancel_request(cancel), TAILORA_OK);
    CHECK_STATUS(tailora_session_score(session, "a", 1, "b", 1, NULL, cancel, &json, NULL), TAILORA_ERR_CANCELLED);
    CHECK_STATUS(tailora_session_generate(session, NULL, 0, CHAT, cancel, &json, NULL), TAILORA_STOPPED);
    expect_in(json, "\"finish_reason\":\"cancelled\"");
    tailora_cancel_free(cancel);
    tailora_session_free(session);
    tailora_model_free(model);
    CHECK(tailora_live_handles() == 0);
}

static void cancelled_before_it_began(void) {
    tailora_cancel *cancel = NULL;
    tailora_model *model = NULL;
    tailora_dataset *dataset = NULL;
    watch stop = {0};
    stop.stop_at = 1;
    MUST(tailora_cancel_new(&cancel, &err));
    CHECK_STATUS(tailora_cancel_request(cancel), TAILORA_OK);
    CHECK_STATUS(tailora_model_load(model_path, NULL, NULL, NULL, cancel, &model, NULL), TAILORA_ERR_CANCELLED);
    CHECK_STATUS(tailora_model_load(model_path, NULL, on_progress, &stop, NULL, &model, NULL), TAILORA_ERR_CANCELLED);
    CHECK_STATUS(tailora_dataset_open_csv(csv_path, NULL, NULL, NULL, cancel, &dataset, NULL), TAILORA_ERR_CANCELLED);
    CHECK(model == NULL && dataset == NULL);
    tailora_cancel_free(cancel);
    CHECK(tailora_live_handles() == 0);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: jobs MODEL CSV OUT [quick]\n");
        return 2;
    }
    model_path = argv[1];
    csv_path = argv[2];
    out_path = argv[3];
    models_and_datasets();
    other_handles();
    streams();
    chats();
    cancelled_before_it_began();
    if (argc == 4) {
        threads();
        training();
        estimates_and_evaluations();
        run_directories();
    }
    return check_result("jobs");
}
