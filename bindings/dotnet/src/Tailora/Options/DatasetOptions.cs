using System.Collections.Generic;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How a CSV is read. What is left <c>null</c> has the library's default.</summary>
public sealed record DatasetOptions
{
    /// <summary>Name of the column with what the model is given; <c>input</c> by default.</summary>
    public string? InputColumn { get; set; }

    /// <summary>Name of the column with what the model is to answer; <c>output</c> by default.</summary>
    public string? OutputColumn { get; set; }

    /// <summary>Name of the column that says whose row it is, a personnel number for example. Adapters keep the ids as salted hashes.</summary>
    public string? IdColumn { get; set; }

    /// <summary>Leave out the rows of these ids, as they stand in the id column.</summary>
    public IReadOnlyList<string>? ExcludeIds { get; set; }

    /// <summary>Name of a column by which rows are grouped, such as a job level: validation rows are drawn from each group in proportion.</summary>
    public string? GroupBy { get; set; }

    /// <summary>Read only the rows of this group of <see cref="GroupBy"/>, for an adapter of its own.</summary>
    public string? Group { get; set; }

    /// <summary>Name of a column that says which rows are for training (<c>train</c>) and which for validation (<c>validation</c>).</summary>
    public string? SplitColumn { get; set; }

    /// <summary>Where to write a repaired copy of the file, in which only what cannot change the meaning is mended.</summary>
    public string? RepairedCopy { get; set; }

    /// <summary>Role prompt that goes before every input, as the system turn of the model's chat template.</summary>
    public string? System { get; set; }

    /// <summary>Other wordings of the role prompt, which rows take in turn with <see cref="System"/> (an empty one means none): an adapter that was trained under several depends less on how its user words it.</summary>
    public IReadOnlyList<string>? SystemVariants { get; set; }

    /// <summary>The file's encoding: <c>auto</c> (the default: UTF-8 if the file is that, UTF-16, else GB18030), <c>utf-8</c> or <c>gb18030</c>.</summary>
    public string? Encoding { get; set; }

    /// <summary>The character between fields: <c>,</c> (the default), <c>;</c>, <c>|</c> or a tab. A first line <c>sep=;</c> in the file stands instead.</summary>
    public string? Delimiter { get; set; }

    /// <summary>Read only the first rows, at most this many.</summary>
    public long? MaxRows { get; set; }

    /// <summary>What to do with rows whose input or output is empty.</summary>
    public RowPolicy? EmptyRows { get; set; }

    /// <summary>What to do with rows that have more tokens than fit.</summary>
    public LongRowPolicy? LongRows { get; set; }

    /// <summary>Tokens per row at most, where training or evaluation allow more; previews go by it too.</summary>
    public long? MaxLength { get; set; }
}

/// <summary>What to do with rows that training cannot use.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<RowPolicy>))]
public enum RowPolicy
{
    /// <summary>The file is refused, naming the row.</summary>
    Error,

    /// <summary>The rows are left out, and reported.</summary>
    Skip,
}

/// <summary>What to do with rows that have more tokens than fit.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<LongRowPolicy>))]
public enum LongRowPolicy
{
    /// <summary>Training is refused, naming the rows.</summary>
    Error,

    /// <summary>The rows are left out, and reported.</summary>
    Skip,

    /// <summary>The rows are cut, and reported: the middle of the input first, then the end of the output.</summary>
    Truncate,
}
