using System;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Cancellation and callbacks: the caller's token, the caller's exception, and soon.</summary>
[Collection(NativeCollection.Name)]
public class CancellationTests(Trained trained)
{
    [Fact]
    public async Task Cancelled_training_gives_the_best_adapter_so_far()
    {
        using var source = new CancellationTokenSource();
        long cancelledAt = 0;
        var progress = new Reporter<TrainingProgress>(e =>
        {
            if (e.Phase == WorkPhase.Train && e.Step >= 2 && !source.IsCancellationRequested)
            {
                cancelledAt = e.Step;
                source.Cancel();
            }
        });
        var error = await Assert.ThrowsAsync<TrainingCanceledException>(
            () => trained.Model.TrainAsync(trained.Dataset, Trained.Quick, progress, source.Token));
        Assert.InRange(error.Result.Summary.Steps, cancelledAt, cancelledAt + 1);
        Assert.Equal(source.Token, error.CancellationToken);
        using Adapter adapter = error.Result.Adapter;
        using Session session = trained.Model.CreateSession();
        session.Attach(adapter);
        Assert.NotEmpty((await session.GenerateAsync(Trained.Line, new GenerateOptions { MaxTokens = 5 })).RawJson);
    }

    [Fact]
    public async Task Cancelled_training_is_a_cancelled_task()
    {
        using var source = new CancellationTokenSource();
        Task training = trained.Model.TrainAsync(
            trained.Dataset, Trained.Quick, new Reporter<TrainingProgress>(_ => source.Cancel()), source.Token);
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => training);
        Assert.True(training.IsCanceled);
        (error as TrainingCanceledException)?.Result.Adapter.Dispose();
    }

    [Fact]
    public async Task A_token_that_is_cancelled_already_starts_nothing()
    {
        var cancelled = new CancellationToken(canceled: true);
        int events = 0;
        var count = new Reporter<TrainingProgress>(_ => events++);
        using Session session = trained.Model.CreateSession();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => trained.Model.TrainAsync(trained.Dataset, null, count, cancelled));
        Assert.Equal(cancelled, error.CancellationToken);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => session.GenerateAsync("x", null, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => LanguageModel.LoadAsync(Repository.Model, cancellationToken: cancelled));
        Assert.ThrowsAny<OperationCanceledException>(() => Dataset.OpenCsv(Repository.Csv, cancellationToken: cancelled));
        Assert.Equal(0, events);
    }

    [Fact]
    public async Task A_cancelled_generation_ends_and_the_session_goes_on()
    {
        using Session session = trained.Model.CreateSession();
        var options = new GenerateOptions { MaxTokens = 900, JsonSchema = Work.LongDocument };
        await Work.CancelledAsync<GenerationCanceledException>(token => session.GenerateAsync(Trained.Line, options, token));
        Assert.Equal(3, (await session.GenerateAsync(Trained.Line, new GenerateOptions { MaxTokens = 3 })).CompletionTokens);
    }

    [Fact]
    public async Task A_cancelled_report_ends()
    {
        using Session session = trained.Model.CreateSession();
        var options = new ReportOptions { Schema = Work.LongDocument, Generate = new GenerateOptions { MaxTokens = 900 } };
        await Work.CancelledAsync<OperationCanceledException>(token => session.GenerateReportAsync(Trained.Line, options, token));
    }

    [Fact]
    public async Task An_exception_in_a_training_handler_stops_the_training_and_comes_back()
    {
        long before = TailoraNative.LiveHandles;
        var thrown = new InvalidTimeZoneException("from the handler");
        int calls = 0;
        var progress = new Reporter<TrainingProgress>(e =>
        {
            if (e.Phase == WorkPhase.Train)
            {
                calls++;
                throw thrown;
            }
        });
        var error = await Assert.ThrowsAsync<InvalidTimeZoneException>(() => trained.Model.TrainAsync(trained.Dataset, Trained.Quick, progress));
        Assert.Same(thrown, error);
        Assert.Equal(1, calls);
        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [Fact]
    public async Task An_exception_in_a_loading_handler_comes_back()
    {
        var thrown = new InvalidTimeZoneException("from the handler");
        var error = await Assert.ThrowsAsync<InvalidTimeZoneException>(
            () => LanguageModel.LoadAsync(Repository.Model, progress: new Reporter<LoadProgress>(_ => throw thrown)));
        Assert.Same(thrown, error);
    }

    [Fact]
    public async Task Long_calls_leave_the_thread_pool_alone()
    {
        Thread? worker = null;
        bool pooled = true;
        using LanguageModel model = await LanguageModel.LoadAsync(
            Repository.Model, progress: new Reporter<LoadProgress>(_ => (worker, pooled) = (Thread.CurrentThread, Thread.CurrentThread.IsThreadPoolThread)));
        Assert.False(pooled);
        Assert.NotSame(Thread.CurrentThread, worker);
    }
}
