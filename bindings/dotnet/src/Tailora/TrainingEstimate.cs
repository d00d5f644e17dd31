using System.Collections.Generic;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>What a training would take. The figures of rows are <c>null</c> where no dataset was given.</summary>
public sealed record TrainingEstimate
{
    /// <summary>Rows that it would use.</summary>
    public long? Rows { get; init; }

    /// <summary>Rows that are too long and would be left out.</summary>
    public long? SkippedRows { get; init; }

    /// <summary>Rows that are too long and would be cut.</summary>
    public long? TruncatedRows { get; init; }

    /// <summary>The first of the rows that would be cut.</summary>
    public IReadOnlyList<TruncatedRow>? Truncated { get; init; }

    /// <summary>Tokens of the longest row.</summary>
    public long? LongestRow { get; init; }

    /// <summary>Optimizer steps, if nothing ends the training early.</summary>
    public long? Steps { get; init; }

    /// <summary>Tokens of all steps.</summary>
    public long? Tokens { get; init; }

    /// <summary>Whether layers would be run again for the backward pass.</summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>Bytes at the peak, in parts.</summary>
    public TrainingMemory Memory { get; init; } = new();

    /// <summary>Seconds, in parts.</summary>
    public TrainingTime Time { get; init; } = new();

    /// <summary>The estimate as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static TrainingEstimate FromJson(string json) => Json.Read(json, ResultsJson.Default.TrainingEstimate) with { RawJson = json };
}

/// <summary>How long a training would take; without a dataset only its speed is known.</summary>
public sealed record TrainingTime
{
    /// <summary>Seconds in all, if nothing ends the training early.</summary>
    public double? Seconds { get; init; }

    /// <summary>Seconds of its optimizer steps.</summary>
    public double? TrainingSeconds { get; init; }

    /// <summary>Seconds of measuring the validation rows.</summary>
    public double? ValidationSeconds { get; init; }

    /// <summary>Seconds of looking for copies of the training rows (<see cref="TrainingOptions.MemorizationSamples"/>).</summary>
    [JsonPropertyName("memorisation_seconds")]
    public double? MemorizationSeconds { get; init; }

    /// <summary>Seconds of calibrating confidences (<see cref="TrainingOptions.CalibrationRows"/>).</summary>
    public double? CalibrationSeconds { get; init; }

    /// <summary>Tokens a second in training.</summary>
    public double TokensPerSecond { get; init; }
}
