using System.Collections.Generic;
using System.Text.Json.Serialization;
using Tailora.Native;

namespace Tailora;

/// <summary>What a reviewer made of a Word file that <see cref="Docx"/> wrote: rows for the next training, and a label for each conclusion.</summary>
public sealed record ReviewedDocument
{
    /// <summary>The cases, in the order of the file.</summary>
    public IReadOnlyList<ReviewedCase> Cases { get; init; } = [];

    /// <summary>Input and accepted text of each case that has a text, for the next training's CSV.</summary>
    public IReadOnlyList<ReviewedRow> Rows { get; init; } = [];

    /// <summary>The review as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    /// <summary>Reads a reviewed file: with its changes accepted, rejected or open, its comments there or not.</summary>
    /// <param name="path">The .docx, as Word or LibreOffice saved it.</param>
    /// <exception cref="TailoraException">
    /// It is no .docx, carries no drafts, or was rewritten so far that it cannot be compared (<see cref="TailoraErrorCode.DocxFormat"/>).
    /// </exception>
    public static unsafe ReviewedDocument Read(string path)
    {
        Argument.NotNull(path, nameof(path));
        NativeLoader.EnsureLoaded();
        fixed (byte* where = Utf8Text.Terminated(path, nameof(path)))
        {
            int status = NativeMethods.tailora_report_import_docx(where, null, out StringHandle review, out ErrorHandle error);
            string json = review.Take();
            Failure.Check(status, error);
            return Json.Read(json, ResultsJson.Default.ReviewedDocument) with { RawJson = json };
        }
    }
}

/// <summary>What a reviewer made of one report.</summary>
public sealed record ReviewedCase
{
    /// <summary>The host's name for the case.</summary>
    public string Id { get; init; } = "";

    /// <summary>The input, as it was given.</summary>
    public string Input { get; init; } = "";

    /// <summary>
    /// The accepted text, changes on which nobody decided taken as accepted; <c>null</c> where the draft's place is gone from the file.
    /// </summary>
    public string? Output { get; init; }

    /// <summary>Tracked changes that are neither accepted nor rejected: 0 once somebody decided on all.</summary>
    public long Pending { get; init; }

    /// <summary>The report's conclusions, in their order.</summary>
    public IReadOnlyList<ReviewedConclusion> Conclusions { get; init; } = [];
}

/// <summary>What a reviewer made of one conclusion.</summary>
public sealed record ReviewedConclusion
{
    /// <summary>Its kind, as the report said.</summary>
    public string Kind { get; init; } = "";

    /// <summary>Its text in the draft.</summary>
    public string Text { get; init; } = "";

    /// <summary>The confidence that the report gave it.</summary>
    public double Confidence { get; init; }

    /// <summary>What kind of confidence that was.</summary>
    public string ConfidenceKind { get; init; } = "";

    /// <summary>What became of it.</summary>
    public ConclusionLabel Label { get; init; }

    /// <summary>The text that stands in its place; empty if it was deleted.</summary>
    public string Accepted { get; init; } = "";
}

/// <summary>What became of a conclusion.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<ConclusionLabel>))]
public enum ConclusionLabel
{
    /// <summary>It stands there as it was, perhaps at another place.</summary>
    Kept,

    /// <summary>Other words stand in it, around at least half of its own.</summary>
    Edited,

    /// <summary>It is gone, or too little of it is left to be the same.</summary>
    Deleted,
}

/// <summary>A row for the next training.</summary>
public sealed record ReviewedRow
{
    /// <summary>What the report was written on.</summary>
    public string Input { get; init; } = "";

    /// <summary>The text that was accepted.</summary>
    public string Output { get; init; } = "";
}
