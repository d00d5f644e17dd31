using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How well a model predicts the outputs of a dataset, without and with adapters.</summary>
public sealed record Evaluation
{
    /// <summary>Rows that were measured.</summary>
    public long Rows { get; init; }

    /// <summary>Rows that are too long and were left out.</summary>
    public long SkippedRows { get; init; }

    /// <summary>Rows that are too long and were cut.</summary>
    public long TruncatedRows { get; init; }

    /// <summary>Tokens of the outputs.</summary>
    public long Tokens { get; init; }

    /// <summary>The model alone.</summary>
    public EvaluationLoss Base { get; init; } = new();

    /// <summary>The model with the adapters; <c>null</c> without any.</summary>
    public EvaluationLoss? Adapter { get; init; }

    /// <summary>How much of the answers is copied from the rows that were trained on; <c>null</c> without those.</summary>
    [JsonPropertyName("memorisation")]
    public Memorization? Memorization { get; init; }

    /// <summary>What it took.</summary>
    public double Seconds { get; init; }

    /// <summary>The evaluation as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static Evaluation FromJson(string json) => Json.Read(json, ResultsJson.Default.Evaluation) with { RawJson = json };
}

/// <summary>How well outputs are predicted.</summary>
public sealed record EvaluationLoss
{
    /// <summary>Mean loss per token of the outputs, in nats; <c>null</c> where it is no finite number.</summary>
    public double? Loss { get; init; }

    /// <summary>e to the power of <see cref="Loss"/>; <c>null</c> where it is no finite number.</summary>
    public double? Perplexity { get; init; }
}

/// <summary>How much of answers is copied, word for word, from the rows that were trained on.</summary>
public sealed record Memorization
{
    /// <summary>Inputs that were answered.</summary>
    public long Outputs { get; init; }

    /// <summary>Characters of the longest copy.</summary>
    public long LongestOverlapChars { get; init; }

    /// <summary>Its share of the answer, from 0 to 1.</summary>
    public double Share { get; init; }

    /// <summary>Characters that outputs of the dataset share with each other anyhow; only what is longer counts as a copy.</summary>
    public long ReferenceOverlapChars { get; init; }

    /// <summary>Answers that are copies.</summary>
    public long CopiedOutputs { get; init; }

    /// <summary>Whether any is.</summary>
    public bool Copied { get; init; }

    /// <summary>Who answered what, where that is not the adapter on rows that it had not seen; otherwise <c>null</c>.</summary>
    public string? Note { get; init; }
}
