using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How a training went. Losses are means per trained token, in nats; one that is no finite number is <c>null</c>.</summary>
public sealed record TrainingSummary
{
    /// <summary>The adapter's name.</summary>
    public string Name { get; init; } = "";

    /// <summary>Its version, as in <c>20261123-n842-r16-3f9c</c>.</summary>
    public string Version { get; init; } = "";

    /// <summary>Where it was saved; <c>null</c> without <see cref="TrainingOptions.OutputDir"/>, or if it could not be written.</summary>
    public string? AdapterPath { get; init; }

    /// <summary>Why it ended.</summary>
    public TrainingStopReason StopReason { get; init; }

    /// <summary>The error that ended it; <c>null</c> unless <see cref="StopReason"/> is <see cref="TrainingStopReason.Failed"/>.</summary>
    public TrainingFailure? Error { get; init; }

    /// <summary>Sentences on what the caller should know, such as files that could not be written.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Rows of the dataset that could be used.</summary>
    public long Rows { get; init; }

    /// <summary>Rows that are too long and were left out.</summary>
    public long SkippedRows { get; init; }

    /// <summary>Rows that are too long and were cut.</summary>
    public long TruncatedRows { get; init; }

    /// <summary>The first of the rows that were cut.</summary>
    public IReadOnlyList<TruncatedRow> Truncated { get; init; } = [];

    /// <summary>Tokens of all rows.</summary>
    public long DatasetTokens { get; init; }

    /// <summary>Those of them that the model learns to say.</summary>
    public long DatasetTrainedTokens { get; init; }

    /// <summary>Tokens of the longest row.</summary>
    public long LongestRow { get; init; }

    /// <summary>Rows that were trained on.</summary>
    public long TrainRows { get; init; }

    /// <summary>Rows that the validation loss is of; with folds, all.</summary>
    public long ValidationRows { get; init; }

    /// <summary>Optimizer steps that were done.</summary>
    public long Steps { get; init; }

    /// <summary>Optimizer steps that were planned.</summary>
    public long TotalSteps { get; init; }

    /// <summary>Steps left out because their gradient was not finite.</summary>
    public long SkippedSteps { get; init; }

    /// <summary>Passes over the training rows, with fraction.</summary>
    public double Epochs { get; init; }

    /// <summary>The step whose adapter was given out.</summary>
    public long BestStep { get; init; }

    /// <summary>Loss of the last step.</summary>
    public double? Loss { get; init; }

    /// <summary>Loss of the validation rows without the adapter; <c>null</c> without such rows.</summary>
    public double? BaseValidationLoss { get; init; }

    /// <summary>Loss of the validation rows at the best step; <c>null</c> without such rows.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>Base and adapter on rows that it had not seen; <c>null</c> where there were none.</summary>
    public TrainingEvaluation? Evaluation { get; init; }

    /// <summary>How much of its answers is copied from the training rows; <c>null</c> where that was not measured.</summary>
    [JsonPropertyName("memorisation")]
    public Memorization? Memorization { get; init; }

    /// <summary>How its confidences were calibrated; <c>null</c> where they were not.</summary>
    public TrainingCalibration? Calibration { get; init; }

    /// <summary>Tokens that were read in training.</summary>
    public long Tokens { get; init; }

    /// <summary>Those of them that were trained.</summary>
    public long TrainedTokens { get; init; }

    /// <summary>Tokens a second in training.</summary>
    public double TokensPerSecond { get; init; }

    /// <summary>Trained numbers.</summary>
    public long Parameters { get; init; }

    /// <summary>What decided the initial adapter, the split, the order of rows and dropout.</summary>
    public ulong Seed { get; init; }

    /// <summary>Whether layers were run again for the backward pass.</summary>
    public bool GradientCheckpointing { get; init; }

    /// <summary>The memory it was estimated to need.</summary>
    public TrainingMemory Memory { get; init; } = new();

    /// <summary>The trainings that held out a part of the rows each; <c>null</c> without folds.</summary>
    public IReadOnlyList<TrainingFold>? Folds { get; init; }

    /// <summary>How many times the epochs were doubled; <c>null</c> without folds, or if it ended before all rows were trained on.</summary>
    public int? EpochDoublings { get; init; }

    /// <summary>With folds, whether the adapter was trained on all rows in the end; otherwise <c>null</c>.</summary>
    public bool? Refit { get; init; }

    /// <summary>What it took.</summary>
    public double Seconds { get; init; }

    /// <summary>The summary as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static TrainingSummary FromJson(string json) => Json.Read(json, ResultsJson.Default.TrainingSummary) with { RawJson = json };
}

/// <summary>Why a training ended.</summary>
[JsonConverter(typeof(SnakeCaseEnumConverter<TrainingStopReason>))]
public enum TrainingStopReason
{
    /// <summary>All steps were done.</summary>
    Completed,

    /// <summary>The validation loss fell no more (<see cref="TrainingOptions.EarlyStoppingPatience"/>).</summary>
    EarlyStopping,

    /// <summary>The caller asked to stop.</summary>
    [JsonStringEnumMemberName("cancelled")]
    Canceled,

    /// <summary>An error came after the first step.</summary>
    Failed,
}

/// <summary>The error that ended a training.</summary>
public sealed record TrainingFailure
{
    /// <summary>What kind of error it was.</summary>
    public TailoraErrorCode Code { get; init; }

    /// <summary>What was found, what was expected, what to do.</summary>
    public string Message { get; init; } = "";

    /// <summary>Facts for programs, a JSON object.</summary>
    public JsonElement Details { get; init; }
}

/// <summary>Losses on rows that were not trained on.</summary>
public sealed record TrainingEvaluation
{
    /// <summary>The rows.</summary>
    public long Rows { get; init; }

    /// <summary>The model alone.</summary>
    public EvaluationLoss Base { get; init; } = new();

    /// <summary>The model with the adapter, or with those of the folds.</summary>
    public EvaluationLoss Adapter { get; init; } = new();
}

/// <summary>A training that held out a part of the rows.</summary>
public sealed record TrainingFold
{
    /// <summary>Rows that it trained on.</summary>
    public long TrainRows { get; init; }

    /// <summary>Rows that it held out.</summary>
    public long ValidationRows { get; init; }

    /// <summary>Its optimizer steps.</summary>
    public long Steps { get; init; }

    /// <summary>Why it ended.</summary>
    public TrainingStopReason StopReason { get; init; }

    /// <summary>The step with the least loss.</summary>
    public long BestStep { get; init; }

    /// <summary>Loss of the rows held out at that step.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>Their loss without the adapter.</summary>
    public double? BaseValidationLoss { get; init; }
}
