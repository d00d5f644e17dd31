using System;
using System.Collections.Generic;
using System.Text.Json.Serialization;
using Tailora.Native;

namespace Tailora;

/// <summary>An adapter whose confidences go by what reviewers left of its conclusions.</summary>
public sealed record Recalibration : IDisposable
{
    private Adapter? adapter;

    /// <summary>The adapter: the same tensors as a new version. Disposing this disposes it.</summary>
    [JsonIgnore]
    public Adapter Adapter => adapter ?? throw new ObjectDisposedException(nameof(Recalibration));

    /// <summary>Reports of the adapter on which somebody decided.</summary>
    public long Cases { get; init; }

    /// <summary>Their conclusions.</summary>
    public long Conclusions { get; init; }

    /// <summary>Those that were left as they were.</summary>
    public long Kept { get; init; }

    /// <summary>Reports with changes on which nobody decided; they do not count.</summary>
    public long Undecided { get; init; }

    /// <summary>Reports that something else wrote: another version, several adapters, another scale, a schema. They do not count.</summary>
    public long OfOthers { get; init; }

    /// <summary>How well the confidences that the reports gave agree with the reviews.</summary>
    public ConfidenceFigures Before { get; init; } = new();

    /// <summary>How well the new ones do, each by a calibration that its report did not go into.</summary>
    public ConfidenceFigures After { get; init; } = new();

    /// <summary>The adapter's new version.</summary>
    public string Version { get; init; } = "";

    /// <summary>The summary as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    /// <inheritdoc/>
    public void Dispose() => adapter?.Dispose();

    internal static unsafe Recalibration Of(AdapterHandle old, IEnumerable<string> reviewed)
    {
        using var files = new HeldTexts(reviewed, nameof(reviewed));
        fixed (byte** paths = files.Values)
        {
            int status = NativeMethods.tailora_adapter_recalibrate(
                old, paths, (nuint)files.Values.Length, out AdapterHandle made, out StringHandle summary, out ErrorHandle error);
            string json = summary.Take();
            Failure.Check(status, error);
            return Json.Read(json, ResultsJson.Default.Recalibration) with { RawJson = json, adapter = new Adapter(made) };
        }
    }
}

/// <summary>How well confidences agree with what was right.</summary>
public sealed record ConfidenceFigures
{
    /// <summary>Expected calibration error.</summary>
    public double Ece { get; init; }

    /// <summary>Mean squared error (Brier score).</summary>
    public double Brier { get; init; }

    /// <summary>Probability that a right conclusion has more confidence than a wrong one; <c>null</c> where all are right, or all wrong.</summary>
    public double? Auc { get; init; }
}
