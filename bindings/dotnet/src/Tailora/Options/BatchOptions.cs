using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How a batch of reports is written. What is left <c>null</c> has the library's default.</summary>
public sealed record BatchOptions
{
    /// <summary>How each report is written and measured. Its seed is the job's, from which each row has its own by its id.</summary>
    public ReportOptions? Report { get; set; }

    /// <summary>The form of the file of cases; by default JSON Lines if its name ends in <c>.jsonl</c> or <c>.ndjson</c>, else CSV.</summary>
    public CaseFormat? Format { get; set; }

    /// <summary>
    /// Name of the column, or JSON key, with the case; <c>input</c> by default. <see cref="AllColumns"/> takes all columns but the id's as the fields of
    /// the case.
    /// </summary>
    [JsonConverter(typeof(AllColumnsConverter))]
    public string? InputColumn { get; set; }

    /// <summary>Name of the column, or JSON key, that says whose row it is; no two rows have the same. By default the row's number.</summary>
    public string? IdColumn { get; set; }

    /// <summary>The file's encoding, as <see cref="DatasetOptions.Encoding"/>.</summary>
    public string? Encoding { get; set; }

    /// <summary>The character between the fields of a CSV, as <see cref="DatasetOptions.Delimiter"/>.</summary>
    public string? Delimiter { get; set; }

    /// <summary>Reports that are written at the same time; 8 by default on a CPU and 32 on a GPU. The reports are the same whatever it is, but for last digits on a GPU.</summary>
    public int? Parallel { get; set; }

    /// <summary>The part of the rows that this call writes; all by default. <see cref="ReportFile.Merge"/> puts the parts together.</summary>
    public Shard? Shard { get; set; }

    /// <summary>For <see cref="InputColumn"/>: all columns but the id's, empty cells left out.</summary>
    public const string AllColumns = "*";
}

/// <summary>The form of a file of cases.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<CaseFormat>))]
public enum CaseFormat
{
    /// <summary>By the file's name.</summary>
    Auto,

    /// <summary>A CSV with a header.</summary>
    Csv,

    /// <summary>One JSON object on each line.</summary>
    Jsonl,
}

/// <summary>A part of a job, for several processes or machines.</summary>
public sealed record Shard
{
    /// <summary>From 0, below <see cref="Count"/>.</summary>
    public int Index { get; set; }

    /// <summary>Parts in all: row r, counted from 1, is in that with the index (r − 1) mod count.</summary>
    public int Count { get; set; } = 1;
}
