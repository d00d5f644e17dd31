using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Tailora.Native;

namespace Tailora;

/// <summary>
/// Text and reports from a model through a stack of adapters. A session does one thing at a time: a second concurrent call
/// gets a <see cref="TailoraException"/> with <see cref="TailoraErrorCode.Busy"/>. Sessions of one model are independent.
/// </summary>
public sealed partial class Session : IDisposable
{
    private readonly SessionHandle handle;
    private (Adapter Adapter, double Scale)[] adapters = [];

    internal Session(SessionHandle handle) => this.handle = handle;

    internal SessionHandle Handle => handle.IsClosed ? throw new ObjectDisposedException(nameof(Session)) : handle;

    /// <summary>The attached adapters with their scales, bottom of the stack first.</summary>
    public IReadOnlyList<(Adapter Adapter, double Scale)> Adapters => adapters;

    /// <summary>
    /// Attaches an adapter on top of those already attached; their contributions add up, each times its scale. No weights are copied,
    /// and other sessions of the model do not see it.
    /// </summary>
    /// <param name="adapter">An adapter of this session's model; it may be disposed while attached.</param>
    /// <param name="scale">1 is the adapter as it was trained, 0 switches it off.</param>
    /// <exception cref="AdapterMismatchException">The adapter belongs to another base model.</exception>
    public void Attach(Adapter adapter, double scale = 1.0)
    {
        Argument.NotNull(adapter, nameof(adapter));
        int status = NativeMethods.tailora_session_attach(Handle, adapter.Handle, scale, out ErrorHandle error);
        Failure.Check(status, error);
        adapters = [.. adapters, (adapter, scale)];
    }

    /// <summary>
    /// Gives an attached adapter another scale, wherever in the stack it is; of one that was attached several times, the last one is meant.
    /// </summary>
    /// <param name="adapter">An attached adapter.</param>
    /// <param name="scale">1 is the adapter as it was trained, 0 switches it off.</param>
    /// <exception cref="TailoraException">The adapter is not attached, or <paramref name="scale"/> is no finite number: then it keeps its scale.</exception>
    public void SetScale(Adapter adapter, double scale)
    {
        Argument.NotNull(adapter, nameof(adapter));
        int status = NativeMethods.tailora_session_set_scale(Handle, adapter.Handle, scale, out ErrorHandle error);
        Failure.Check(status, error);
        int at = LastOf(adapter, adapters);
        adapters = [.. adapters.Select((entry, index) => index == at ? (adapter, scale) : entry)];
    }

    /// <summary>Detaches an adapter, wherever in the stack it is; of one that was attached several times, the last one goes.</summary>
    /// <param name="adapter">An attached adapter.</param>
    public void Detach(Adapter adapter)
    {
        Argument.NotNull(adapter, nameof(adapter));
        int status = NativeMethods.tailora_session_detach(Handle, adapter.Handle, out ErrorHandle error);
        Failure.Check(status, error);
        int at = LastOf(adapter, adapters);
        adapters = [.. adapters.Where((_, index) => index != at)];
    }

    /// <summary>Makes the session as new: detaches all adapters and forgets earlier prompts.</summary>
    public void Reset()
    {
        int status = NativeMethods.tailora_session_reset(Handle, out ErrorHandle error);
        Failure.Check(status, error);
        adapters = [];
    }

    /// <summary>Answers a prompt, put through the model's chat template as the user's turn, on a thread of its own.</summary>
    /// <param name="prompt">The user's turn.</param>
    /// <param name="options">How to generate; <c>null</c> for the defaults, which are greedy.</param>
    /// <param name="cancellationToken">Stops the generation at the next token.</param>
    /// <exception cref="GenerationCanceledException"><paramref name="cancellationToken"/> was cancelled; it has the text up to there.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before anything was generated.</exception>
    public Task<Generation> GenerateAsync(string prompt, GenerateOptions? options = null, CancellationToken cancellationToken = default)
    {
        Argument.NotNull(prompt, nameof(prompt));
        SessionHandle session = Handle;
        return LongCall.RunAsync("Tailora generation", cancel => Generate(session, prompt, options, cancel, cancellationToken), cancellationToken);
    }

    /// <summary>Answers the last message of a conversation, on a thread of its own.</summary>
    /// <param name="messages">The conversation, in the place of <see cref="GenerateOptions.Messages"/>.</param>
    /// <param name="options">How to generate; <c>null</c> for the defaults, which are greedy.</param>
    /// <param name="cancellationToken">Stops the generation at the next token.</param>
    /// <exception cref="GenerationCanceledException"><paramref name="cancellationToken"/> was cancelled; it has the text up to there.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled before anything was generated.</exception>
    public Task<Generation> GenerateAsync(
        IReadOnlyList<ChatMessage> messages, GenerateOptions? options = null, CancellationToken cancellationToken = default) =>
        GenerateAsync("", With(messages, options), cancellationToken);

    /// <summary>
    /// Answers a prompt as <see cref="GenerateAsync(string, GenerateOptions?, CancellationToken)"/> does, chunk by chunk: whole characters, one or more. The adapters are those
    /// attached when the enumeration starts; leaving the loop early stops the generation.
    /// </summary>
    /// <inheritdoc cref="GenerateAsync(string, GenerateOptions?, CancellationToken)"/>
    public GenerationStream StreamAsync(string prompt, GenerateOptions? options = null, CancellationToken cancellationToken = default)
    {
        Argument.NotNull(prompt, nameof(prompt));
        return new GenerationStream(Handle, ownsSession: false, prompt, options, cancellationToken);
    }

    /// <summary>Answers the last message of a conversation, chunk by chunk.</summary>
    /// <inheritdoc cref="GenerateAsync(IReadOnlyList{ChatMessage}, GenerateOptions?, CancellationToken)"/>
    public GenerationStream StreamAsync(
        IReadOnlyList<ChatMessage> messages, GenerateOptions? options = null, CancellationToken cancellationToken = default) =>
        StreamAsync("", With(messages, options), cancellationToken);

    /// <summary>How probable a given text is as the answer to a prompt, on a thread of its own. Nothing is generated.</summary>
    /// <param name="prompt">The user's turn.</param>
    /// <param name="completion">The text.</param>
    /// <param name="options">How they are put to the model; <c>null</c> for the defaults.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<ScoredText> ScoreAsync(
        string prompt, string completion, ScoreOptions? options = null, CancellationToken cancellationToken = default)
    {
        Argument.NotNull(prompt, nameof(prompt));
        Argument.NotNull(completion, nameof(completion));
        SessionHandle session = Handle;
        return LongCall.RunAsync("Tailora score", cancel => Score(session, prompt, completion, options, cancel, cancellationToken), cancellationToken);
    }

    /// <summary>
    /// Writes a report on one input line of fields (<c>岗位:P7高级架构师,绩效:A/A-</c>, or a JSON object of fields), on a thread of its own:
    /// its conclusions, each with a measured confidence and sources out of the input's own fields.
    /// </summary>
    /// <param name="input">The fields.</param>
    /// <param name="options">How to write it; <c>null</c> for the defaults.</param>
    /// <param name="cancellationToken">Stops the generation at the next token.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<Report> GenerateReportAsync(string input, ReportOptions? options = null, CancellationToken cancellationToken = default)
    {
        Argument.NotNull(input, nameof(input));
        SessionHandle session = Handle;
        return TailoraTelemetry.TracedAsync(
            "report",
            () => LongCall.RunAsync("Tailora report", cancel => WriteReport(session, input, options, cancel, cancellationToken), cancellationToken),
            Written);
    }

    /// <summary>Frees the session; a call that is running on it goes on to its end.</summary>
    public void Dispose() => handle.Dispose();

    private static int LastOf(Adapter adapter, (Adapter Adapter, double Scale)[] stack) =>
        Array.FindLastIndex(stack, entry => ReferenceEquals(entry.Adapter, adapter));

    private static unsafe Generation Generate(
        SessionHandle session, string prompt, GenerateOptions? options, CancelHandle cancel, CancellationToken token)
    {
        byte[] text = Utf8Text.Bytes(prompt);
        fixed (byte* start = text)
        fixed (byte* how = Json.Write(options, OptionsJson.Default.GenerateOptions))
        {
            int status = NativeMethods.tailora_session_generate(
                session, start, (nuint)text.Length, how, cancel, out StringHandle result, out ErrorHandle error);
            string json = result.Take();
            Failure.Check(status, error, token);
            return status == NativeMethods.TAILORA_STOPPED
                ? throw new GenerationCanceledException(Generation.FromJson(json), token)
                : Generation.FromJson(json);
        }
    }

    internal static GenerateOptions With(IReadOnlyList<ChatMessage> messages, GenerateOptions? options)
    {
        Argument.NotNull(messages, nameof(messages));
        return (options ?? new GenerateOptions()) with { Messages = messages };
    }

    private static unsafe ScoredText Score(
        SessionHandle session, string prompt, string completion, ScoreOptions? options, CancelHandle cancel, CancellationToken token)
    {
        byte[] text = Utf8Text.Bytes(prompt);
        byte[] said = Utf8Text.Bytes(completion);
        fixed (byte* start = text)
        fixed (byte* begin = said)
        fixed (byte* how = Json.Write(options, OptionsJson.Default.ScoreOptions))
        {
            int status = NativeMethods.tailora_session_score(
                session, start, (nuint)text.Length, begin, (nuint)said.Length, how, cancel, out StringHandle score, out ErrorHandle error);
            string json = score.Take();
            Failure.Check(status, error, token);
            return ScoredText.FromJson(json);
        }
    }

    private static IEnumerable<KeyValuePair<string, object?>> Written(Report report) =>
        [new("tailora.model", report.Model?.Name), new("tailora.report.conclusions", report.Conclusions.Count)];

    private static unsafe Report WriteReport(
        SessionHandle session, string input, ReportOptions? options, CancelHandle cancel, CancellationToken token)
    {
        byte[] text = Utf8Text.Bytes(input);
        fixed (byte* start = text)
        fixed (byte* how = Json.Write(options, OptionsJson.Default.ReportOptions))
        {
            int status = NativeMethods.tailora_session_report(
                session, start, (nuint)text.Length, how, cancel, out StringHandle report, out ErrorHandle error);
            string json = report.Take();
            Failure.Check(status, error, token);
            return Report.FromJson(json);
        }
    }
}
