// tailora.hpp on a real model: owners, exceptions, callbacks that throw, streams as ranges, nothing left alive.
// Arguments: a model directory, a CSV, a directory to write to.

#include <cstdio>
#include <cstring>
#include <type_traits>

#include "tailora.hpp"

static int failures;
#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            failures++;                                                                  \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
        }                                                                                \
    } while (0)

static_assert(!std::is_copy_constructible_v<tailora::Model> && std::is_nothrow_move_constructible_v<tailora::Model>);
static_assert(!std::is_copy_constructible_v<tailora::Session> && std::is_nothrow_move_assignable_v<tailora::Session>);

static bool has(const std::string &text, const char *what) { return text.find(what) != std::string::npos; }

struct from_the_callback {
    int value;
};

static void errors() {
    try {
        tailora::Model::load("no/such/model");
        CHECK(!"loaded");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_IO);
        CHECK(std::strcmp(err.name(), "TAILORA_ERR_IO") == 0);
        CHECK(has(err.what(), "no/such/model"));
        CHECK(has(err.details(), "\"path\""));
    }
    CHECK(has(tailora::build_info(), "\"devices\""));
    CHECK(has(tailora::options_schema("generate"), "max_tokens"));
    CHECK(!tailora::version().empty());
    CHECK(tailora::abi_version() >> 16 == TAILORA_ABI_MAJOR);
}

static void jobs(const char *model_path, const char *csv_path, const char *out_path) {
    int events = 0;
    auto model = tailora::Model::load(model_path, "{}", [&](const tailora::Progress &event) {
        CHECK(event.phase == TAILORA_PHASE_LOAD);
        return ++events > 0;
    });
    CHECK(events > 0);
    CHECK(has(model.info(), "\"model_type\":\"qwen2\""));
    CHECK(has(model.tokenize("ab"), "\"ids\":["));
    CHECK(model.detokenize({}) == R"({"text":""})");
    CHECK(model.count_tokens("") == 0 && model.count_tokens("ab") > 0);
    const auto dataset = tailora::Dataset::open_csv(csv_path);
    CHECK(has(dataset.info(), "\"rows\""));
    CHECK(!dataset.preview(model, 1).empty());

    // What a callback throws comes back, as it was thrown.
    try {
        tailora::train(model, dataset, {}, [](const tailora::Progress &) -> bool { throw from_the_callback{17}; });
        CHECK(!"trained");
    } catch (const from_the_callback &thrown) {
        CHECK(thrown.value == 17);
    }
    // What it refuses stops the work.
    try {
        tailora::Model::load(model_path, {}, [](const tailora::Progress &) { return false; });
        CHECK(!"loaded");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_CANCELLED);
    }

    auto trained = tailora::train(model, dataset, R"({"max_steps": 2, "r": 2})");
    CHECK(!trained.stopped && has(trained.summary, "stop_reason"));
    CHECK(has(model.estimate(&dataset, R"({"max_steps": 2})"), "peak_bytes"));
    CHECK(has(model.estimate(), "\"seconds\":null"));
    CHECK(has(tailora::evaluate(model, {}, dataset), "\"adapter\":null"));
    int measured = 0;
    const auto evaluation = tailora::evaluate(model, {{&trained.adapter, 1.0}}, dataset, &dataset, R"({"memorisation_samples": 1})",
                                              [&](const tailora::Progress &) { return ++measured > 0; });
    CHECK(measured > 0 && has(evaluation, "\"outputs\":1"));
    try {
        tailora::evaluate(model, {}, dataset, nullptr, {}, [](const tailora::Progress &) -> bool { throw from_the_callback{3}; });
        CHECK(!"evaluated");
    } catch (const from_the_callback &thrown) {
        CHECK(thrown.value == 3);
    }
    trained.adapter.save(out_path);
    try {
        trained.adapter.save(out_path);
        CHECK(!"saved over an adapter");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_IO);
    }
    trained.adapter.save(out_path, R"({"overwrite": true})");
    const auto loaded = model.load_adapter(out_path, R"({"name": "hr"})");
    CHECK(has(loaded.info(), "\"hr\""));
    const auto merged = tailora::Adapter::merge({{&trained.adapter, 0.5}, {&loaded, 0.5}});

    auto first = model.session();
    auto session = std::move(first);
    CHECK(first.get() == nullptr);
    try {
        first.generate("a");
        CHECK(!"a moved-from session answered");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_INVALID_HANDLE);
        CHECK(has(err.what(), "the session handle is NULL"));
    }
    session.attach(merged);
    session.attach(loaded, 0.5);
    session.set_scale(loaded, 2.0);
    session.detach(loaded);
    CHECK(has(session.generate("a", R"({"max_tokens": 3})"), "\"text\""));
    CHECK(has(session.report("岗位:P7,绩效:A", R"({"generate": {"max_tokens": 20}})"), "\"tailora.report/1\""));

    CHECK(has(session.score("a", "b"), "\"logprob\":-"));
    CHECK(has(session.generate({}, R"({"max_tokens": 1, "messages": [{"role": "user", "content": "a"}]})"), "\"text\""));

    auto stream = session.stream("a", R"({"max_tokens": 8})");
    session.reset();
    session = model.session(); // frees the old one; the stream lives on
    std::string text;
    for (std::string_view chunk : stream) text += chunk;
    CHECK(!stream.next());
    const auto usage = stream.usage();
    CHECK(has(stream.summary(), ("\"completion_tokens\":" + std::to_string(usage.completion_tokens)).c_str()));
    CHECK(has(stream.summary(), ("\"prompt_tokens\":" + std::to_string(usage.prompt_tokens)).c_str()));

    tailora::Cancel cancel;
    cancel.request();
    CHECK(has(session.generate("a", {}, &cancel), "\"cancelled\""));
}

// Log records while a sink lives, and none after it; what it throws does no harm.
static void log_records(const char *model_path) {
    int records = 0;
    {
        const tailora::LogSink sink([&](std::int32_t level, std::string_view target, std::string_view message) {
            CHECK(level >= TAILORA_LOG_ERROR && level <= TAILORA_LOG_INFO);
            CHECK(target.substr(0, 7) == "tailora" && !message.empty());
            records++;
            throw from_the_callback{1};
        });
        tailora::Model::load(model_path);
    }
    CHECK(records > 0);
    const int until_then = records;
    tailora::Model::load(model_path);
    CHECK(records == until_then);
}

// Batch, registry and Word files, on an adapter that was saved.
static void business(const char *model_path, const std::string &adapter_path) {
    const auto model = tailora::Model::load(model_path);
    const auto adapter = model.load_adapter(adapter_path);
    const std::string home = adapter_path + "-business";
    const auto registry = tailora::Registry::create(home);
    const std::string publication = registry.publish(adapter, R"({"name": "hr", "extra": {"by": "me"}})");
    const auto begin = publication.find("\"version\":\"") + 11;
    const std::string version = publication.substr(begin, publication.find('"', begin) - begin);
    CHECK(has(version, "hr-"));
    CHECK(has(registry.promote("production", version), "\"number\":1"));
    CHECK(has(registry.promote_split("test", "[{\"version\":\"" + version + "\",\"share\":1}]"), "\"share\":1"));
    CHECK(has(registry.resolve("production"), version.c_str()) && has(registry.resolve("test", "E1"), version.c_str()));
    const auto loaded = registry.load(model, "production", "E1");
    CHECK(has(loaded.info(), "\"hr\""));
    registry.audit("E1", version, "production", 7);
    registry.audit("E1", version, std::nullopt, 8);
    CHECK(has(registry.audited("E1"), "\"seed\":8") && registry.audited("E2") == "[]");
    CHECK(has(registry.history("production"), "promote") && has(tailora::Registry::open(home).list(), "\"aliases\":[{"));
    try {
        registry.rollback("production");
        CHECK(!"rolled back");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_INVALID_ARGUMENT);
    }
    try {
        registry.contains(version, "E1");
        CHECK(!"known");
    } catch (const tailora::error &err) {
        CHECK(has(err.what(), "id_column"));
    }

    auto session = model.session();
    const std::string report = session.report("岗位:P7", R"({"influence": false, "generate": {"max_tokens": 20}})");
    const std::string one = R"({"id": "E1", "input": "岗位:P7", "report": )" + report + "}";
    tailora::export_docx(one, home + "/one.docx", R"({"language": "en"})");
    CHECK(has(tailora::import_docx(home + "/one.docx"), "\"pending\":"));
    CHECK(has(tailora::export_docx_files("[" + one + "]", home), "E1.docx"));
    try {
        tailora::recalibrate(adapter, {home + "/one.docx"});
        CHECK(!"recalibrated by what nobody decided on");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_INVALID_ARGUMENT && has(err.details(), "\"of_others\":1"));
    }
    try {
        tailora::batch(model, {{&adapter, 1.0}}, "no/such.csv", home + "/job", {}, [](const tailora::Progress &) { return true; });
        CHECK(!"a batch");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_IO);
    }
    try {
        tailora::merge_shards({home + "/job", home + "/job"}, home + "/merged.jsonl");
        CHECK(!"merged");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_INVALID_ARGUMENT);
    }
    try {
        tailora::options_from_file("no/such.yaml", "batch");
        CHECK(!"read");
    } catch (const tailora::error &err) {
        CHECK(err.code() == TAILORA_ERR_IO);
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    errors();
    jobs(argv[1], argv[2], argv[3]);
    log_records(argv[1]);
    business(argv[1], argv[3]);
    CHECK(tailora::live_handles() == 0);
    std::printf("raii: %d failed\n", failures);
    return failures == 0 ? 0 : 1;
}
