using System;
using System.Collections.Generic;
using System.Threading;

namespace Tailora;

/// <summary>What a training run gave. Disposing it disposes the adapter.</summary>
/// <param name="Adapter">The trained adapter; dispose it, or the result.</param>
/// <param name="Summary">Losses, steps, tokens, times, and why training ended.</param>
public sealed record TrainingResult(Adapter Adapter, TrainingSummary Summary) : IDisposable
{
    /// <summary>
    /// Sentences on what the caller should know, such as files that could not be written, or a validation loss that was still falling.
    /// </summary>
    public IReadOnlyList<string> Notes => Summary.Notes;

    /// <summary>Frees the adapter; sessions it is attached to keep what they need.</summary>
    public void Dispose() => Adapter.Dispose();
}

/// <summary>Training that was cancelled after its first step: what it had learnt by then is not lost.</summary>
public sealed class TrainingCanceledException : OperationCanceledException
{
    internal TrainingCanceledException(TrainingResult result, CancellationToken token)
        : base("Training was cancelled; the exception's Result has the best adapter so far.", token)
    {
        Result = result;
    }

    /// <summary>The best adapter so far, and the summary of the run up to there. Dispose it when it is not wanted.</summary>
    public TrainingResult Result { get; }
}
