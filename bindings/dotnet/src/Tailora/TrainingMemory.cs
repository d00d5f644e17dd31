namespace Tailora;

/// <summary>Memory that model and training take together, in bytes, as it was estimated before the first step.</summary>
public sealed record TrainingMemory
{
    /// <summary>The most at any time.</summary>
    public long PeakBytes { get; init; }

    /// <summary>The base model's weights.</summary>
    public long WeightsBytes { get; init; }

    /// <summary>What matrix products work in.</summary>
    public long WorkspaceBytes { get; init; }

    /// <summary>The adapter, its gradients, the optimizer's moments and the best weights so far.</summary>
    public long AdapterBytes { get; init; }

    /// <summary>What layers keep for the backward pass.</summary>
    public long ActivationsBytes { get; init; }

    /// <summary>What a layer needs while it works.</summary>
    public long TemporariesBytes { get; init; }

    /// <summary>Logits and their gradient.</summary>
    public long LogitsBytes { get; init; }

    /// <summary>Layers that keep only their inputs (<see cref="TrainingOptions.GradientCheckpointing"/>).</summary>
    public int CheckpointedLayers { get; init; }

    /// <summary>The peak if every layer kept its activations.</summary>
    public long WithoutCheckpointingBytes { get; init; }

    /// <summary>The peak if no layer did.</summary>
    public long WithCheckpointingBytes { get; init; }

    /// <summary>In an estimate, <see cref="TrainingOptions.MaxMemory"/>; <c>null</c> without one, and in a summary.</summary>
    public long? MaxMemory { get; init; }

    /// <summary>In an estimate, what the device has left; <c>null</c> where it does not say, and in a summary.</summary>
    public long? AvailableBytes { get; init; }

    /// <summary>In an estimate, whether <see cref="MaxMemory"/>, or what is available without one, suffices; <c>null</c> in a summary.</summary>
    public bool? Fits { get; init; }

    /// <summary>In a summary, the most that the process really took by its end; <c>null</c> where the system does not say, and in an estimate.</summary>
    public long? ProcessPeakBytes { get; init; }
}
