namespace Tailora;

/// <summary>How a CSV is read. What is left <c>null</c> has the library's default.</summary>
public sealed record DatasetOptions
{
    /// <summary>Role prompt of every row: the system message of the model's chat template.</summary>
    public string? System { get; init; }
}
