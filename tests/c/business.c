/*
 * What a business does around a model: options from a file, a batch in shards that is cancelled and goes on, a registry, Word
 * files and back. Arguments are a model directory, a CSV and a directory to write to (its name is not ASCII); with a fourth
 * argument `quick` few rows are reported on (for valgrind).
 */
#include <math.h>

#include "check.h"

static const char REPORT[] = "\"report\":{\"influence\":false,\"generate\":{\"max_tokens\":6}}";
static const char FIELDS[] = "\xe5\xb2\x97\xe4\xbd\x8d:P7"; /* 岗位:P7 */

static const char *model_path, *csv_path, *out_path;
static int rows;

static int has(const char *json, const char *what) { return json != NULL && strstr(json, what) != NULL; }

static void expect_in(char *json, const char *what) {
    if (!has(json, what)) fprintf(stderr, "no %s in %s\n", what, json == NULL ? "NULL" : json);
    CHECK(has(json, what));
    CHECK_STATUS(tailora_string_free(json), TAILORA_OK);
}

/* A path below the directory to write to. */
static const char *at(const char *name) {
    static char paths[8][4096];
    static int next;
    char *path = paths[next++ % 8];
    CHECK(snprintf(path, sizeof paths[0], "%s/%s", out_path, name) < (int)sizeof paths[0]);
    return path;
}

static void write_file(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fputs(text, file) >= 0);
    if (file != NULL) CHECK(fclose(file) == 0);
}

/* An error's code and what its details must have. */
static void refused(tailora_status status, tailora_status expected, tailora_error *error, const char *detail) {
    CHECK_STATUS(status, expected);
    if (!has(tailora_error_details(error), detail)) fprintf(stderr, "no %s in %s\n", detail, tailora_error_details(error));
    CHECK(has(tailora_error_details(error), detail));
    CHECK_STATUS(tailora_error_free(error), TAILORA_OK);
}

static void options_files(void) {
    tailora_error *error = NULL;
    char *json = NULL;
    tailora_status status;

    write_file(at("hr.yaml"), "# house style\nname: hr\nr: 16\n");
    MUST(tailora_options_from_file(at("hr.yaml"), "train", &json, &err));
    CHECK(!has(json, "lora_alpha"));
    expect_in(json, "\"r\":16");
    status = tailora_options_from_file(at("hr.yaml"), "report", &json, &error);
    refused(status, TAILORA_ERR_INVALID_OPTIONS, error, "\"line\":2");
    write_file(at("bad.json"), "{\n  \"r\": 0\n}\n");
    status = tailora_options_from_file(at("bad.json"), "train", &json, &error);
    CHECK(has(tailora_error_details(error), "\"option\":\"r\""));
    refused(status, TAILORA_ERR_INVALID_OPTIONS, error, "\"line\":2");
    status = tailora_options_from_file(at("hr.yaml"), "trian", &json, &error);
    refused(status, TAILORA_ERR_INVALID_ARGUMENT, error, "\"known\":[");
    CHECK_STATUS(tailora_options_from_file(NULL, "train", &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_options_from_file(at("hr.yaml"), NULL, &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_options_from_file(at("hr.yaml"), "train", NULL, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK(json == NULL);
}

typedef struct {
    int stop;
    int with_eta;
    uint64_t last_step;
} watch;

static int32_t on_progress(const tailora_progress *event, void *user) {
    watch *seen = user;
    CHECK(event->phase == TAILORA_PHASE_REPORT);
    CHECK(event->step > seen->last_step && event->step <= event->total_steps && event->total_steps == (uint64_t)rows);
    CHECK(event->elapsed_seconds >= 0);
    if (!isnan(event->eta_seconds)) seen->with_eta++;
    seen->last_step = event->step;
    return seen->stop;
}

static void batches(const tailora_model *model, const tailora_adapter *adapter) {
    static char folders[2][4096];
    const char *jobs[2], *missing[2];
    char options[512], text[4096] = "id,input\n", expected[64], *json = NULL;
    tailora_error *error = NULL;
    tailora_cancel *cancel = NULL;
    watch seen = {0}, stopping = {0};
    int row;
    tailora_status status;

    for (row = 1; row < rows; row++) sprintf(text + strlen(text), "E%d,level:P%d\n", row, row % 4);
    write_file(at("cases.csv"), strcat(text, "E0,no field\n"));

    /* Stopped by the callback after the first rows; the same call goes on. */
    CHECK(snprintf(options, sizeof options, "{\"id_column\":\"id\",\"parallel\":1,%s}", REPORT) < (int)sizeof options);
    stopping.stop = 1;
    status = tailora_batch_run(model, &adapter, NULL, 1, at("cases.csv"), at("job"), options, on_progress, &stopping, NULL, &json,
                               &error);
    CHECK(json == NULL);
    refused(status, TAILORA_ERR_CANCELLED, error, "\"done\":");
    seen.last_step = stopping.last_step;
    MUST(tailora_batch_run(model, &adapter, NULL, 1, at("cases.csv"), at("job"), options, on_progress, &seen, NULL, &json, &err));
    CHECK(stopping.last_step > 0 && seen.last_step == (uint64_t)rows && seen.with_eta > 0);
    sprintf(expected, "\"resumed\":%d,", (int)stopping.last_step);
    CHECK(has(json, expected));
    CHECK(has(json, "\"failed\":1,"));
    sprintf(expected, "\"rows\":%d,", rows);
    expect_in(json, expected);
    /* Nothing is left to do, and the summary is not wanted. */
    MUST(tailora_batch_run(model, &adapter, NULL, 1, at("cases.csv"), at("job"), options, NULL, NULL, NULL, NULL, &err));

    /* Another stack is another job. */
    status = tailora_batch_run(model, NULL, NULL, 0, at("cases.csv"), at("job"), options, NULL, NULL, NULL, &json, &error);
    refused(status, TAILORA_ERR_IO, error, "\"expected\":");
    MUST(tailora_cancel_new(&cancel, &err));
    CHECK_STATUS(tailora_cancel_request(cancel), TAILORA_OK);
    CHECK_STATUS(tailora_batch_run(model, NULL, NULL, 0, at("cases.csv"), at("none"), options, NULL, NULL, cancel, &json, NULL),
                 TAILORA_ERR_CANCELLED);
    CHECK_STATUS(tailora_cancel_free(cancel), TAILORA_OK);
    CHECK_STATUS(tailora_batch_run(model, NULL, NULL, 0, NULL, at("none"), NULL, NULL, NULL, NULL, &json, NULL),
                 TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_batch_run(model, NULL, NULL, 0, at("cases.csv"), "", NULL, NULL, NULL, NULL, &json, NULL),
                 TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_batch_run(model, NULL, NULL, 0, at("cases.csv"), at("none"), "{\"shards\":1}", NULL, NULL, NULL, &json, NULL),
                 TAILORA_ERR_INVALID_OPTIONS);

    /* In two shards, and one file. */
    for (row = 0; row < 2; row++) {
        CHECK(snprintf(options, sizeof options, "{\"id_column\":\"id\",\"shard\":{\"index\":%d,\"count\":2},%s}", row, REPORT) <
              (int)sizeof options);
        jobs[row] = strcpy(folders[row], at(row == 0 ? "shard-0" : "shard-1"));
        MUST(tailora_batch_run(model, &adapter, NULL, 1, at("cases.csv"), jobs[row], options, NULL, NULL, NULL, NULL, &err));
    }
    status = tailora_batch_merge(jobs, 1, at("merged.jsonl"), &json, &error);
    refused(status, TAILORA_ERR_INVALID_ARGUMENT, error, "\"missing\":[1]");
    missing[0] = jobs[0];
    missing[1] = NULL;
    status = tailora_batch_merge(missing, 2, at("merged.jsonl"), &json, &error);
    refused(status, TAILORA_ERR_INVALID_ARGUMENT, error, "\"index\":1");
    CHECK_STATUS(tailora_batch_merge(NULL, 0, at("merged.jsonl"), &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_batch_merge(NULL, 2, at("merged.jsonl"), &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_batch_merge(jobs, SIZE_MAX, at("merged.jsonl"), &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_batch_merge(jobs, 2, at("merged.jsonl"), &json, &err));
    expect_in(json, expected);
    CHECK_STATUS(tailora_batch_merge(jobs, 2, at("merged.jsonl"), &json, NULL), TAILORA_ERR_IO);
}

/* The name of the version in a publication. */
static void version_of(const char *publication, char *version, size_t size) {
    const char *begin = strstr(publication, "\"version\":\""), *end;
    CHECK(begin != NULL);
    if (begin == NULL) exit(1);
    begin += strlen("\"version\":\"");
    end = strchr(begin, '"');
    CHECK(end != NULL && (size_t)(end - begin) < size);
    memcpy(version, begin, (size_t)(end - begin));
    version[end - begin] = 0;
}

static void registries(const tailora_model *model, const tailora_adapter *adapter) {
    tailora_registry *registry = NULL, *other = NULL;
    tailora_adapter *loaded = NULL;
    tailora_error *error = NULL;
    char version[256], second[256], shares[1024], *json = NULL;
    int32_t contained = 7;
    tailora_status status;

    CHECK_STATUS(tailora_registry_open(at("nowhere"), &registry, NULL), TAILORA_ERR_IO);
    MUST(tailora_registry_create(at("registry"), &registry, &err));
    MUST(tailora_registry_list(registry, &json, &err));
    CHECK(has(json, "\"versions\":[]"));
    expect_in(json, "\"aliases\":[]");
    MUST(tailora_registry_publish(registry, adapter, "{\"name\":\"hr\",\"extra\":{\"approved_by\":\"\xe7\x8e\x8b\"}}", &json, &err));
    version_of(json, version, sizeof version);
    expect_in(json, "\"approved_by\":\"\xe7\x8e\x8b\"");
    MUST(tailora_registry_publish(registry, adapter, "{\"name\":\"hr2\"}", &json, &err));
    version_of(json, second, sizeof second);
    CHECK_STATUS(tailora_string_free(json), TAILORA_OK);
    /* Again is the same, and its answer need not be wanted. */
    MUST(tailora_registry_publish(registry, adapter, "{\"name\":\"hr2\"}", NULL, &err));
    CHECK_STATUS(tailora_registry_publish(registry, adapter, "{\"nam\":1}", &json, NULL), TAILORA_ERR_INVALID_OPTIONS);
    CHECK_STATUS(tailora_registry_publish(registry, (const tailora_adapter *)model, NULL, &json, NULL), TAILORA_ERR_INVALID_HANDLE);

    CHECK_STATUS(tailora_registry_resolve(registry, "production", NULL, &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_registry_promote(registry, "production", "nothing", &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_registry_promote(registry, "../production", version, &json, NULL), TAILORA_ERR_INVALID_OPTIONS);
    MUST(tailora_registry_promote(registry, "production", version, &json, &err));
    CHECK(has(json, "\"action\":\"promote\""));
    expect_in(json, "\"number\":1");
    MUST(tailora_registry_resolve(registry, "production", NULL, &json, &err));
    expect_in(json, version);
    MUST(tailora_registry_load(registry, model, "production", NULL, &loaded, &err));
    CHECK_STATUS(tailora_adapter_free(loaded), TAILORA_OK);
    CHECK_STATUS(tailora_registry_load(registry, (const tailora_model *)adapter, "production", NULL, &loaded, NULL),
                 TAILORA_ERR_INVALID_HANDLE);

    /* Split, an alias has a version for an employee and none for nobody. */
    snprintf(shares, sizeof shares, "[{\"version\":\"%s\",\"share\":0.5},{\"version\":\"%s\",\"share\":0.5}]", version, second);
    MUST(tailora_registry_promote_split(registry, "production", shares, NULL, &err));
    status = tailora_registry_resolve(registry, "production", NULL, &json, &error);
    refused(status, TAILORA_ERR_INVALID_ARGUMENT, error, "\"versions\":[");
    MUST(tailora_registry_resolve(registry, "production", "E1", &json, &err));
    expect_in(json, "\"adapter_sha256\"");
    CHECK_STATUS(tailora_registry_resolve(registry, "production", " ", &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_registry_resolve(registry, version, "E1", &json, &err));
    expect_in(json, version);
    MUST(tailora_registry_load(registry, model, "production", "E1", &loaded, &err));
    CHECK_STATUS(tailora_adapter_free(loaded), TAILORA_OK);
    for (size_t bad = 0; bad < 4; bad++) {
        static const char *const bads[4] = {"", "{}", "[]", "[{\"version\":\"a\"}]"};
        CHECK_STATUS(tailora_registry_promote_split(registry, "production", bads[bad], &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    }
    MUST(tailora_registry_rollback(registry, "production", &json, &err));
    expect_in(json, "\"action\":\"rollback\"");
    CHECK_STATUS(tailora_registry_rollback(registry, "production", &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_registry_history(registry, "production", &json, &err));
    expect_in(json, "\"number\":3");
    CHECK_STATUS(tailora_registry_history(registry, "staging", &json, NULL), TAILORA_ERR_INVALID_ARGUMENT);

    /* The audit knows a person by a hash; who is in a version is known where there were ids. */
    MUST(tailora_registry_audit(registry, "E1", version, "production", UINT64_MAX, &err));
    MUST(tailora_registry_audit(registry, "E1", version, NULL, 0, &err));
    CHECK_STATUS(tailora_registry_audit(registry, "E1", "nothing", NULL, 0, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    MUST(tailora_registry_audited(registry, "E1", &json, &err));
    CHECK(!has(json, "\"E1\"") && has(json, "\"alias\":\"production\""));
    expect_in(json, "\"seed\":18446744073709551615");
    MUST(tailora_registry_audited(registry, "E2", &json, &err));
    expect_in(json, "[]");
    status = tailora_registry_contains(registry, version, "E1", &contained, &error);
    refused(status, TAILORA_ERR_INVALID_ARGUMENT, error, "\"version\":");
    CHECK(contained == 0);

    /* Another handle sees the same; what is freed is freed. */
    MUST(tailora_registry_open(at("registry"), &other, &err));
    CHECK_STATUS(tailora_registry_free(registry), TAILORA_OK);
    CHECK_STATUS(tailora_registry_list(registry, &json, NULL), TAILORA_ERR_INVALID_HANDLE);
    MUST(tailora_registry_list(other, &json, &err));
    CHECK(has(json, "\"alias\":\"production\""));
    expect_in(json, second);
    CHECK_STATUS(tailora_registry_free(other), TAILORA_OK);
}

static void word_files(const tailora_model *model) {
    tailora_session *session = NULL;
    tailora_error *error = NULL;
    char *report = NULL, *json = NULL, *cases;
    size_t size;
    tailora_status status;

    MUST(tailora_session_new(model, NULL, &session, &err));
    MUST(tailora_session_report(session, FIELDS, strlen(FIELDS), "{\"influence\":false,\"generate\":{\"max_tokens\":24}}", NULL,
                                &report, &err));
    CHECK_STATUS(tailora_session_free(session), TAILORA_OK);
    size = 2 * strlen(report) + 512;
    cases = malloc(size);
    if (cases == NULL) exit(1);
    snprintf(cases, size, "{\"id\":\"E1\",\"title\":\"\xe7\x8e\x8b\",\"input\":\"%s\",\"report\":%s}", FIELDS, report);
    MUST(tailora_report_export_docx(cases, at("one.docx"), NULL, &err));
    MUST(tailora_report_import_docx(at("one.docx"), NULL, &json, &err));
    CHECK(has(json, "\"label\":\"kept\"") || has(json, "\"conclusions\":[]"));
    CHECK(has(json, "\"rows\":[") && has(json, FIELDS));
    expect_in(json, "\"id\":\"E1\"");

    snprintf(cases, size, "[{\"id\":\"E1\",\"input\":\"%s\",\"report\":%s},{\"id\":\"E2\",\"input\":\"\",\"report\":%s}]", FIELDS, report,
             report);
    MUST(tailora_report_export_docx(cases, at("all.docx"), "{\"language\":\"en\",\"author\":\"HR\"}", &err));
    MUST(tailora_report_export_docx_files(cases, out_path, NULL, &json, &err));
    CHECK(has(json, "E1.docx"));
    expect_in(json, "E2.docx");
    CHECK_STATUS(tailora_report_export_docx(cases, at("x.docx"), "{\"langage\":1}", NULL), TAILORA_ERR_INVALID_OPTIONS);
    status = tailora_report_export_docx("[{\"id\":\"E1\",\"input\":\"\",\"report\":{}}]", at("x.docx"), NULL, &error);
    refused(status, TAILORA_ERR_INVALID_ARGUMENT, error, "\"json_path\":");
    status = tailora_report_export_docx("{\"id\":5}", at("x.docx"), NULL, &error);
    refused(status, TAILORA_ERR_INVALID_ARGUMENT, error, "\"json_path\":\"cases.id\"");
    CHECK_STATUS(tailora_report_export_docx("[]", at("x.docx"), NULL, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_report_export_docx(NULL, at("x.docx"), NULL, NULL), TAILORA_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(tailora_report_import_docx(csv_path, NULL, &json, &error), TAILORA_ERR_DOCX_FORMAT);
    CHECK(json == NULL && has(tailora_error_details(error), "\"path\":"));
    tailora_error_free(error);
    CHECK_STATUS(tailora_report_import_docx(at("x.docx"), NULL, &json, NULL), TAILORA_ERR_IO);
    CHECK_STATUS(tailora_report_import_docx(at("one.docx"), "{\"x\":1}", &json, NULL), TAILORA_ERR_INVALID_OPTIONS);
    free(cases);
    CHECK_STATUS(tailora_string_free(report), TAILORA_OK);
}

int main(int count, char **arguments) {
    tailora_model *model = NULL;
    tailora_dataset *dataset = NULL;
    tailora_adapter *adapter = NULL;
    tailora_registry *folder = NULL;

    if (count < 4) {
        fprintf(stderr, "usage: business MODEL CSV OUT [quick]\n");
        return 2;
    }
    model_path = arguments[1];
    csv_path = arguments[2];
    out_path = arguments[3];
    rows = count > 4 ? 3 : 12;
    /* The library makes folders, C does not. */
    MUST(tailora_registry_create(at("registry"), &folder, &err));
    CHECK_STATUS(tailora_registry_free(folder), TAILORA_OK);
    options_files();
    MUST(tailora_model_load(model_path, NULL, NULL, NULL, NULL, &model, &err));
    MUST(tailora_dataset_open_csv(csv_path, NULL, NULL, NULL, NULL, &dataset, &err));
    MUST(tailora_train(model, dataset, "{\"max_steps\":1,\"r\":2,\"validation_share\":0}", NULL, NULL, NULL, &adapter, NULL, &err));
    batches(model, adapter);
    registries(model, adapter);
    word_files(model);
    tailora_adapter_free(adapter);
    tailora_dataset_free(dataset);
    tailora_model_free(model);
    CHECK(tailora_live_handles() == 0);
    return check_result("business");
}
