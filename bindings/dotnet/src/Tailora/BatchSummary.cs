using System;
using System.Text.Json.Serialization;
using Tailora.Native;

namespace Tailora;

/// <summary>How a batch of reports went.</summary>
public sealed record BatchSummary
{
    /// <summary>Rows of this job: of the file, or of the shard.</summary>
    public long Rows { get; init; }

    /// <summary>Rows that have a report.</summary>
    public long Reports { get; init; }

    /// <summary>Rows that have an error instead.</summary>
    public long Failed { get; init; }

    /// <summary>Rows that earlier calls had written.</summary>
    public long Resumed { get; init; }

    /// <summary>What this call took.</summary>
    public double Seconds { get; init; }

    /// <summary>Rows that this call wrote, by the minute.</summary>
    public double RowsPerMinute { get; init; }

    /// <summary>The file of reports, which <see cref="ReportFile.Read"/> reads.</summary>
    public string Output { get; init; } = "";

    /// <summary>The summary as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static BatchSummary FromJson(string json) => Json.Read(json, ResultsJson.Default.BatchSummary) with { RawJson = json };
}

/// <summary>What the shards of a batch came to.</summary>
public sealed record MergeSummary
{
    /// <summary>Rows of the file of cases.</summary>
    public long Rows { get; init; }

    /// <summary>Rows that have a report.</summary>
    public long Reports { get; init; }

    /// <summary>Rows that have an error instead.</summary>
    public long Failed { get; init; }

    /// <summary>The summary as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static MergeSummary FromJson(string json) => Json.Read(json, ResultsJson.Default.MergeSummary) with { RawJson = json };
}

/// <summary>One event of a batch of reports.</summary>
/// <param name="Rows">Rows that are written, those of earlier calls included.</param>
/// <param name="TotalRows">Rows of the job in all.</param>
/// <param name="Elapsed">Time since the call began.</param>
/// <param name="Eta">Estimated time to the end, by the pace of this call.</param>
public readonly record struct BatchProgress(long Rows, long TotalRows, TimeSpan Elapsed, TimeSpan? Eta)
{
    internal static BatchProgress From(ProgressEvent native) => new(
        (long)native.Step,
        (long)native.TotalSteps,
        ProgressEvent.Span(native.ElapsedSeconds) ?? TimeSpan.Zero,
        ProgressEvent.Span(native.EtaSeconds));
}
