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

    /// <summary>The base model that wrote it.</summary>
    public ReportModel? Model { get; init; }

    /// <summary>The adapters that were attached, bottom of the stack first.</summary>
    public IReadOnlyList<ReportAdapter> Adapters { get; init; } = [];

    /// <summary>How it was generated.</summary>
    public ReportGeneration? Generation { get; init; }

    /// <summary>The document in the schema that the caller gave as <see cref="ReportOptions.Schema"/>; <c>null</c> without one.</summary>
    public JsonElement? Document { get; init; }

    /// <summary>The report as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

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

    /// <summary><c>calibrated</c>, or <c>uncalibrated</c> for plain token probabilities.</summary>
    public string ConfidenceKind { get; init; } = "";

    /// <summary>The fields of the input that it rests on.</summary>
    public IReadOnlyList<ReportSource> Sources { get; init; } = [];
}

/// <summary>A field of the input that a conclusion rests on.</summary>
public sealed record ReportSource
{
    /// <summary>The field's name, as the input has it.</summary>
    public string Field { get; init; } = "";

    /// <summary>The field's value, as the input has it.</summary>
    public string Value { get; init; } = "";

    /// <summary>How much the conclusion rests on it; <c>null</c> where it was not measured.</summary>
    public double? Influence { get; init; }
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
