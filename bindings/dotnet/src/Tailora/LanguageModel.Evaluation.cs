using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Tailora.Native;

namespace Tailora;

public sealed partial class LanguageModel
{
    /// <summary>
    /// Predicts the memory and the time that <see cref="TrainAsync"/> with the same arguments would take, on a thread of its own. A small part
    /// of the training is run to measure the speed; nothing of it is kept.
    /// </summary>
    /// <param name="dataset">The rows to learn from; <c>null</c> for the longest rows that the options allow, and then no seconds.</param>
    /// <param name="options">How to train; <c>null</c> for the defaults.</param>
    /// <param name="cancellationToken">Stops the measuring.</param>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<TrainingEstimate> EstimateAsync(
        Dataset? dataset = null, TrainingOptions? options = null, CancellationToken cancellationToken = default)
    {
        ModelHandle model = Handle;
        DatasetHandle rows = dataset?.Handle ?? DatasetHandle.None;
        return LongCall.RunAsync("Tailora estimate", cancel => Estimate(model, rows, options, cancel, cancellationToken), cancellationToken);
    }

    /// <summary>
    /// Measures how well the model predicts the outputs of a dataset, without adapters and with a stack of them, on a thread of its own. To
    /// say something about new cases, the rows must not have been trained on.
    /// </summary>
    /// <param name="dataset">The rows.</param>
    /// <param name="adapters">Adapters of this model, each with its scale; they are attached at once.</param>
    /// <param name="training">What the adapters were trained on: then it is measured how much the answers copy from it.</param>
    /// <param name="options">How to evaluate; <c>null</c> for the defaults.</param>
    /// <param name="progress">Receives events on the evaluating thread; what it throws stops the work and is thrown here.</param>
    /// <param name="cancellationToken">Stops the evaluation at the next pass or token.</param>
    /// <exception cref="AdapterMismatchException">An adapter belongs to another base model.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<Evaluation> EvaluateAsync(
        Dataset dataset,
        IEnumerable<(Adapter Adapter, double Scale)>? adapters = null,
        Dataset? training = null,
        EvaluateOptions? options = null,
        IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        Argument.NotNull(dataset, nameof(dataset));
        (Adapter Adapter, double Scale)[] stack = adapters is null ? [] : [.. adapters];
        AdapterHandle[] handles = [.. stack.Select(entry => (entry.Adapter ?? throw new ArgumentNullException(nameof(adapters))).Handle)];
        double[] scales = [.. stack.Select(entry => entry.Scale)];
        ModelHandle model = Handle;
        DatasetHandle rows = dataset.Handle;
        DatasetHandle trained = training?.Handle ?? DatasetHandle.None;
        return LongCall.RunAsync(
            "Tailora evaluation",
            cancel => Evaluate(model, handles, scales, rows, trained, options, progress, cancel, cancellationToken),
            cancellationToken);
    }

    private static unsafe TrainingEstimate Estimate(
        ModelHandle model, DatasetHandle rows, TrainingOptions? options, CancelHandle cancel, CancellationToken token)
    {
        fixed (byte* how = Json.Write(options, OptionsJson.Default.TrainingOptions))
        {
            int status = NativeMethods.tailora_model_estimate(model, rows, how, cancel, out StringHandle estimate, out ErrorHandle error);
            string json = estimate.Take();
            Failure.Check(status, error, token);
            return TrainingEstimate.FromJson(json);
        }
    }

    private static unsafe Evaluation Evaluate(
        ModelHandle model,
        AdapterHandle[] adapters,
        double[] scales,
        DatasetHandle rows,
        DatasetHandle trained,
        EvaluateOptions? options,
        IProgress<TrainingProgress>? progress,
        CancelHandle cancel,
        CancellationToken token)
    {
        using var relay = new ProgressRelay(progress is null ? null : e => progress.Report(TrainingProgress.From(e)));
        using var held = new HeldHandles(adapters);
        fixed (nint* stack = held.Values)
        fixed (double* factors = scales)
        fixed (byte* how = Json.Write(options, OptionsJson.Default.EvaluateOptions))
        {
            int status = NativeMethods.tailora_evaluate(
                model, stack, factors, (nuint)adapters.Length, rows, trained, how, relay.Function, relay.User, cancel,
                out StringHandle evaluation, out ErrorHandle error);
            using StringHandle owned = evaluation;
            relay.Check(status, error, owned, token);
            return Evaluation.FromJson(owned.Take());
        }
    }
}
