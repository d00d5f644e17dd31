using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;

namespace Tailora.Extensions.AI;

using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatRole = Microsoft.Extensions.AI.ChatRole;

/// <summary>Loads a registered model once, for its client, its warm-up and whoever asks for the model itself, and frees it with the host.</summary>
internal sealed class ModelHost : IDisposable
{
    private readonly object gate = new();
    private readonly CancellationTokenSource stop = new();
    private readonly TailoraHostOptions options;
    private readonly LoggerBridge log;
    private Task<ServedModel>? load;
    private bool disposed;

    internal ModelHost(string key, TailoraHostOptions options, LoggerBridge log)
    {
        Key = key;
        this.options = options;
        this.log = log;
        Calls = new CallGate(options.Chat.MaxConcurrency, options.Chat.MaxQueue);
        Client = new TailoraChatClient(LoadAsync, Calls);
    }

    internal string Key { get; }

    internal CallGate Calls { get; }

    internal TailoraChatClient Client { get; }

    internal TailoraWarmUp WarmUp => options.WarmUp;

    internal TailoraModelHealth Health
    {
        get
        {
            Task<ServedModel>? current = load;
            TailoraModelState state = current switch
            {
                null => TailoraModelState.NotLoaded,
                { IsCompleted: false } => TailoraModelState.Loading,
                { IsFaulted: true } or { IsCanceled: true } => TailoraModelState.Failed,
                _ => TailoraModelState.Ready,
            };
            return new TailoraModelHealth(Key, state, Calls.Running, Calls.Waiting, Calls.MaxQueue, current?.Exception?.GetBaseException().Message);
        }
    }

    /// <summary>The model, once it is loaded. A load that failed is tried again; one that somebody waits for no longer goes on.</summary>
    internal async Task<ServedModel> LoadAsync(CancellationToken token)
    {
        Task<ServedModel> current;
        lock (gate)
        {
            if (disposed)
            {
                throw new ObjectDisposedException(nameof(TailoraChatClient));
            }

            current = load is null or { IsFaulted: true } or { IsCanceled: true } ? load = LoadOnceAsync() : load;
        }

        if (!current.IsCompleted)
        {
            var cancelled = new TaskCompletionSource<ServedModel>(TaskCreationOptions.RunContinuationsAsynchronously);
            using CancellationTokenRegistration registration = token.Register(() => cancelled.TrySetCanceled(token));
            current = await Task.WhenAny(current, cancelled.Task).ConfigureAwait(false);
        }

        return await current.ConfigureAwait(false);
    }

    /// <summary>Loads the model and has it write a token, so that the first caller does not wait for what is done once.</summary>
    internal Task WarmUpAsync(CancellationToken token) =>
        Client.GetResponseAsync([new ChatMessage(ChatRole.User, "1")], new ChatOptions { MaxOutputTokens = 1 }, token);

    public void Dispose()
    {
        lock (gate)
        {
            if (disposed)
            {
                return;
            }

            disposed = true;
        }

        stop.Cancel();
        Client.Dispose();
        if (load is { Status: TaskStatus.RanToCompletion })
        {
            Free(load.Result);
        }
    }

    private async Task<ServedModel> LoadOnceAsync()
    {
        log.Start();
        LanguageModel model = await LanguageModel.LoadAsync(options.ModelPath, options.Model, null, stop.Token).ConfigureAwait(false);
        List<(Adapter Adapter, double Scale)> adapters = [];
        try
        {
            foreach (TailoraAdapterOptions adapter in options.Adapters)
            {
                adapters.Add((Adapter.Load(model, adapter.Path), adapter.Scale));
            }

            stop.Token.ThrowIfCancellationRequested();
            var served = ServedModel.Of(model, adapters, options.Chat);
            Client.Served = served;
            return served;
        }
        catch
        {
            adapters.ForEach(entry => entry.Adapter.Dispose());
            model.Dispose();
            throw;
        }
    }

    private static void Free(ServedModel served)
    {
        served.Pool.Dispose();
        foreach (Adapter adapter in served.Adapters.Select(entry => entry.Adapter))
        {
            adapter.Dispose();
        }

        served.Model.Dispose();
    }
}
