using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>A report with its conclusions; each carries a measured confidence and sources that exist in the input.</summary>
public sealed record Report
{
    /// <summary>The envelope's version, e.g. <c>tailora.report/1</c>.</summary>
    public string Schema { get; init; } = "";

    /// <summary>The report itself.</summary>
    [JsonPropertyName("report")]
    public string Text { get; init; } = "";

    /// <summary>What the report concludes, one by one.</summary>
    public IReadOnlyList<Conclusion> Conclusions { get; init; } = [];

    /// <summary>Conclusions of the text beyond <see cref="ReportOptions.MaxConclusions"/>.</summary>
    public long OmittedConclusions { get; init; }

    /// <summary>The base model that wrote it.</summary>
    public ReportModel? Model { get; init; }

    /// <summary>The adapters that were attached, bottom of the stack first.</summary>
    public IReadOnlyList<ReportAdapter> Adapters { get; init; } = [];

    /// <summary>How it was generated.</summary>
    public ReportGeneration? Generation { get; init; }

    /// <summary>Protected fields that moved a conclusion all the same; <c>null</c> unless <see cref="ReportOptions.Protected"/> names fields.</summary>
    public IReadOnlyList<ReportBias>? Bias { get; init; }

    /// <summary>How the report keeps the house rules; <c>null</c> unless <see cref="ReportOptions.Rules"/> or the pack has any.</summary>
    public ReportRules? Rules { get; init; }

    /// <summary>In schema mode the document, with what was measured where its schema asks for it; otherwise <c>null</c>.</summary>
    public JsonElement? Document { get; init; }

    /// <summary>The report as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    /// <summary>Reads a report that the library wrote, <see cref="RawJson"/> or out of a file.</summary>
    /// <param name="json">An envelope <c>tailora.report/1</c>.</param>
    /// <exception cref="JsonException">It is none.</exception>
    public static Report Parse(string json)
    {
        Argument.NotNull(json, nameof(json));
        return FromJson(json);
    }

    /// <summary>The report as an envelope: as the library wrote it, or, once a property was changed, as the properties say.</summary>
    public string ToJson()
    {
        string written = JsonSerializer.Serialize(this, ResultsJson.Default.Report);
        bool unchanged = RawJson.Length > 0 && written == JsonSerializer.Serialize(FromJson(RawJson), ResultsJson.Default.Report);
        return unchanged ? RawJson : written;
    }

    /// <summary>Writes the report as a Word file for review; see <see cref="Docx.Save"/> for several.</summary>
    /// <param name="path">The .docx; a file that is there is replaced.</param>
    /// <param name="id">The host's name for the case; what was reviewed comes back under it.</param>
    /// <param name="input">The input that the report was written on.</param>
    /// <param name="options">How to write it; <c>null</c> for the defaults.</param>
    public void SaveDocx(string path, string id, string input, DocxOptions? options = null) =>
        Docx.Save([new ReportCase(id, input, this)], path, options);

    internal static Report FromJson(string json) => Json.Read(json, ResultsJson.Default.Report) with { RawJson = json };
}

/// <summary>One conclusion of a report.</summary>
public sealed record Conclusion
{
    /// <summary>What sort of conclusion it is, e.g. <c>strength</c>.</summary>
    public string Kind { get; init; } = "";

    /// <summary>The conclusion in words.</summary>
    public string Text { get; init; } = "";

    /// <summary>Measured confidence from 0 to 1; what it means is said by <see cref="ConfidenceKind"/>.</summary>
    public double? Confidence { get; init; }

    /// <summary>
    /// <c>calibrated</c>: the share of such conclusions that is right; <c>band</c>: the same for the conclusions of a <see cref="Band"/>;
    /// <c>uncalibrated</c>: the model's own probability; <c>rule</c>: 1, since a house rule wrote the conclusion and no model did.
    /// </summary>
    public string ConfidenceKind { get; init; } = "";

    /// <summary>The band of the confidence, where there were too few conclusions for a number; otherwise <c>null</c>.</summary>
    public ConfidenceBand? Band { get; init; }

    /// <summary>The fields of the input that moved it, the most influential first.</summary>
    public IReadOnlyList<ReportSource> Sources { get; init; } = [];

    /// <summary>The influence that fields without meaning for it reach by chance; <c>null</c> where influence was not measured.</summary>
    public double? Noise { get; init; }

    /// <summary>Whether a field moved it: <c>false</c> means that it would be said of anybody; <c>null</c> where that is not known.</summary>
    public bool? Grounded { get; init; }

    /// <summary>Its numbers and quotations that the input does not have.</summary>
    public IReadOnlyList<string> Unsupported { get; init; } = [];
}

/// <summary>Conclusions of about the same confidence.</summary>
public sealed record ConfidenceBand
{
    /// <summary><c>low</c>, <c>medium</c> or <c>high</c>.</summary>
    public string Name { get; init; } = "";

    /// <summary>The two ends of the interval in which the share of right conclusions lies with 95 % certainty.</summary>
    public IReadOnlyList<double> Interval { get; init; } = [];
}

/// <summary>A protected field that moved a conclusion.</summary>
public sealed record ReportBias
{
    /// <summary>The field's name, as the input has it.</summary>
    public string Field { get; init; } = "";

    /// <summary>The conclusion's place in <see cref="Report.Conclusions"/>, from 0.</summary>
    public int Conclusion { get; init; }

    /// <summary>How often another value of the field changed the conclusion, from 0 to 1.</summary>
    public double Influence { get; init; }

    /// <summary>What fields without meaning for it reach by chance.</summary>
    public double Noise { get; init; }
}

/// <summary>What a conclusion rests on: a field of the input, or a part of its text.</summary>
public sealed record ReportSource
{
    /// <summary>The field's name, as the input has it; <c>null</c> for a part of a text.</summary>
    public string? Field { get; init; }

    /// <summary>The field's value, as the input has it; <c>null</c> for a part of a text.</summary>
    public string? Value { get; init; }

    /// <summary>The passage's id; <c>null</c> for a field, and where a text has no passages.</summary>
    public string? Passage { get; init; }

    /// <summary>Where the part begins in its passage, in characters; <c>null</c> for a field.</summary>
    public int? Start { get; init; }

    /// <summary>Behind the last character of the part; <c>null</c> for a field.</summary>
    public int? End { get; init; }

    /// <summary>What the part says; <c>null</c> for a field.</summary>
    public string? Text { get; init; }

    /// <summary>The share of the conclusion that goes with it, from 0 to 1: how often another value of the field changed it, or what it loses of its probability without the part; <c>null</c> where it was not measured.</summary>
    public double? Influence { get; init; }
}

/// <summary>How a report keeps the house rules.</summary>
public sealed record ReportRules
{
    /// <summary>Sentences that rules wrote, since the report lacked what they require.</summary>
    public IReadOnlyList<RuleSentence> Written { get; init; } = [];

    /// <summary>Where it breaks them.</summary>
    public IReadOnlyList<RuleViolation> Violations { get; init; } = [];
}

/// <summary>A sentence that a house rule wrote: behind the text, as conclusions of its own, or in a document behind one of its texts.</summary>
public sealed record RuleSentence
{
    /// <summary>The phrases that were missing.</summary>
    public IReadOnlyList<string> Phrases { get; init; } = [];

    /// <summary>The field for whose value they are required; <c>null</c> where they are in any case.</summary>
    public string? Field { get; init; }

    /// <summary>What was written.</summary>
    public string Text { get; init; } = "";
}

/// <summary>A house rule that a report breaks.</summary>
public sealed record RuleViolation
{
    /// <summary><c>banned</c>: the text has the phrases; <c>required</c>: it lacks them.</summary>
    public string Rule { get; init; } = "";

    /// <summary>The phrases.</summary>
    public IReadOnlyList<string> Phrases { get; init; } = [];

    /// <summary>The field for whose value they are required; <c>null</c> where they are in any case.</summary>
    public string? Field { get; init; }
}

/// <summary>The base model of a report.</summary>
public sealed record ReportModel
{
    /// <summary>The model's name.</summary>
    public string Name { get; init; } = "";

    /// <summary>SHA-256 of the model, in hexadecimal.</summary>
    public string Sha256 { get; init; } = "";
}

/// <summary>An adapter of a report.</summary>
public sealed record ReportAdapter
{
    /// <summary>The adapter's name.</summary>
    public string Name { get; init; } = "";

    /// <summary>The adapter's version, where it has one.</summary>
    public string? Version { get; init; }

    /// <summary>The scale it was attached with.</summary>
    public double Scale { get; init; }
}

/// <summary>How a report was generated.</summary>
public sealed record ReportGeneration
{
    /// <summary>The seed of the draws.</summary>
    public ulong? Seed { get; init; }

    /// <summary>Why the text ended: <c>stop</c>, <c>length</c>.</summary>
    public string FinishReason { get; init; } = "";

    /// <summary>Tokens of the prompt.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Tokens generated.</summary>
    public long CompletionTokens { get; init; }
}
