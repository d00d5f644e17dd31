using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;

namespace Tailora;

/// <summary>
/// A training as its events. It can be enumerated once, begins then, and does not wait for its reader. Leaving the loop early stops it, and
/// what was learnt by then is the <see cref="Result"/>; a training whose reader is forgotten stops once that is collected.
/// </summary>
public sealed class TrainingStream : IAsyncEnumerable<TrainingProgress>
{
    private readonly Func<IProgress<TrainingProgress>, CancellationToken, Task<TrainingResult>> train;
    private readonly CancellationToken cancellationToken;
    private int started;

    internal TrainingStream(Func<IProgress<TrainingProgress>, CancellationToken, Task<TrainingResult>> train, CancellationToken cancellationToken)
    {
        this.train = train;
        this.cancellationToken = cancellationToken;
    }

    /// <summary>
    /// The adapter and the summary, once the enumeration has ended: of the whole training, or of its part up to where the loop was left, it was
    /// cancelled, or an error came. <c>null</c> until then, and if it ended before the first step. Dispose it.
    /// </summary>
    public TrainingResult? Result { get; private set; }

    /// <summary>Starts training.</summary>
    /// <param name="cancellationToken">Stops the training at the next micro-batch.</param>
    /// <exception cref="InvalidOperationException">The stream was enumerated before.</exception>
    public IAsyncEnumerator<TrainingProgress> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
        Interlocked.Exchange(ref started, 1) == 0
            ? ReadAsync(this.cancellationToken).GetAsyncEnumerator(cancellationToken)
            : throw new InvalidOperationException("A training can be enumerated once; call StreamTrainingAsync again.");

    private async IAsyncEnumerable<TrainingProgress> ReadAsync([EnumeratorCancellation] CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        var abandonment = new Abandonment();
        using var presence = new ReaderPresence(abandonment);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(token);
        Channel<TrainingProgress> events = Channel.CreateUnbounded<TrainingProgress>(new UnboundedChannelOptions { SingleReader = true });
        Task<TrainingResult> training = RunAsync(train, new Writer(events.Writer, abandonment), events.Writer, stop.Token);
        try
        {
            while (await NextAsync(events.Reader).ConfigureAwait(false) is { } progress)
            {
                yield return progress;
            }
        }
        finally
        {
            stop.Cancel(); // where the training has ended already, nobody listens
            Result = await ResultOfAsync(training).ConfigureAwait(false);
        }

        await RethrowAsync(training, token).ConfigureAwait(false);
    }

    /// <summary>The next event; <c>null</c> at the end. The channel remembers who waited last: this, and not the reader, which may be forgotten.</summary>
    private static async ValueTask<TrainingProgress?> NextAsync(ChannelReader<TrainingProgress> events) =>
        await events.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false) && events.TryRead(out TrainingProgress progress) ? progress : null;

    // Static, and without the reader: the training's thread must not keep it from being forgotten.
    private static async Task<TrainingResult> RunAsync(
        Func<IProgress<TrainingProgress>, CancellationToken, Task<TrainingResult>> train,
        Writer progress,
        ChannelWriter<TrainingProgress> events,
        CancellationToken token)
    {
        try
        {
            return await train(progress, token).ConfigureAwait(false);
        }
        finally
        {
            events.Complete();
        }
    }

    private static async Task<TrainingResult?> ResultOfAsync(Task<TrainingResult> training)
    {
        try
        {
            return await training.ConfigureAwait(false);
        }
        catch (Exception error)
        {
            return (error as TrainingCanceledException)?.Result ?? (error as TrainingException)?.Result;
        }
    }

    /// <summary>The error of a training, with the caller's token in the place of our own.</summary>
    private static async Task RethrowAsync(Task<TrainingResult> training, CancellationToken token)
    {
        try
        {
            await training.ConfigureAwait(false);
        }
        catch (TrainingCanceledException error)
        {
            throw new TrainingCanceledException(error.Result, token);
        }
        catch (OperationCanceledException error)
        {
            throw new OperationCanceledException(error.Message, error, token);
        }
    }

    private sealed class Writer(ChannelWriter<TrainingProgress> events, Abandonment abandonment) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (abandonment.Happened)
            {
                throw new OperationCanceledException("Nobody reads the events of this training any more.");
            }

            _ = events.TryWrite(value);
        }
    }
}
