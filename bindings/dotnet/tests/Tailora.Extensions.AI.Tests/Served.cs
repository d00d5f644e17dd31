using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Tailora.Extensions.AI;
using Xunit;

namespace Tailora.Tests;

/// <summary>Tests of one model and its client; they run one after another, since some count native objects.</summary>
[CollectionDefinition(Name)]
public class ServedCollection : ICollectionFixture<Served>
{
    internal const string Name = "served";
}

/// <summary>The bundled model, an adapter that was trained for a few steps, and a client.</summary>
public sealed class Served : IAsyncLifetime
{
    internal const string Line = "岗位:P7高级架构师,绩效:A/A-,潜力:高";

    internal LanguageModel Model { get; private set; } = null!;

    internal Adapter Adapter { get; private set; } = null!;

    internal TailoraChatClient Client { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Model = await LanguageModel.LoadAsync(Repository.Model);
        using Dataset dataset = Dataset.OpenCsv(Repository.Csv);
        var few = new TrainingOptions { R = 2, MaxSteps = 3, LearningRate = 2e-2, CalibrationRows = 0, MemorizationSamples = 0, ValidationFolds = 0 };
        Adapter = (await Model.TrainAsync(dataset, few)).Adapter;
        Client = new TailoraChatClient(Model);
    }

    public Task DisposeAsync()
    {
        Client?.Dispose();
        Adapter?.Dispose();
        Model?.Dispose();
        return Task.CompletedTask;
    }

    internal static async Task<List<ChatResponseUpdate>> ReadAsync(
        IChatClient client, string prompt, ChatOptions? options = null, CancellationToken token = default)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in client.GetStreamingResponseAsync(prompt, options, token))
        {
            updates.Add(update);
        }

        return updates;
    }
}
