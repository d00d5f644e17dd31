using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Threading.Tasks;

namespace Tailora;

/// <summary>
/// Traces and metrics of long work: activities <c>tailora.load</c>, <c>tailora.train</c>, <c>tailora.report</c> and <c>tailora.batch</c>, and the histogram
/// <c>tailora.operation.duration</c> in seconds with the tags <c>tailora.operation</c> and, if it failed, <c>error.type</c>. They hold names
/// and figures, never the content of rows, prompts or answers.
/// </summary>
public static class TailoraTelemetry
{
    /// <summary>The name of the <see cref="ActivitySource"/> and the <see cref="Meter"/>, for <c>AddSource</c> and <c>AddMeter</c>.</summary>
    public const string Name = "Tailora";

    private static readonly ActivitySource Source = new(Name);
    private static readonly Meter Instruments = new(Name);
    private static readonly Histogram<double> Duration =
        Instruments.CreateHistogram<double>("tailora.operation.duration", "s", "How long models load, adapters train, and reports and batches of them are written.");

    /// <summary>Runs long work, and tells whoever listens what it was and how long it took.</summary>
    /// <param name="operation"><c>load</c>, <c>train</c>, <c>report</c> or <c>batch</c>.</param>
    /// <param name="work">The work.</param>
    /// <param name="tags">What is known of it once it is done; asked only if somebody listens.</param>
    internal static async Task<T> TracedAsync<T>(string operation, Func<Task<T>> work, Func<T, IEnumerable<KeyValuePair<string, object?>>> tags)
    {
        using Activity? activity = Source.StartActivity("tailora." + operation);
        var clock = Stopwatch.StartNew();
        try
        {
            T result = await work().ConfigureAwait(false);
            Succeed(activity, result, tags);
            Duration.Record(clock.Elapsed.TotalSeconds, new KeyValuePair<string, object?>("tailora.operation", operation));
            return result;
        }
        catch (Exception error)
        {
            Fail(activity, operation, clock.Elapsed, error);
            throw;
        }
    }

    /// <summary>As <see cref="TracedAsync"/>, on the caller's thread.</summary>
    internal static T Traced<T>(string operation, Func<T> work, Func<T, IEnumerable<KeyValuePair<string, object?>>> tags)
    {
        using Activity? activity = Source.StartActivity("tailora." + operation);
        var clock = Stopwatch.StartNew();
        try
        {
            T result = work();
            Succeed(activity, result, tags);
            Duration.Record(clock.Elapsed.TotalSeconds, new KeyValuePair<string, object?>("tailora.operation", operation));
            return result;
        }
        catch (Exception error)
        {
            Fail(activity, operation, clock.Elapsed, error);
            throw;
        }
    }

    private static void Succeed<T>(Activity? activity, T result, Func<T, IEnumerable<KeyValuePair<string, object?>>> tags)
    {
        if (activity is not { IsAllDataRequested: true })
        {
            return;
        }

        foreach (KeyValuePair<string, object?> tag in tags(result))
        {
            activity.SetTag(tag.Key, tag.Value);
        }
    }

    private static void Fail(Activity? activity, string operation, TimeSpan elapsed, Exception error)
    {
        string type = (error as TailoraException)?.Code.ToString() ?? error.GetType().FullName!;
        activity?.SetTag("error.type", type);
        activity?.SetStatus(ActivityStatusCode.Error);
        Duration.Record(
            elapsed.TotalSeconds,
            new KeyValuePair<string, object?>("tailora.operation", operation),
            new KeyValuePair<string, object?>("error.type", type));
    }
}
