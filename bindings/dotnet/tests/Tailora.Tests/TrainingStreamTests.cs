using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>A training as the events that one loops over.</summary>
[Collection(NativeCollection.Name)]
public class TrainingStreamTests(Trained trained)
{
    private const string Thread = "Tailora training";

    private static readonly TrainingOptions Few = new()
    {
        R = 2, MaxSteps = 3, ValidationFolds = 0, ValidationShare = 0, CalibrationRows = 0, MemorizationSamples = 0, LoggingSteps = 1,
    };

    private static readonly TrainingOptions Endless = Few with { MaxSteps = 1_000_000 };

    [Fact]
    public async Task The_loop_sees_what_a_handler_sees_and_ends_with_the_result()
    {
        var seen = new List<TrainingProgress>();
        using TrainingResult expected = await trained.Model.TrainAsync(trained.Dataset, Few, new Reporter<TrainingProgress>(seen.Add));
        TrainingStream training = trained.Model.StreamTrainingAsync(trained.Dataset, Few);
        Assert.Null(training.Result);
        var events = new List<TrainingProgress>();
        await foreach (TrainingProgress e in training)
        {
            events.Add(e);
        }

        using TrainingResult result = training.Result!;
        Assert.Equal(seen.Select(e => (e.Phase, e.Step, e.Loss)), events.Select(e => (e.Phase, e.Step, e.Loss)));
        Assert.Equal((expected.Summary.Loss, 3L), (result.Summary.Loss, result.Summary.Steps));
        Assert.Throws<InvalidOperationException>(() => training.GetAsyncEnumerator());
    }

    [Fact]
    public async Task Leaving_the_loop_stops_the_training_and_keeps_what_was_learnt()
    {
        long before = TailoraNative.LiveHandles;
        TrainingStream training = trained.Model.StreamTrainingAsync(trained.Dataset, Endless);
        await foreach (TrainingProgress e in training)
        {
            if (e.Phase == WorkPhase.Train && e.Step >= 2)
            {
                break;
            }
        }

        using (TrainingResult result = training.Result!)
        {
            Assert.Equal(TrainingStopReason.Canceled, result.Summary.StopReason);
            Assert.InRange(result.Summary.Steps, 2, 100_000);
            using Session session = trained.Model.CreateSession();
            session.Attach(result.Adapter);
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [Fact]
    public async Task A_cancelled_token_is_thrown_with_the_result()
    {
        using var source = new CancellationTokenSource();
        TrainingStream training = trained.Model.StreamTrainingAsync(trained.Dataset, Endless, source.Token);
        var error = await Assert.ThrowsAsync<TrainingCanceledException>(async () =>
        {
            await foreach (TrainingProgress e in training)
            {
                if (e.Phase == WorkPhase.Train && e.Step >= 1)
                {
                    source.Cancel();
                }
            }
        });
        Assert.Equal(source.Token, error.CancellationToken);
        Assert.Same(training.Result, error.Result);
        error.Result.Dispose();
    }

    [Fact]
    public async Task What_fails_is_thrown_in_the_loop()
    {
        TrainingStream training = trained.Model.StreamTrainingAsync(trained.Dataset, Few with { R = -1 });
        var error = await Assert.ThrowsAsync<TailoraException>(async () =>
        {
            await foreach (TrainingProgress _ in training)
            {
            }
        });
        Assert.Equal("r", error.Details.GetProperty("option").GetString());
        Assert.Null(training.Result);
        using LanguageModel model = LanguageModel.Load(Repository.Model);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => model.StreamTrainingAsync(trained.Dataset));
    }

    [Fact]
    public async Task A_forgotten_training_stops()
    {
        long before = TailoraNative.LiveHandles;
        await ForgetAsync(trained);
        Assert.True(TailoraNative.LiveHandles >= before);
        await Work.EventuallyAsync(() => Threads.Named(Thread) == 0 && TailoraNative.LiveHandles <= before);
        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task ForgetAsync(Trained trained)
    {
        IAsyncEnumerator<TrainingProgress> events = trained.Model.StreamTrainingAsync(trained.Dataset, Endless).GetAsyncEnumerator();
        while (await events.MoveNextAsync() && events.Current.Phase != WorkPhase.Train)
        {
        }

        Assert.Equal(Threads.HaveNames ? 1 : 0, Threads.Named(Thread));
    }
}
