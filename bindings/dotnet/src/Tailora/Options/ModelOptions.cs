namespace Tailora;

/// <summary>How a base model is loaded. What is left <c>null</c> has the library's default.</summary>
public sealed record ModelOptions
{
    /// <summary>Where it computes: <c>auto</c> (the default), <c>cpu</c>, or <c>cuda:N</c>.</summary>
    public string? Device { get; init; }
}
