using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Tests that count native objects or the time of native work; they run one after another.</summary>
[CollectionDefinition(Name)]
public class NativeCollection : ICollectionFixture<Trained>
{
    internal const string Name = "native";
}

/// <summary>The bundled model, the sample's rows, and an adapter trained on them for a few steps.</summary>
public sealed class Trained : IAsyncLifetime
{
    internal const string Line = "岗位:P7高级架构师,绩效:A/A-,潜力:高,技术深度:9/10,跨团队协作:6/10";

    internal static readonly TrainingOptions Quick = new() { R = 4, MaxSteps = 24, EvalSteps = 12, LearningRate = 2e-3 };

    internal LanguageModel Model { get; private set; } = null!;

    internal Dataset Dataset { get; private set; } = null!;

    internal Adapter Adapter { get; private set; } = null!;

    internal TrainingSummary Summary { get; private set; } = null!;

    internal List<TrainingProgress> Events { get; } = [];

    public async Task InitializeAsync()
    {
        Model = await LanguageModel.LoadAsync(Repository.Model);
        Dataset = Dataset.OpenCsv(Repository.Csv);
        TrainingResult result = await Model.TrainAsync(Dataset, Quick, new Reporter<TrainingProgress>(Events.Add));
        (Adapter, Summary) = (result.Adapter, result.Summary);
    }

    public Task DisposeAsync()
    {
        Adapter?.Dispose();
        Dataset?.Dispose();
        Model?.Dispose();
        return Task.CompletedTask;
    }
}

/// <summary>Reports on the thread that has something to report; <see cref="Progress{T}"/> posts to another.</summary>
internal sealed class Reporter<T>(Action<T> handle) : IProgress<T>
{
    public void Report(T value) => handle(value);
}
