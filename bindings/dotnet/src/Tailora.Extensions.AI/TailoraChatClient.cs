using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;

namespace Tailora.Extensions.AI;

using ChatMessage = Microsoft.Extensions.AI.ChatMessage;

/// <summary>
/// A model of this process as an <see cref="IChatClient"/>. Any number of threads may use one: so many calls as its options say are
/// answered at the same time, others wait, and beyond those a <see cref="TailoraBusyException"/> is thrown.
/// </summary>
/// <remarks>
/// <para>Messages go through the model's own chat template, and control tokens in them are text: whoever wrote one cannot speak for another
/// role. A last message of the assistant is the beginning of the answer.</para>
/// <para>Honored: <see cref="ChatOptions.Instructions"/>, <see cref="ChatOptions.Temperature"/>, <see cref="ChatOptions.TopP"/>,
/// <see cref="ChatOptions.TopK"/>, <see cref="ChatOptions.MaxOutputTokens"/>, <see cref="ChatOptions.FrequencyPenalty"/>,
/// <see cref="ChatOptions.PresencePenalty"/>, <see cref="ChatOptions.Seed"/>, <see cref="ChatOptions.StopSequences"/>,
/// <see cref="ChatOptions.ResponseFormat"/> (JSON, of a schema or any object: the answer is always a whole document), and
/// <see cref="ChatOptions.RawRepresentationFactory"/>, whose <see cref="GenerateOptions"/> come first. Adapters and log-probabilities:
/// <see cref="TailoraChatOptionsExtensions"/>. An answer's <see cref="ChatResponse.RawRepresentation"/> is a <see cref="Generation"/>.</para>
/// <para><see cref="ChatOptions.Tools"/> throw a <see cref="NotSupportedException"/>, unless <see cref="ChatOptions.ToolMode"/> is
/// <see cref="ChatToolMode.None"/>: the library's chat templates have no tools yet. So do contents that are not text.
/// <see cref="ChatOptions.ModelId"/>, <see cref="ChatOptions.ConversationId"/> and <see cref="ChatOptions.Reasoning"/> change nothing: a client
/// has one model and no memory.</para>
/// </remarks>
public sealed class TailoraChatClient : IChatClient
{
    private readonly Func<CancellationToken, Task<ServedModel>> serve;
    private readonly CallGate gate;
    private readonly bool ownsPool;
    private volatile ServedModel? served;
    private volatile bool disposed;

    /// <summary>A client of a loaded model.</summary>
    /// <param name="model">The model; it stays the caller's, who disposes it after the client.</param>
    /// <param name="adapters">Adapters that every answer goes through, each with its scale, unless a call brings its own.</param>
    /// <param name="options">How calls share the model; <c>null</c> for the defaults.</param>
    public TailoraChatClient(
        LanguageModel model, IEnumerable<(Adapter Adapter, double Scale)>? adapters = null, TailoraChatClientOptions? options = null)
    {
        _ = model ?? throw new ArgumentNullException(nameof(model));
        options ??= new TailoraChatClientOptions();
        gate = new CallGate(options.MaxConcurrency, options.MaxQueue);
        ServedModel own = ServedModel.Of(model, adapters is null ? [] : [.. adapters], options);
        serve = _ => Task.FromResult(own);
        served = own;
        ownsPool = true;
    }

    /// <summary>A client of a model that is loaded when it is needed.</summary>
    internal TailoraChatClient(Func<CancellationToken, Task<ServedModel>> serve, CallGate gate)
    {
        this.serve = serve;
        this.gate = gate;
    }

    /// <summary>The model, from when it is loaded.</summary>
    internal ServedModel? Served
    {
        set => served = value;
    }

    /// <inheritdoc/>
    /// <exception cref="TailoraBusyException">As many calls as may wait are waiting.</exception>
    /// <exception cref="GenerationCanceledException"><paramref name="cancellationToken"/> was cancelled; it has the text up to there.</exception>
    /// <exception cref="TailoraException">The conversation does not fit, or an option is refused.</exception>
    public async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        _ = messages ?? throw new ArgumentNullException(nameof(messages));
        ChatRequest request = ChatRequest.From(messages, options, this);
        using CallGate.Place place = await EnterAsync(cancellationToken).ConfigureAwait(false);
        ServedModel model = await ServeAsync(cancellationToken).ConfigureAwait(false);
        var answer = new ChatAnswer(model.Name);
        PooledSession pooled = model.Pool.Take(request.Adapters ?? model.Adapters);
        try
        {
            Generation generation = await pooled.Session.GenerateAsync(request.Messages, request.Options, cancellationToken).ConfigureAwait(false);
            model.Pool.GiveBack(pooled);
            return answer.Whole(generation);
        }
        catch
        {
            pooled.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    /// <remarks>The last update has the finish reason and the usage. Leaving the loop early stops the generation.</remarks>
    /// <exception cref="TailoraBusyException">As many calls as may wait are waiting.</exception>
    /// <exception cref="GenerationCanceledException"><paramref name="cancellationToken"/> was cancelled; it has the text up to there.</exception>
    /// <exception cref="TailoraException">The conversation does not fit, or an option is refused.</exception>
    public IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        _ = messages ?? throw new ArgumentNullException(nameof(messages));
        return StreamAsync(ChatRequest.From(messages, options, this), cancellationToken);
    }

    /// <summary>This client, its <see cref="ChatClientMetadata"/>, or, once it is loaded, its <see cref="LanguageModel"/>.</summary>
    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        _ = serviceType ?? throw new ArgumentNullException(nameof(serviceType));
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? new ChatClientMetadata("tailora", null, served?.Name)
            : serviceType == typeof(LanguageModel) ? served?.Model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>Frees the sessions; the model stays. Calls that are running go on to their end.</summary>
    public void Dispose()
    {
        disposed = true;
        if (ownsPool)
        {
            served?.Pool.Dispose();
        }
    }

    private async IAsyncEnumerable<ChatResponseUpdate> StreamAsync(ChatRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using CallGate.Place place = await EnterAsync(cancellationToken).ConfigureAwait(false);
        ServedModel model = await ServeAsync(cancellationToken).ConfigureAwait(false);
        var answer = new ChatAnswer(model.Name);
        PooledSession pooled = model.Pool.Take(request.Adapters ?? model.Adapters);
        bool whole = false;
        try
        {
            GenerationStream stream = pooled.Session.StreamAsync(request.Messages, request.Options, cancellationToken);
            await foreach (string text in stream.ConfigureAwait(false))
            {
                yield return answer.Part(text);
            }

            whole = true;
            model.Pool.GiveBack(pooled);
            yield return answer.End(stream.Summary!);
        }
        finally
        {
            if (!whole)
            {
                pooled.Dispose();
            }
        }
    }

    private Task<CallGate.Place> EnterAsync(CancellationToken token) =>
        disposed ? throw new ObjectDisposedException(nameof(TailoraChatClient)) : gate.EnterAsync(token);

    private Task<ServedModel> ServeAsync(CancellationToken token) => served is { } there ? Task.FromResult(there) : serve(token);
}
