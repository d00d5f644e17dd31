/*
 * tailora.hpp - Tailora for C++17: the C API of tailora.h with owners, exceptions and std::string. Header-only.
 *
 * Objects own their handle: they move, do not copy, and free it when they go. They may go in any order. Model, Adapter,
 * Dataset and Registry may be used by any number of threads at once; Session and Stream by one call at a time.
 *
 * What fails throws tailora::error. An exception thrown by a progress callback stops the work and comes out of the call
 * as it was thrown. Options and results are JSON texts; "" are the defaults.
 */
#ifndef TAILORA_HPP
#define TAILORA_HPP

#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tailora.h"

namespace tailora {

/// What went wrong.
class error : public std::runtime_error {
public:
    error(tailora_status code, const std::string &message, std::string details)
        : std::runtime_error(message), code_(code), details_(std::move(details)) {}

    /// One of TAILORA_ERR_*.
    tailora_status code() const noexcept { return code_; }
    /// Its name, e.g. "TAILORA_ERR_IO".
    const char *name() const noexcept { return tailora_status_name(code_); }
    /// Facts for programs, a JSON object.
    const std::string &details() const noexcept { return details_; }

private:
    tailora_status code_;
    std::string details_;
};

/// A progress event; see tailora_progress in tailora.h.
using Progress = tailora_progress;
/// Receives progress; false stops the work.
using ProgressCallback = std::function<bool(const Progress &)>;

namespace detail {

/// Throws what `err` says if `status` is an error; else hands the status back. `err` is a reference, since it is often
/// written by the very call that makes the other argument.
inline tailora_status check(tailora_status status, tailora_error *const &err) {
    if (status >= 0) return status;
    const std::unique_ptr<tailora_error, tailora_status (*)(tailora_error *)> owned(err, &tailora_error_free);
    if (err == nullptr) throw error(status, tailora_status_name(status), "{}");
    throw error(status, tailora_error_message(err), tailora_error_details(err));
}

/// Takes over a string of the library.
inline std::string take(char *text) {
    const std::unique_ptr<char, tailora_status (*)(char *)> owned(text, &tailora_string_free);
    return text == nullptr ? std::string() : std::string(text);
}

/// Calls a function that gives out one JSON text.
template <typename Call> std::string json(Call call) {
    char *text = nullptr;
    tailora_error *err = nullptr;
    check(call(&text, &err), err);
    return take(text);
}

inline const char *options(const std::string &json) { return json.empty() ? nullptr : json.c_str(); }

inline const char *optional(const std::optional<std::string> &text) { return text ? text->c_str() : nullptr; }

/// A callback across C: what it throws waits here until the call is over.
class Relay {
public:
    explicit Relay(const ProgressCallback &callback) : callback_(callback) {}
    tailora_progress_fn function() const { return callback_ ? &Relay::call : nullptr; }
    void *user() { return this; }
    /// Throws again what the callback threw.
    void rethrow() const {
        if (thrown_) std::rethrow_exception(thrown_);
    }

private:
    static int32_t call(const tailora_progress *event, void *user) noexcept {
        auto *self = static_cast<Relay *>(user);
        if (self->thrown_) return 1;
        try {
            return self->callback_(*event) ? 0 : 1;
        } catch (...) {
            self->thrown_ = std::current_exception();
            return 1;
        }
    }

    const ProgressCallback &callback_;
    std::exception_ptr thrown_;
};

/// The end of a call with a callback: what the callback threw comes first, then what the library says.
template <typename Object, typename Handle>
Object finish(const Relay &relay, tailora_status status, Handle *handle, tailora_error *err) {
    Object object(handle);
    try {
        relay.rethrow();
    } catch (...) {
        tailora_error_free(err);
        throw;
    }
    check(status, err);
    return object;
}

/// Owns a handle.
template <typename Handle, tailora_status (*Free)(Handle *)> class Owner {
public:
    explicit Owner(Handle *handle) noexcept : handle_(handle) {}
    Owner(Owner &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Owner &operator=(Owner &&other) noexcept {
        if (this != &other) {
            Free(handle_);
            handle_ = std::exchange(other.handle_, nullptr);
        }
        return *this;
    }
    Owner(const Owner &) = delete;
    Owner &operator=(const Owner &) = delete;
    ~Owner() { Free(handle_); }

    /// The C handle, still owned by this object.
    Handle *get() const noexcept { return handle_; }

private:
    Handle *handle_;
};

/// A string of the library.
using Text = Owner<char, tailora_string_free>;

/// Adapters and their scales, as the library takes them.
struct Stack {
    template <typename Pairs> explicit Stack(const Pairs &pairs) {
        for (const auto &[adapter, scale] : pairs) {
            handles.push_back(adapter == nullptr ? nullptr : adapter->get());
            scales.push_back(scale);
        }
    }
    std::vector<const tailora_adapter *> handles;
    std::vector<double> scales;
};

} // namespace detail

/// The package's version, e.g. "0.1.0".
inline std::string version() { return tailora_version(); }

/// The ABI of the loaded library, major << 16 | minor.
inline std::uint32_t abi_version() { return tailora_abi_version(); }

/// Handles and strings that the library gave out and that were not freed.
inline std::uint64_t live_handles() { return tailora_live_handles(); }

/// How the library was built and what it finds on this machine, JSON.
inline std::string build_info() { return detail::json(&tailora_build_info); }

/// The JSON Schema of a set of options: "model", "adapter", "dataset", "train", "evaluate", "session", "generate", "score", "report", "tokenize",
/// "batch", "publish", "docx".
inline std::string options_schema(const std::string &name) {
    return detail::json([&](char **text, tailora_error **err) { return tailora_options_schema(name.c_str(), text, err); });
}

/// Options out of a YAML or JSON file, checked, as JSON. `name`: as for `options_schema`.
inline std::string options_from_file(const std::string &path, const std::string &name) {
    return detail::json(
        [&](char **text, tailora_error **err) { return tailora_options_from_file(path.c_str(), name.c_str(), text, err); });
}

/// Receives a log record, on any thread: one of TAILORA_LOG_*, the part of the library that speaks, and the sentence.
using LogCallback = std::function<void(std::int32_t level, std::string_view target, std::string_view message)>;

/// Takes the library's log records as long as it lives. One at a time for the process: the next may begin when this one has gone.
class LogSink {
public:
    /// `max_level`: the most detailed one wanted. What `callback` throws is dropped.
    explicit LogSink(LogCallback callback, std::int32_t max_level = TAILORA_LOG_INFO)
        : callback_(std::make_unique<LogCallback>(std::move(callback))) {
        const tailora_log_sink sink{sizeof(tailora_log_sink), max_level, &LogSink::call, callback_.get()};
        tailora_error *err = nullptr;
        detail::check(tailora_set_log_sink(&sink, &err), err);
    }
    LogSink(const LogSink &) = delete;
    LogSink &operator=(const LogSink &) = delete;
    /// Waits for a record that is being received, a second at most; if it takes longer, the callback is never freed.
    ~LogSink() {
        if (tailora_set_log_sink(nullptr, nullptr) != TAILORA_OK) static_cast<void>(callback_.release());
    }

private:
    static void call(const tailora_log_event *event, void *user) noexcept {
        try {
            (*static_cast<LogCallback *>(user))(event->level, event->target, event->message);
        } catch (...) {
        }
    }

    std::unique_ptr<LogCallback> callback_;
};

/// A request to stop, usable from any thread.
class Cancel : public detail::Owner<tailora_cancel, tailora_cancel_free> {
public:
    Cancel() : Owner(make()) {}
    /// Asks the calls that were given it to stop.
    void request() const noexcept { tailora_cancel_request(get()); }

private:
    static tailora_cancel *make() {
        tailora_cancel *cancel = nullptr;
        tailora_error *err = nullptr;
        detail::check(tailora_cancel_new(&cancel, &err), err);
        return cancel;
    }
};

class Session;
class Adapter;
class Dataset;

/// A base model; immutable.
class Model : public detail::Owner<tailora_model, tailora_model_free> {
public:
    explicit Model(tailora_model *handle) : Owner(handle) {}

    /// Loads a Hugging Face directory or a GGUF file.
    static Model load(const std::string &path, const std::string &options = {}, const ProgressCallback &progress = {},
                      const Cancel *cancel = nullptr) {
        tailora_model *model = nullptr;
        tailora_error *err = nullptr;
        detail::Relay relay(progress);
        const tailora_status status =
            tailora_model_load(path.c_str(), detail::options(options), relay.function(), relay.user(),
                               cancel == nullptr ? nullptr : cancel->get(), &model, &err);
        return detail::finish<Model>(relay, status, model, err);
    }

    /// What the model is, JSON.
    std::string info() const {
        return detail::json([&](char **text, tailora_error **err) { return tailora_model_info(get(), text, err); });
    }

    /// Tokens in a text.
    std::uint64_t count_tokens(std::string_view text) const {
        std::uint64_t count = 0;
        tailora_error *err = nullptr;
        detail::check(tailora_model_count_tokens(get(), text.data(), text.size(), &count, &err), err);
        return count;
    }

    /// The token ids of a text, JSON.
    std::string tokenize(std::string_view text, const std::string &options = {}) const {
        return detail::json([&](char **json, tailora_error **err) {
            return tailora_model_tokenize(get(), text.data(), text.size(), detail::options(options), json, err);
        });
    }

    /// The text of token ids, JSON.
    std::string detokenize(const std::vector<std::uint32_t> &ids, const std::string &options = {}) const {
        return detail::json([&](char **json, tailora_error **err) {
            return tailora_model_detokenize(get(), ids.data(), ids.size(), detail::options(options), json, err);
        });
    }

    /// Memory and time that a training would take, JSON. Without a dataset, of the longest rows that the options allow.
    inline std::string estimate(const Dataset *dataset = nullptr, const std::string &options = {},
                                const Cancel *cancel = nullptr) const;
    inline Session session(const std::string &options = {}) const;
    inline Adapter load_adapter(const std::string &path, const std::string &options = {}) const;
};

/// A LoRA adapter; immutable.
class Adapter : public detail::Owner<tailora_adapter, tailora_adapter_free> {
public:
    explicit Adapter(tailora_adapter *handle) : Owner(handle) {}

    /// Saves it as a PEFT directory; with the option `overwrite` in the place of the adapter that is there.
    void save(const std::string &path, const std::string &options = {}) const {
        tailora_error *err = nullptr;
        detail::check(tailora_adapter_save(get(), path.c_str(), detail::options(options), &err), err);
    }

    /// What the adapter is, JSON.
    std::string info() const {
        return detail::json([&](char **text, tailora_error **err) { return tailora_adapter_info(get(), text, err); });
    }

    /// One adapter that does what the stack does.
    static Adapter merge(const std::vector<std::pair<const Adapter *, double>> &stack, const std::string &options = {}) {
        const detail::Stack all(stack);
        tailora_adapter *merged = nullptr;
        tailora_error *err = nullptr;
        detail::check(tailora_adapter_merge(all.handles.data(), all.scales.data(), all.handles.size(),
                                            detail::options(options), &merged, &err),
                      err);
        return Adapter(merged);
    }
};

/// The checked rows of a CSV; immutable.
class Dataset : public detail::Owner<tailora_dataset, tailora_dataset_free> {
public:
    explicit Dataset(tailora_dataset *handle) : Owner(handle) {}

    /// Opens a CSV with the columns `input` and `output`.
    static Dataset open_csv(const std::string &path, const std::string &options = {}, const ProgressCallback &progress = {},
                            const Cancel *cancel = nullptr) {
        tailora_dataset *dataset = nullptr;
        tailora_error *err = nullptr;
        detail::Relay relay(progress);
        const tailora_status status =
            tailora_dataset_open_csv(path.c_str(), detail::options(options), relay.function(), relay.user(),
                                     cancel == nullptr ? nullptr : cancel->get(), &dataset, &err);
        return detail::finish<Dataset>(relay, status, dataset, err);
    }

    /// What was read, JSON.
    std::string info() const {
        return detail::json([&](char **text, tailora_error **err) { return tailora_dataset_info(get(), text, err); });
    }

    /// Row `row` (from 1) as the model will see it, JSON.
    std::string preview(const Model &model, std::uint64_t row) const {
        return detail::json(
            [&](char **text, tailora_error **err) { return tailora_dataset_preview(get(), model.get(), row, text, err); });
    }
};

/// Memory and time that a training would take.
inline std::string Model::estimate(const Dataset *dataset, const std::string &options, const Cancel *cancel) const {
    return detail::json([&](char **text, tailora_error **err) {
        return tailora_model_estimate(get(), dataset == nullptr ? nullptr : dataset->get(), detail::options(options),
                                      cancel == nullptr ? nullptr : cancel->get(), text, err);
    });
}

/// What training gives.
struct Trained {
    Adapter adapter;
    /// Losses, steps, speed, why it ended: JSON.
    std::string summary;
    /// Training ended before its end, since the host asked to stop or an error came (the summary's `stop_reason` and `error`
    /// say which): the adapter is the best until then.
    bool stopped;
};

/// Trains a LoRA adapter.
inline Trained train(const Model &model, const Dataset &dataset, const std::string &options = {},
                     const ProgressCallback &progress = {}, const Cancel *cancel = nullptr) {
    tailora_adapter *handle = nullptr;
    char *text = nullptr;
    tailora_error *err = nullptr;
    detail::Relay relay(progress);
    const tailora_status status =
        tailora_train(model.get(), dataset.get(), detail::options(options), relay.function(), relay.user(),
                      cancel == nullptr ? nullptr : cancel->get(), &handle, &text, &err);
    std::unique_ptr<char, tailora_status (*)(char *)> summary(text, &tailora_string_free);
    Adapter adapter = detail::finish<Adapter>(relay, status, handle, err);
    return Trained{std::move(adapter), detail::take(summary.release()), status == TAILORA_STOPPED};
}

/// Loss and perplexity on a dataset, of the model and of a stack of its adapters, JSON; with the rows that they were
/// trained on, also how much the answers copy from those.
inline std::string evaluate(const Model &model, const std::vector<std::pair<const Adapter *, double>> &adapters,
                            const Dataset &dataset, const Dataset *training = nullptr, const std::string &options = {},
                            const ProgressCallback &progress = {}, const Cancel *cancel = nullptr) {
    const detail::Stack stack(adapters);
    detail::Relay relay(progress);
    char *text = nullptr;
    tailora_error *err = nullptr;
    const tailora_status status =
        tailora_evaluate(model.get(), stack.handles.data(), stack.scales.data(), stack.handles.size(), dataset.get(),
                         training == nullptr ? nullptr : training->get(), detail::options(options), relay.function(),
                         relay.user(), cancel == nullptr ? nullptr : cancel->get(), &text, &err);
    return detail::finish<detail::Text>(relay, status, text, err).get();
}

/// A text while it is being generated. `for (std::string_view chunk : stream)` gives whole characters.
class Stream : public detail::Owner<tailora_stream, tailora_stream_free> {
public:
    explicit Stream(tailora_stream *handle) : Owner(handle) {}

    /// The next chunk, valid until the next call; nothing at the end.
    std::optional<std::string_view> next() {
        const char *chunk = nullptr;
        std::size_t len = 0;
        tailora_error *err = nullptr;
        if (detail::check(tailora_stream_next(get(), &chunk, &len, &err), err) == TAILORA_DONE) return std::nullopt;
        return std::string_view(chunk, len);
    }

    /// Text, finish reason and token counts so far, JSON.
    std::string summary() {
        return detail::json([&](char **text, tailora_error **err) { return tailora_stream_summary(get(), text, err); });
    }

    /// Tokens of the prompt and of the text so far, which may be asked after each chunk.
    struct Usage {
        std::uint64_t prompt_tokens = 0;
        std::uint64_t completion_tokens = 0;
    };

    Usage usage() {
        Usage usage;
        tailora_error *err = nullptr;
        detail::check(tailora_stream_usage(get(), &usage.prompt_tokens, &usage.completion_tokens, &err), err);
        return usage;
    }

    /// Single-pass iterator over the chunks.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;
        using pointer = const std::string_view *;
        using reference = const std::string_view &;

        iterator() = default;
        explicit iterator(Stream *stream) : stream_(stream) { ++*this; }
        reference operator*() const { return chunk_; }
        pointer operator->() const { return &chunk_; }
        iterator &operator++() {
            if (const auto chunk = stream_->next()) {
                chunk_ = *chunk;
            } else {
                stream_ = nullptr;
            }
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator &a, const iterator &b) { return a.stream_ == b.stream_; }
        friend bool operator!=(const iterator &a, const iterator &b) { return !(a == b); }

    private:
        Stream *stream_ = nullptr;
        std::string_view chunk_;
    };

    iterator begin() { return iterator(this); }
    iterator end() { return iterator(); }
};

/// A model through a stack of adapters. One call at a time.
class Session : public detail::Owner<tailora_session, tailora_session_free> {
public:
    explicit Session(tailora_session *handle) : Owner(handle) {}

    /// Puts an adapter on the stack.
    void attach(const Adapter &adapter, double scale = 1.0) {
        tailora_error *err = nullptr;
        detail::check(tailora_session_attach(get(), adapter.get(), scale, &err), err);
    }

    /// Takes an adapter off the stack.
    void detach(const Adapter &adapter) {
        tailora_error *err = nullptr;
        detail::check(tailora_session_detach(get(), adapter.get(), &err), err);
    }

    /// Gives an adapter of the stack another scale, where it is.
    void set_scale(const Adapter &adapter, double scale) {
        tailora_error *err = nullptr;
        detail::check(tailora_session_set_scale(get(), adapter.get(), scale, &err), err);
    }

    /// Makes the session as new.
    void reset() {
        tailora_error *err = nullptr;
        detail::check(tailora_session_reset(get(), &err), err);
    }

    /// Answers a prompt, JSON. A requested stop gives the text until then, with the finish reason `cancelled`.
    std::string generate(std::string_view prompt, const std::string &options = {}, const Cancel *cancel = nullptr) {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_session_generate(get(), prompt.data(), prompt.size(), detail::options(options),
                                            cancel == nullptr ? nullptr : cancel->get(), text, err);
        });
    }

    /// How probable a completion is after a prompt, JSON.
    std::string score(std::string_view prompt, std::string_view completion, const std::string &options = {},
                      const Cancel *cancel = nullptr) {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_session_score(get(), prompt.data(), prompt.size(), completion.data(), completion.size(),
                                         detail::options(options), cancel == nullptr ? nullptr : cancel->get(), text, err);
        });
    }

    /// Writes a report on one line of fields, JSON.
    std::string report(std::string_view input, const std::string &options = {}, const Cancel *cancel = nullptr) {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_session_report(get(), input.data(), input.size(), detail::options(options),
                                          cancel == nullptr ? nullptr : cancel->get(), text, err);
        });
    }

    /// Starts answering a prompt chunk by chunk. The stream does not need the session any more.
    Stream stream(std::string_view prompt, const std::string &options = {}, const Cancel *cancel = nullptr) {
        tailora_stream *stream = nullptr;
        tailora_error *err = nullptr;
        detail::check(tailora_stream_open(get(), prompt.data(), prompt.size(), detail::options(options),
                                          cancel == nullptr ? nullptr : cancel->get(), &stream, &err),
                      err);
        return Stream(stream);
    }
};

/// Makes a session with no adapter attached.
inline Session Model::session(const std::string &options) const {
    tailora_session *session = nullptr;
    tailora_error *err = nullptr;
    detail::check(tailora_session_new(get(), detail::options(options), &session, &err), err);
    return Session(session);
}

/// Loads a LoRA adapter of this model from a PEFT directory.
inline Adapter Model::load_adapter(const std::string &path, const std::string &options) const {
    tailora_adapter *adapter = nullptr;
    tailora_error *err = nullptr;
    detail::check(tailora_adapter_load(get(), path.c_str(), detail::options(options), &adapter, &err), err);
    return Adapter(adapter);
}

/// Writes a report on each case of a file into a job's folder, and goes on where an earlier call ended; how it went, JSON.
inline std::string batch(const Model &model, const std::vector<std::pair<const Adapter *, double>> &adapters,
                         const std::string &input, const std::string &job, const std::string &options = {},
                         const ProgressCallback &progress = {}, const Cancel *cancel = nullptr) {
    const detail::Stack stack(adapters);
    detail::Relay relay(progress);
    char *text = nullptr;
    tailora_error *err = nullptr;
    const tailora_status status =
        tailora_batch_run(model.get(), stack.handles.data(), stack.scales.data(), stack.handles.size(), input.c_str(),
                          job.c_str(), detail::options(options), relay.function(), relay.user(),
                          cancel == nullptr ? nullptr : cancel->get(), &text, &err);
    return detail::finish<detail::Text>(relay, status, text, err).get();
}

/// Puts the reports of all shards of a job into one new file; how many there are, JSON.
inline std::string merge_shards(const std::vector<std::string> &jobs, const std::string &output) {
    std::vector<const char *> paths;
    for (const auto &job : jobs) paths.push_back(job.c_str());
    return detail::json([&](char **text, tailora_error **err) {
        return tailora_batch_merge(paths.data(), paths.size(), output.c_str(), text, err);
    });
}

/// A folder of adapter versions, and the aliases that stand for them. Any threads and processes may use it.
class Registry : public detail::Owner<tailora_registry, tailora_registry_free> {
public:
    explicit Registry(tailora_registry *handle) : Owner(handle) {}

    /// Opens one that is there.
    static Registry open(const std::string &path) { return made(path, &tailora_registry_open); }

    /// Makes one of a new or empty folder, or opens the one that is there.
    static Registry create(const std::string &path) { return made(path, &tailora_registry_create); }

    /// Adds an adapter as a version; what was published, JSON.
    std::string publish(const Adapter &adapter, const std::string &options = {}) const {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_registry_publish(get(), adapter.get(), detail::options(options), text, err);
        });
    }

    /// The version that an alias has for an employee, or stands for; or the version of this name. JSON.
    std::string resolve(const std::string &alias_or_version, const std::optional<std::string> &id = {}) const {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_registry_resolve(get(), alias_or_version.c_str(), detail::optional(id), text, err);
        });
    }

    /// Loads what `resolve` finds.
    Adapter load(const Model &model, const std::string &alias_or_version, const std::optional<std::string> &id = {}) const {
        tailora_adapter *adapter = nullptr;
        tailora_error *err = nullptr;
        detail::check(tailora_registry_load(get(), model.get(), alias_or_version.c_str(), detail::optional(id), &adapter, &err),
                      err);
        return Adapter(adapter);
    }

    /// Lets an alias stand for a version; the change, JSON.
    std::string promote(const std::string &alias, const std::string &version) const {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_registry_promote(get(), alias.c_str(), version.c_str(), text, err);
        });
    }

    /// Lets an alias split employees among versions: `[{"version": …, "share": …}, …]`; the change, JSON.
    std::string promote_split(const std::string &alias, const std::string &shares) const {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_registry_promote_split(get(), alias.c_str(), shares.c_str(), text, err);
        });
    }

    /// Gives an alias back what it stood for before; the change, JSON.
    std::string rollback(const std::string &alias) const {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_registry_rollback(get(), alias.c_str(), text, err);
        });
    }

    /// The changes of an alias, the oldest first, JSON.
    std::string history(const std::string &alias) const {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_registry_history(get(), alias.c_str(), text, err);
        });
    }

    /// All versions and aliases, JSON.
    std::string list() const {
        return detail::json([&](char **text, tailora_error **err) { return tailora_registry_list(get(), text, err); });
    }

    /// Whether a person's rows are in a version.
    bool contains(const std::string &version, const std::string &id) const {
        std::int32_t contained = 0;
        tailora_error *err = nullptr;
        detail::check(tailora_registry_contains(get(), version.c_str(), id.c_str(), &contained, &err), err);
        return contained != 0;
    }

    /// Adds a line to the audit: a report about `id`, by a version.
    void audit(const std::string &id, const std::string &version, const std::optional<std::string> &alias, std::uint64_t seed) const {
        tailora_error *err = nullptr;
        detail::check(tailora_registry_audit(get(), id.c_str(), version.c_str(), detail::optional(alias), seed, &err), err);
    }

    /// The audit's lines about a person, JSON.
    std::string audited(const std::string &id) const {
        return detail::json([&](char **text, tailora_error **err) {
            return tailora_registry_audited(get(), id.c_str(), text, err);
        });
    }

private:
    static Registry made(const std::string &path,
                         tailora_status (*open)(const char *, tailora_registry **, tailora_error **)) {
        tailora_registry *registry = nullptr;
        tailora_error *err = nullptr;
        detail::check(open(path.c_str(), &registry, &err), err);
        return Registry(registry);
    }
};

/// Writes a case, or a list of them, as one Word file: `{"id": …, "input": …, "report": …}`.
inline void export_docx(const std::string &cases, const std::string &path, const std::string &options = {}) {
    tailora_error *err = nullptr;
    detail::check(tailora_report_export_docx(cases.c_str(), path.c_str(), detail::options(options), &err), err);
}

/// Writes a Word file for each case into a folder; their paths, JSON.
inline std::string export_docx_files(const std::string &cases, const std::string &folder, const std::string &options = {}) {
    return detail::json([&](char **text, tailora_error **err) {
        return tailora_report_export_docx_files(cases.c_str(), folder.c_str(), detail::options(options), text, err);
    });
}

/// What a reviewer made of a Word file: rows, and a label for each conclusion, JSON.
inline std::string import_docx(const std::string &path) {
    return detail::json(
        [&](char **text, tailora_error **err) { return tailora_report_import_docx(path.c_str(), nullptr, text, err); });
}

/// An adapter with confidences by reviews.
struct Recalibrated {
    Adapter adapter;
    /// How many conclusions were left as they were, and how well confidences agree with that: JSON.
    std::string summary;
};

/// Gives an adapter confidences that mean the share of conclusions that reviewers leave as they were, from reviewed files.
inline Recalibrated recalibrate(const Adapter &adapter, const std::vector<std::string> &paths) {
    std::vector<const char *> files;
    for (const auto &path : paths) files.push_back(path.c_str());
    tailora_adapter *made = nullptr;
    char *text = nullptr;
    tailora_error *err = nullptr;
    detail::check(tailora_adapter_recalibrate(adapter.get(), files.data(), files.size(), &made, &text, &err), err);
    Adapter owner(made);
    return Recalibrated{std::move(owner), detail::take(text)};
}

} // namespace tailora

#endif
