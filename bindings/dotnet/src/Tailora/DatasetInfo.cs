using System.Collections.Generic;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>What was read of a CSV, and what is worth a look before training.</summary>
public sealed record DatasetInfo
{
    /// <summary>The file.</summary>
    public string Path { get; init; } = "";

    /// <summary>Its size.</summary>
    public long Bytes { get; init; }

    /// <summary>SHA-256 of the file, in hexadecimal.</summary>
    [JsonPropertyName("sha256")]
    public string Sha256 { get; init; } = "";

    /// <summary>The encoding it was read in.</summary>
    public string Encoding { get; init; } = "";

    /// <summary>The character between its fields.</summary>
    public string Delimiter { get; init; } = "";

    /// <summary>Rows that training can use.</summary>
    public long Rows { get; init; }

    /// <summary>The names of all columns.</summary>
    public IReadOnlyList<string> Columns { get; init; } = [];

    /// <summary>The column with what the model is given.</summary>
    public string InputColumn { get; init; } = "";

    /// <summary>The column with what it is to answer.</summary>
    public string OutputColumn { get; init; } = "";

    /// <summary>The column that says whose row it is; <c>null</c> without <see cref="DatasetOptions.IdColumn"/>.</summary>
    public string? IdColumn { get; init; }

    /// <summary>Rows that <see cref="DatasetOptions.ExcludeIds"/> left out.</summary>
    public long ExcludedRows { get; init; }

    /// <summary>Ids that were to be left out and that no row has.</summary>
    public IReadOnlyList<string> ExcludedIdsNotFound { get; init; } = [];

    /// <summary>The role prompt that goes before every input.</summary>
    public string? System { get; init; }

    /// <summary>Other wordings of it, which rows take in turn.</summary>
    public IReadOnlyList<string> SystemVariants { get; init; } = [];

    /// <summary>The rows of each group; <c>null</c> without <see cref="DatasetOptions.GroupBy"/>.</summary>
    public IReadOnlyDictionary<string, long>? Groups { get; init; }

    /// <summary>How long inputs and outputs are, and which labels there are.</summary>
    public DatasetDistribution Distribution { get; init; } = new();

    /// <summary>How many findings there are, by their kind.</summary>
    public IReadOnlyDictionary<string, long> FindingCounts { get; init; } = new Dictionary<string, long>();

    /// <summary>What is doubtful: the first findings of each kind.</summary>
    public IReadOnlyList<DatasetFinding> Findings { get; init; } = [];

    /// <summary>What was mended in the copy; <c>null</c> without <see cref="DatasetOptions.RepairedCopy"/>.</summary>
    public DatasetRepairs? Repairs { get; init; }

    /// <summary>The info as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static DatasetInfo FromJson(string json) => Json.Read(json, ResultsJson.Default.DatasetInfo) with { RawJson = json };
}

/// <summary>One doubtful place of a file. It never holds the text that it is about.</summary>
public sealed record DatasetFinding
{
    /// <summary>What kind of thing it is, such as <c>conflicting_output</c>; docs/data.md has them all. Later library versions may add kinds.</summary>
    public string Kind { get; init; } = "";

    /// <summary>How much it harms a training.</summary>
    public FindingSeverity Severity { get; init; }

    /// <summary>The row, from 1; 0 for the whole file.</summary>
    public long Row { get; init; }

    /// <summary>The line of the file where the row begins.</summary>
    public long Line { get; init; }

    /// <summary>All rows that it is about, up to 20.</summary>
    public IReadOnlyList<long> Rows { get; init; } = [];

    /// <summary>The column; empty where it is about no single one.</summary>
    public string Column { get; init; } = "";

    /// <summary>What was found, in words.</summary>
    public string Message { get; init; } = "";

    /// <summary>What to do about it.</summary>
    public string Remedy { get; init; } = "";
}

/// <summary>How much a finding harms a training.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<FindingSeverity>))]
public enum FindingSeverity
{
    /// <summary>The model would learn something wrong.</summary>
    Error,

    /// <summary>It may.</summary>
    Warning,

    /// <summary>Worth knowing.</summary>
    Note,
}

/// <summary>How the rows of a file are distributed.</summary>
public sealed record DatasetDistribution
{
    /// <summary>Characters of the inputs.</summary>
    public LengthDistribution InputCharacters { get; init; } = new();

    /// <summary>Characters of the outputs.</summary>
    public LengthDistribution OutputCharacters { get; init; } = new();

    /// <summary>How often each output is there, where outputs are labels; the commonest first.</summary>
    public IReadOnlyList<LabelCount> Labels { get; init; } = [];
}

/// <summary>Lengths, in characters.</summary>
public sealed record LengthDistribution
{
    /// <summary>The shortest.</summary>
    public long Min { get; init; }

    /// <summary>Half are no longer.</summary>
    public long Median { get; init; }

    /// <summary>Of a hundred, 95 are no longer.</summary>
    [JsonPropertyName("p95")]
    public long Percentile95 { get; init; }

    /// <summary>The longest.</summary>
    public long Max { get; init; }
}

/// <summary>A label, and how many rows have it.</summary>
public sealed record LabelCount
{
    /// <summary>The label.</summary>
    public string Label { get; init; } = "";

    /// <summary>The rows.</summary>
    public long Rows { get; init; }
}

/// <summary>What was mended in a copy of a file: only what cannot change its meaning.</summary>
public sealed record DatasetRepairs
{
    /// <summary>The copy.</summary>
    public string Path { get; init; } = "";

    /// <summary>Its rows.</summary>
    public long Rows { get; init; }

    /// <summary>How many changes there are, by their kind.</summary>
    public IReadOnlyDictionary<string, long> Counts { get; init; } = new Dictionary<string, long>();

    /// <summary>The first thousand of them.</summary>
    public IReadOnlyList<DatasetRepair> Changes { get; init; } = [];
}

/// <summary>One change in a repaired copy, without the text that it was made to.</summary>
public sealed record DatasetRepair
{
    /// <summary>What was done: <c>duplicate_row</c>, <c>mojibake</c>, <c>invisible_character</c>, <c>trailing_space</c>.</summary>
    public string Change { get; init; } = "";

    /// <summary>The row of the file.</summary>
    public long Row { get; init; }

    /// <summary>The column; <c>null</c> where the whole row was left out.</summary>
    public string? Column { get; init; }

    /// <summary>The row that is as this one, which was left out; otherwise <c>null</c>.</summary>
    public long? SameAs { get; init; }
}
