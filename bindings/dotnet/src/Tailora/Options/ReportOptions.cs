namespace Tailora;

/// <summary>How a report is written. What is left <c>null</c> has the library's default.</summary>
public sealed record ReportOptions
{
    /// <summary>Most tokens to generate.</summary>
    public int? MaxTokens { get; init; }
}
