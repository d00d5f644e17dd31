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
    /// Writes a report on each case of a file into the folder of a job, on a thread of its own. The same call goes on where an earlier one
    /// ended, however it ended; the reports are those of an unbroken run. A row that cannot be reported on costs no other.
    /// </summary>
    /// <param name="input">The file of cases: a CSV or JSON Lines.</param>
    /// <param name="job">A new or empty folder, or that of the same job; <see cref="BatchSummary.Output"/> is in it.</param>
    /// <param name="adapters">Adapters of this model, each with its scale, attached in their order.</param>
    /// <param name="options">How to write, among them <see cref="BatchOptions.Report"/>; <c>null</c> for the defaults.</param>
    /// <param name="progress">Receives events on the writing thread; what it throws stops the work and is thrown here.</param>
    /// <param name="cancellationToken">Stops the work; what is done stays, and the same call goes on from there.</param>
    /// <exception cref="TailoraException">The folder is another job's, another process works on it, or an option is refused.</exception>
    /// <exception cref="CsvFormatException">The file has no such column, or is no CSV at all.</exception>
    /// <exception cref="AdapterMismatchException">An adapter belongs to another base model.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public Task<BatchSummary> BatchAsync(
        string input,
        string job,
        IEnumerable<(Adapter Adapter, double Scale)>? adapters = null,
        BatchOptions? options = null,
        IProgress<BatchProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        Argument.NotNull(input, nameof(input));
        Argument.NotNull(job, nameof(job));
        (Adapter Adapter, double Scale)[] stack = adapters is null ? [] : [.. adapters];
        AdapterHandle[] handles = [.. stack.Select(entry => (entry.Adapter ?? throw new ArgumentNullException(nameof(adapters))).Handle)];
        double[] scales = [.. stack.Select(entry => entry.Scale)];
        ModelHandle model = Handle;
        return TailoraTelemetry.TracedAsync(
            "batch",
            () => LongCall.RunAsync(
                "Tailora batch", cancel => Batch(model, handles, scales, input, job, options, progress, cancel, cancellationToken), cancellationToken),
            Written);
    }

    private static IEnumerable<KeyValuePair<string, object?>> Written(BatchSummary summary) =>
        [new("tailora.batch.rows", summary.Rows), new("tailora.batch.reports", summary.Reports), new("tailora.batch.failed", summary.Failed)];

    private static unsafe BatchSummary Batch(
        ModelHandle model,
        AdapterHandle[] adapters,
        double[] scales,
        string input,
        string job,
        BatchOptions? options,
        IProgress<BatchProgress>? progress,
        CancelHandle cancel,
        CancellationToken token)
    {
        using var relay = new ProgressRelay(progress is null ? null : e => progress.Report(BatchProgress.From(e)));
        using var held = new HeldHandles(adapters);
        fixed (nint* stack = held.Values)
        fixed (double* factors = scales)
        fixed (byte* cases = Utf8Text.Terminated(input, nameof(input)))
        fixed (byte* folder = Utf8Text.Terminated(job, nameof(job)))
        fixed (byte* how = Json.Write(options, OptionsJson.Default.BatchOptions))
        {
            int status = NativeMethods.tailora_batch_run(
                model, stack, factors, (nuint)adapters.Length, cases, folder, how, relay.Function, relay.User, cancel,
                out StringHandle summary, out ErrorHandle error);
            using (summary)
            {
                relay.Check(status, error, summary, token);
                return BatchSummary.FromJson(summary.Take());
            }
        }
    }
}
