namespace Tailora;

/// <summary>How an adapter is trained; names as in PEFT. What is left <c>null</c> has the library's default.</summary>
public sealed record TrainingOptions
{
    /// <summary>Rank of the adapter; 8 by default.</summary>
    public int? R { get; init; }
}
