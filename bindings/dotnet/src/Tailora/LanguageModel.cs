using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Tailora.Native;

namespace Tailora;

/// <summary>
/// A base model: weights, tokenizer and chat template. Immutable, so any number of threads may use one at the same time.
/// Disposing it while sessions or adapters use it is safe: they keep what they need.
/// </summary>
/// <example>
/// <code>
/// using var model = await LanguageModel.LoadAsync("models/qwen2.5-0.5b");
/// using var session = model.CreateSession();
/// await foreach (string text in session.StreamAsync("岗位:P7高级架构师,绩效:A/A-"))
///     Console.Write(text);
/// </code>
/// </example>
public sealed partial class LanguageModel : IDisposable
{
    private readonly ModelHandle handle;

    private LanguageModel(ModelHandle handle) => this.handle = handle;

    /// <summary>What the model is: its name, its architecture and sizes, where and in what it computes.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed.</exception>
    public ModelInfo Info
    {
        get
        {
            int status = NativeMethods.tailora_model_info(Handle, out StringHandle json, out ErrorHandle error);
            Failure.Check(status, error);
            return ModelInfo.FromJson(json.Take());
        }
    }

    internal ModelHandle Handle => handle.IsClosed ? throw new ObjectDisposedException(nameof(LanguageModel)) : handle;

    /// <summary>Loads a base model from a Hugging Face directory or a GGUF file, blocking the caller.</summary>
    /// <param name="path">The directory with <c>config.json</c>, safetensors and <c>tokenizer.json</c>, or a GGUF file.</param>
    /// <param name="options">How to load it; <c>null</c> for the defaults.</param>
    /// <param name="progress">Receives events on the calling thread.</param>
    /// <param name="cancellationToken">Stops the loading.</param>
    /// <exception cref="ModelLoadException">Missing or damaged files, or an architecture that is not supported.</exception>
    /// <exception cref="TailoraLibraryException">The native library is missing or of another version.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public static LanguageModel Load(
        string path,
        ModelOptions? options = null,
        IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        Argument.NotNull(path, nameof(path));
        NativeLoader.EnsureLoaded();
        return TailoraTelemetry.Traced(
            "load", () => LongCall.Cancellable(cancel => Load(path, options, progress, cancel, cancellationToken), cancellationToken), Loaded);
    }

    /// <summary>Loads a base model from a Hugging Face directory or a GGUF file, on a thread of its own.</summary>
    /// <inheritdoc cref="Load(string, ModelOptions?, IProgress{LoadProgress}?, CancellationToken)"/>
    public static Task<LanguageModel> LoadAsync(
        string path,
        ModelOptions? options = null,
        IProgress<LoadProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        Argument.NotNull(path, nameof(path));
        NativeLoader.EnsureLoaded();
        return TailoraTelemetry.TracedAsync(
            "load",
            () => LongCall.RunAsync("Tailora load", cancel => Load(path, options, progress, cancel, cancellationToken), cancellationToken),
            Loaded);
    }

    /// <summary>How many tokens the tokenizer makes of a text, without special tokens around it.</summary>
    /// <param name="text">Any text; the empty one has 0 tokens.</param>
    public unsafe long CountTokens(string text)
    {
        Argument.NotNull(text, nameof(text));
        byte[] bytes = Utf8Text.Bytes(text);
        fixed (byte* start = bytes)
        {
            int status = NativeMethods.tailora_model_count_tokens(Handle, start, (nuint)bytes.Length, out ulong count, out ErrorHandle error);
            Failure.Check(status, error);
            return (long)count;
        }
    }

    /// <summary>Makes a session on this model, with no adapter attached.</summary>
    /// <param name="options">How it works; <c>null</c> for the defaults.</param>
    public unsafe Session CreateSession(SessionOptions? options = null)
    {
        fixed (byte* how = Json.Write(options, OptionsJson.Default.SessionOptions))
        {
            int status = NativeMethods.tailora_session_new(Handle, how, out SessionHandle session, out ErrorHandle error);
            Failure.Check(status, error);
            return new Session(session);
        }
    }

    /// <summary>Frees the model; its memory goes when no session and no adapter needs it any more.</summary>
    public void Dispose() => handle.Dispose();

    private static IEnumerable<KeyValuePair<string, object?>> Loaded(LanguageModel model) =>
        [new("tailora.model", model.Info.Name)];

    private static unsafe LanguageModel Load(
        string path, ModelOptions? options, IProgress<LoadProgress>? progress, CancelHandle cancel, CancellationToken token)
    {
        using var relay = new ProgressRelay(progress is null ? null : e => progress.Report(LoadProgress.From(e)));
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        fixed (byte* how = Json.Write(options, OptionsJson.Default.ModelOptions))
        {
            int status = NativeMethods.tailora_model_load(
                where, how, relay.Function, relay.User, cancel, out ModelHandle model, out ErrorHandle error);
            relay.Check(status, error, model, token, Operation.LoadModel);
            return new LanguageModel(model);
        }
    }
}
