/*
 * Every function that returns a status, as a call with one handle put in at one place, for tests that go through all.
 * Each wrapper fills its outputs with garbage first and checks that a failed call left NULL there.
 */
#ifndef TAILORA_TEST_FUNCTIONS_H
#define TAILORA_TEST_FUNCTIONS_H

#include "check.h"

#define GARBAGE ((void *)(uintptr_t)0x5a5a5a5a)

/* Valid handles for the places that are not under test; NULL where a test has no model. */
typedef struct {
    tailora_model *model;
    tailora_adapter *adapter;
    tailora_dataset *dataset;
    tailora_session *session;
} test_handles;

typedef tailora_status (*test_call)(void *handle, const test_handles *valid, tailora_error **err);

typedef struct {
    const char *name;
    test_call call;
    int takes_handle;       /* 0: the function has no handle at all */
    int null_is_ok;         /* frees, and optional handles */
    int needs_valid_others; /* tells something only with a model at hand */
} test_function;

#define WRAP(function) static tailora_status call_##function(void *handle, const test_handles *valid, tailora_error **err)
#define UNUSED (void)handle, (void)valid, (void)err
#define RETURN_NULLED(call, out)           \
    do {                                   \
        tailora_status status = (call);    \
        if (status < 0) CHECK((out) == NULL); \
        return status;                     \
    } while (0)

WRAP(tailora_build_info) { char *out = GARBAGE; UNUSED; RETURN_NULLED(tailora_build_info(&out, err), out); }
WRAP(tailora_options_schema) { char *out = GARBAGE; UNUSED; RETURN_NULLED(tailora_options_schema("no such", &out, err), out); }
WRAP(tailora_options_from_file) { char *out = GARBAGE; UNUSED; RETURN_NULLED(tailora_options_from_file("no/such.yaml", "train", &out, err), out); }
WRAP(tailora_set_log_sink) { UNUSED; return tailora_set_log_sink(NULL, err); }
WRAP(tailora_error_code) { UNUSED; return tailora_error_code(handle); }
WRAP(tailora_error_free) { UNUSED; return tailora_error_free(handle); }
WRAP(tailora_cancel_new) { tailora_cancel *out = GARBAGE; UNUSED; RETURN_NULLED(tailora_cancel_new(&out, err), out); }
WRAP(tailora_cancel_request) { UNUSED; return tailora_cancel_request(handle); }
WRAP(tailora_cancel_free) { UNUSED; return tailora_cancel_free(handle); }
WRAP(tailora_string_free) { UNUSED; return tailora_string_free(handle); }
WRAP(tailora_model_load) {
    tailora_model *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_model_load("no/such/model", NULL, NULL, NULL, handle, &out, err), out);
}
WRAP(tailora_model_info) { char *out = GARBAGE; UNUSED; RETURN_NULLED(tailora_model_info(handle, &out, err), out); }
WRAP(tailora_model_count_tokens) {
    uint64_t count = 5;
    tailora_status status = tailora_model_count_tokens(handle, "a", 1, &count, err);
    (void)valid;
    if (status < 0) CHECK(count == 0);
    return status;
}
WRAP(tailora_model_tokenize) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_model_tokenize(handle, "a", 1, NULL, &out, err), out);
}
WRAP(tailora_model_detokenize) {
    char *out = GARBAGE;
    const uint32_t ids[1] = {0};
    UNUSED;
    RETURN_NULLED(tailora_model_detokenize(handle, ids, 1, NULL, &out, err), out);
}
WRAP(tailora_model_estimate) {
    char *out = GARBAGE;
    RETURN_NULLED(tailora_model_estimate(handle, valid->dataset, NULL, NULL, &out, err), out);
}
WRAP(tailora_model_free) { UNUSED; return tailora_model_free(handle); }
WRAP(tailora_adapter_load) {
    tailora_adapter *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_adapter_load(handle, "no/such/adapter", NULL, &out, err), out);
}
WRAP(tailora_adapter_save) { UNUSED; return tailora_adapter_save(handle, "no/such/place", NULL, err); }
WRAP(tailora_adapter_info) { char *out = GARBAGE; UNUSED; RETURN_NULLED(tailora_adapter_info(handle, &out, err), out); }
WRAP(tailora_adapter_merge) {
    tailora_adapter *out = GARBAGE;
    const tailora_adapter *adapters[1];
    UNUSED;
    adapters[0] = handle;
    RETURN_NULLED(tailora_adapter_merge(adapters, NULL, 1, NULL, &out, err), out);
}
WRAP(tailora_adapter_free) { UNUSED; return tailora_adapter_free(handle); }
WRAP(tailora_dataset_open_csv) {
    tailora_dataset *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_dataset_open_csv("no/such.csv", NULL, NULL, NULL, handle, &out, err), out);
}
WRAP(tailora_dataset_info) { char *out = GARBAGE; UNUSED; RETURN_NULLED(tailora_dataset_info(handle, &out, err), out); }
WRAP(tailora_dataset_preview) {
    char *out = GARBAGE;
    RETURN_NULLED(tailora_dataset_preview(handle, valid->model, 0, &out, err), out);
}
WRAP(tailora_dataset_preview_model) {
    char *out = GARBAGE;
    RETURN_NULLED(tailora_dataset_preview(valid->dataset, handle, 0, &out, err), out);
}
WRAP(tailora_dataset_free) { UNUSED; return tailora_dataset_free(handle); }
WRAP(tailora_train) {
    tailora_adapter *out = GARBAGE;
    char *summary = GARBAGE;
    tailora_status status =
        tailora_train(handle, valid->dataset, NULL, NULL, NULL, NULL, &out, &summary, err);
    if (status < 0) CHECK(out == NULL && summary == NULL);
    return status;
}
WRAP(tailora_train_dataset) {
    tailora_adapter *out = GARBAGE;
    RETURN_NULLED(tailora_train(valid->model, handle, NULL, NULL, NULL, NULL, &out, NULL, err), out);
}
WRAP(tailora_evaluate) {
    char *out = GARBAGE;
    RETURN_NULLED(tailora_evaluate(handle, NULL, NULL, 0, valid->dataset, NULL, NULL, NULL, NULL, NULL, &out, err), out);
}
WRAP(tailora_evaluate_dataset) {
    char *out = GARBAGE;
    RETURN_NULLED(tailora_evaluate(valid->model, NULL, NULL, 0, handle, NULL, NULL, NULL, NULL, NULL, &out, err), out);
}
WRAP(tailora_evaluate_adapter) {
    char *out = GARBAGE;
    const tailora_adapter *adapters[1];
    adapters[0] = handle;
    RETURN_NULLED(tailora_evaluate(valid->model, adapters, NULL, 1, valid->dataset, NULL, NULL, NULL, NULL, NULL, &out, err), out);
}
WRAP(tailora_session_new) {
    tailora_session *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_session_new(handle, NULL, &out, err), out);
}
WRAP(tailora_session_attach) { return tailora_session_attach(handle, valid->adapter, 1.0, err); }
WRAP(tailora_session_attach_adapter) { return tailora_session_attach(valid->session, handle, 1.0, err); }
WRAP(tailora_session_detach) { return tailora_session_detach(handle, valid->adapter, err); }
WRAP(tailora_session_detach_adapter) { return tailora_session_detach(valid->session, handle, err); }
WRAP(tailora_session_set_scale) { return tailora_session_set_scale(handle, valid->adapter, 1.0, err); }
WRAP(tailora_session_set_scale_adapter) { return tailora_session_set_scale(valid->session, handle, 1.0, err); }
WRAP(tailora_session_generate) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_session_generate(handle, "a", 1, NULL, NULL, &out, err), out);
}
WRAP(tailora_session_score) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_session_score(handle, "a", 1, "b", 1, NULL, NULL, &out, err), out);
}
WRAP(tailora_session_report) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_session_report(handle, "a:1", 3, NULL, NULL, &out, err), out);
}
WRAP(tailora_session_reset) { UNUSED; return tailora_session_reset(handle, err); }
WRAP(tailora_session_free) { UNUSED; return tailora_session_free(handle); }
WRAP(tailora_stream_open) {
    tailora_stream *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_stream_open(handle, "a", 1, NULL, NULL, &out, err), out);
}
WRAP(tailora_stream_next) {
    const char *chunk = GARBAGE;
    size_t len = 5;
    tailora_status status = tailora_stream_next(handle, &chunk, &len, err);
    (void)valid;
    if (status < 0) CHECK(chunk == NULL && len == 0);
    return status;
}
WRAP(tailora_stream_summary) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_stream_summary(handle, &out, err), out);
}
WRAP(tailora_stream_usage) {
    uint64_t prompt = 5, completion = 5;
    tailora_status status = tailora_stream_usage(handle, &prompt, &completion, err);
    (void)valid;
    if (status < 0) CHECK(prompt == 0 && completion == 0);
    return status;
}
WRAP(tailora_stream_free) { UNUSED; return tailora_stream_free(handle); }
WRAP(tailora_batch_run) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_batch_run(handle, NULL, NULL, 0, "no/such.csv", "no/such/job", NULL, NULL, NULL, NULL, &out, err), out);
}
WRAP(tailora_batch_run_adapter) {
    char *out = GARBAGE;
    const tailora_adapter *adapters[1];
    adapters[0] = handle;
    RETURN_NULLED(
        tailora_batch_run(valid->model, adapters, NULL, 1, "no/such.csv", "no/such/job", NULL, NULL, NULL, NULL, &out, err), out);
}
WRAP(tailora_batch_merge) {
    char *out = GARBAGE;
    const char *jobs[1] = {"no/such/job"};
    UNUSED;
    RETURN_NULLED(tailora_batch_merge(jobs, 1, "no/such/output", &out, err), out);
}
WRAP(tailora_registry_open) {
    tailora_registry *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_registry_open("no/such/registry", &out, err), out);
}
WRAP(tailora_registry_create) {
    tailora_registry *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_registry_create("", &out, err), out);
}
WRAP(tailora_registry_publish) {
    char *out = GARBAGE;
    RETURN_NULLED(tailora_registry_publish(handle, valid->adapter, NULL, &out, err), out);
}
WRAP(tailora_registry_resolve) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_registry_resolve(handle, "a", NULL, &out, err), out);
}
WRAP(tailora_registry_load) {
    tailora_adapter *out = GARBAGE;
    RETURN_NULLED(tailora_registry_load(handle, valid->model, "a", NULL, &out, err), out);
}
WRAP(tailora_registry_promote) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_registry_promote(handle, "a", "b", &out, err), out);
}
WRAP(tailora_registry_promote_split) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_registry_promote_split(handle, "a", "[]", &out, err), out);
}
WRAP(tailora_registry_rollback) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_registry_rollback(handle, "a", &out, err), out);
}
WRAP(tailora_registry_history) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_registry_history(handle, "a", &out, err), out);
}
WRAP(tailora_registry_list) { char *out = GARBAGE; UNUSED; RETURN_NULLED(tailora_registry_list(handle, &out, err), out); }
WRAP(tailora_registry_contains) {
    int32_t contained = 5;
    tailora_status status = tailora_registry_contains(handle, "a", "b", &contained, err);
    (void)valid;
    if (status < 0) CHECK(contained == 0);
    return status;
}
WRAP(tailora_registry_audit) { UNUSED; return tailora_registry_audit(handle, "a", "b", NULL, 0, err); }
WRAP(tailora_registry_audited) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_registry_audited(handle, "a", &out, err), out);
}
WRAP(tailora_registry_free) { UNUSED; return tailora_registry_free(handle); }
WRAP(tailora_report_export_docx) { UNUSED; return tailora_report_export_docx("[]", "no/such/file.docx", NULL, err); }
WRAP(tailora_report_export_docx_files) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_report_export_docx_files("[3]", "no/such/folder", NULL, &out, err), out);
}
WRAP(tailora_adapter_recalibrate) {
    tailora_adapter *out = GARBAGE;
    char *summary = GARBAGE;
    const char *paths[1] = {"no/such.docx"};
    tailora_status status = tailora_adapter_recalibrate(handle, paths, 1, &out, &summary, err);
    (void)valid;
    if (status < 0) CHECK(out == NULL && summary == NULL);
    return status;
}
WRAP(tailora_report_import_docx) {
    char *out = GARBAGE;
    UNUSED;
    RETURN_NULLED(tailora_report_import_docx("no/such.docx", NULL, &out, err), out);
}

#define FUNCTION(name, handle, null, others) {#name, call_##name, handle, null, others}
static const test_function test_functions[] = {
    FUNCTION(tailora_build_info, 0, 0, 0),
    FUNCTION(tailora_options_schema, 0, 0, 0),
    FUNCTION(tailora_options_from_file, 0, 0, 0),
    FUNCTION(tailora_set_log_sink, 0, 0, 0),
    FUNCTION(tailora_error_code, 1, 0, 0),
    FUNCTION(tailora_error_free, 1, 1, 0),
    FUNCTION(tailora_cancel_new, 0, 0, 0),
    FUNCTION(tailora_cancel_request, 1, 0, 0),
    FUNCTION(tailora_cancel_free, 1, 1, 0),
    FUNCTION(tailora_string_free, 1, 1, 0),
    FUNCTION(tailora_model_load, 1, 1, 0),
    FUNCTION(tailora_model_info, 1, 0, 0),
    FUNCTION(tailora_model_count_tokens, 1, 0, 0),
    FUNCTION(tailora_model_tokenize, 1, 0, 0),
    FUNCTION(tailora_model_detokenize, 1, 0, 0),
    FUNCTION(tailora_model_estimate, 1, 0, 0),
    FUNCTION(tailora_model_free, 1, 1, 0),
    FUNCTION(tailora_adapter_load, 1, 0, 0),
    FUNCTION(tailora_adapter_save, 1, 0, 0),
    FUNCTION(tailora_adapter_info, 1, 0, 0),
    FUNCTION(tailora_adapter_merge, 1, 0, 0),
    FUNCTION(tailora_adapter_free, 1, 1, 0),
    FUNCTION(tailora_dataset_open_csv, 1, 1, 0),
    FUNCTION(tailora_dataset_info, 1, 0, 0),
    FUNCTION(tailora_dataset_preview, 1, 0, 0),
    FUNCTION(tailora_dataset_preview_model, 1, 0, 1),
    FUNCTION(tailora_dataset_free, 1, 1, 0),
    FUNCTION(tailora_train, 1, 0, 0),
    FUNCTION(tailora_train_dataset, 1, 0, 1),
    FUNCTION(tailora_evaluate, 1, 0, 0),
    FUNCTION(tailora_evaluate_dataset, 1, 0, 1),
    FUNCTION(tailora_evaluate_adapter, 1, 0, 1),
    FUNCTION(tailora_session_new, 1, 0, 0),
    FUNCTION(tailora_session_attach, 1, 0, 0),
    FUNCTION(tailora_session_attach_adapter, 1, 0, 1),
    FUNCTION(tailora_session_detach, 1, 0, 0),
    FUNCTION(tailora_session_detach_adapter, 1, 0, 1),
    FUNCTION(tailora_session_set_scale, 1, 0, 0),
    FUNCTION(tailora_session_set_scale_adapter, 1, 0, 1),
    FUNCTION(tailora_session_generate, 1, 0, 0),
    FUNCTION(tailora_session_score, 1, 0, 0),
    FUNCTION(tailora_session_report, 1, 0, 0),
    FUNCTION(tailora_session_reset, 1, 0, 0),
    FUNCTION(tailora_session_free, 1, 1, 0),
    FUNCTION(tailora_stream_open, 1, 0, 0),
    FUNCTION(tailora_stream_next, 1, 0, 0),
    FUNCTION(tailora_stream_summary, 1, 0, 0),
    FUNCTION(tailora_stream_usage, 1, 0, 0),
    FUNCTION(tailora_stream_free, 1, 1, 0),
    FUNCTION(tailora_batch_run, 1, 0, 0),
    FUNCTION(tailora_batch_run_adapter, 1, 0, 1),
    FUNCTION(tailora_batch_merge, 0, 0, 0),
    FUNCTION(tailora_registry_open, 0, 0, 0),
    FUNCTION(tailora_registry_create, 0, 0, 0),
    FUNCTION(tailora_registry_publish, 1, 0, 0),
    FUNCTION(tailora_registry_resolve, 1, 0, 0),
    FUNCTION(tailora_registry_load, 1, 0, 0),
    FUNCTION(tailora_registry_promote, 1, 0, 0),
    FUNCTION(tailora_registry_promote_split, 1, 0, 0),
    FUNCTION(tailora_registry_rollback, 1, 0, 0),
    FUNCTION(tailora_registry_history, 1, 0, 0),
    FUNCTION(tailora_registry_list, 1, 0, 0),
    FUNCTION(tailora_registry_contains, 1, 0, 0),
    FUNCTION(tailora_registry_audit, 1, 0, 0),
    FUNCTION(tailora_registry_audited, 1, 0, 0),
    FUNCTION(tailora_registry_free, 1, 1, 0),
    FUNCTION(tailora_report_export_docx, 0, 0, 0),
    FUNCTION(tailora_report_export_docx_files, 0, 0, 0),
    FUNCTION(tailora_report_import_docx, 0, 0, 0),
    FUNCTION(tailora_adapter_recalibrate, 1, 0, 0),
};
#define TEST_FUNCTIONS (sizeof(test_functions) / sizeof(test_functions[0]))

#endif
