using System;
using Tailora.Native;

namespace Tailora;

/// <summary>What long work is doing at the moment.</summary>
public enum WorkPhase
{
    /// <summary>Reading and converting weights; steps are tensors.</summary>
    Load = 1,

    /// <summary>Reading a file of rows, steps are bytes of its text; or tokenizing rows, steps are rows.</summary>
    Prepare = 2,

    /// <summary>Training; steps are optimizer steps.</summary>
    Train = 3,

    /// <summary>Measuring the loss of the validation rows.</summary>
    Validate = 4,

    /// <summary>Writing files.</summary>
    Save = 5,

    /// <summary>Answering rows that were held out, to calibrate confidences; steps are those of the training.</summary>
    Calibrate = 6,
    /// <summary>Writing the reports of a batch; steps are rows.</summary>
    Report = 7,
}

/// <summary>One event of a training run. Figures that an event does not have are <c>null</c>.</summary>
/// <param name="Phase">What is being done; later library versions may add phases.</param>
/// <param name="Step">Steps done in this phase.</param>
/// <param name="TotalSteps">Steps of this phase in all; an upper bound while early stopping may end the run.</param>
/// <param name="Epoch">Passes over the data so far, with fraction.</param>
/// <param name="Loss">Mean loss per trained token of this step, in nats.</param>
/// <param name="ValidationLoss">Mean loss per trained token of the validation rows, in nats.</param>
/// <param name="LearningRate">The learning rate of this step.</param>
/// <param name="GradientNorm">Norm of the gradient before clipping.</param>
/// <param name="TokensPerSecond">Trained tokens per second over the run so far.</param>
/// <param name="Elapsed">Time since the call began.</param>
/// <param name="Eta">Estimated time to the end.</param>
public readonly record struct TrainingProgress(
    WorkPhase Phase,
    long Step,
    long TotalSteps,
    double? Epoch,
    double? Loss,
    double? ValidationLoss,
    double? LearningRate,
    double? GradientNorm,
    double? TokensPerSecond,
    TimeSpan Elapsed,
    TimeSpan? Eta)
{
    internal static TrainingProgress From(ProgressEvent native) => new(
        (WorkPhase)native.Phase,
        (long)native.Step,
        (long)native.TotalSteps,
        ProgressEvent.Figure(native.Epoch),
        ProgressEvent.Figure(native.Loss),
        ProgressEvent.Figure(native.ValidationLoss),
        ProgressEvent.Figure(native.LearningRate),
        ProgressEvent.Figure(native.GradientNorm),
        ProgressEvent.Figure(native.TokensPerSecond),
        ProgressEvent.Span(native.ElapsedSeconds) ?? TimeSpan.Zero,
        ProgressEvent.Span(native.EtaSeconds));
}

/// <summary>One event of loading a model.</summary>
/// <param name="Step">Tensors done.</param>
/// <param name="TotalSteps">Tensors in all.</param>
/// <param name="Elapsed">Time since the call began.</param>
/// <param name="Eta">Estimated time to the end.</param>
public readonly record struct LoadProgress(long Step, long TotalSteps, TimeSpan Elapsed, TimeSpan? Eta)
{
    internal static LoadProgress From(ProgressEvent native) => new(
        (long)native.Step,
        (long)native.TotalSteps,
        ProgressEvent.Span(native.ElapsedSeconds) ?? TimeSpan.Zero,
        ProgressEvent.Span(native.EtaSeconds));
}
