using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;
using Tailora.Native;

namespace Tailora;

public sealed partial class LanguageModel
{
    /// <summary>
    /// Trains a LoRA adapter on a dataset, on a thread of its own. Of all steps measured on the validation rows, the best one's
    /// adapter is given out. The same seed gives the same bits on the CPU.
    /// </summary>
    /// <param name="dataset">The rows to learn from.</param>
    /// <param name="options">How to train; <c>null</c> for the defaults.</param>
    /// <param name="progress">Receives events on the training thread; what it throws stops the training and is thrown here.</param>
    /// <param name="cancellationToken">Stops the training at the next micro-batch.</param>
    /// <returns>The adapter, and a summary with losses, steps, tokens, times and why training ended.</returns>
    /// <exception cref="TrainingException">Training cannot start, or had to be given up; after the first step it has the best adapter so far.</exception>
    /// <exception cref="TrainingCanceledException">Cancelled after the first step; it has the best adapter so far.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before the first step.</exception>
    public Task<TrainingResult> TrainAsync(
        Dataset dataset,
        TrainingOptions? options = null,
        IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        Argument.NotNull(dataset, nameof(dataset));
        ModelHandle model = Handle;
        DatasetHandle rows = dataset.Handle;
        return TailoraTelemetry.TracedAsync(
            "train",
            () => LongCall.RunAsync("Tailora training", cancel => Train(model, rows, options, progress, cancel, cancellationToken), cancellationToken),
            Trained);
    }

    /// <summary>Trains a LoRA adapter as <see cref="TrainAsync"/> does, to be followed in a loop; nothing happens before that.</summary>
    /// <param name="dataset">The rows to learn from.</param>
    /// <param name="options">How to train; <c>null</c> for the defaults.</param>
    /// <param name="cancellationToken">Stops the training at the next micro-batch.</param>
    /// <returns>Its events; <see cref="TrainingStream.Result"/> has the adapter behind the loop, which throws what <see cref="TrainAsync"/> throws.</returns>
    public TrainingStream StreamTrainingAsync(Dataset dataset, TrainingOptions? options = null, CancellationToken cancellationToken = default)
    {
        Argument.NotNull(dataset, nameof(dataset));
        _ = Handle;
        _ = dataset.Handle;
        return new TrainingStream((progress, token) => TrainAsync(dataset, options, progress, token), cancellationToken);
    }

    private static IEnumerable<KeyValuePair<string, object?>> Trained(TrainingResult result) =>
        [new("tailora.train.steps", result.Summary.Steps), new("tailora.train.stop_reason", result.Summary.StopReason.ToString())];

    private static unsafe TrainingResult Train(
        ModelHandle model,
        DatasetHandle rows,
        TrainingOptions? options,
        IProgress<TrainingProgress>? progress,
        CancelHandle cancel,
        CancellationToken token)
    {
        using var relay = new ProgressRelay(progress is null ? null : e => progress.Report(TrainingProgress.From(e)));
        fixed (byte* how = Json.Write(options, OptionsJson.Default.TrainingOptions))
        {
            int status = NativeMethods.tailora_train(
                model, rows, how, relay.Function, relay.User, cancel, out AdapterHandle adapter, out StringHandle summary, out ErrorHandle error);
            string json = summary.Take();
            relay.Check(status, error, adapter, token);
            var result = new TrainingResult(new Adapter(adapter), TrainingSummary.FromJson(json));
            if (status != NativeMethods.TAILORA_STOPPED)
            {
                return result;
            }

            throw result.Summary.Error is { } failure
                ? new TrainingException(failure.Code, failure.Message, failure.Details) { Result = result }
                : new TrainingCanceledException(result, token);
        }
    }
}
