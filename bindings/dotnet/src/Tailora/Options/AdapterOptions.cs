namespace Tailora;

/// <summary>How an adapter is loaded. What is left <c>null</c> has the library's default.</summary>
public sealed record AdapterOptions
{
    /// <summary>The name that reports show; by default what the adapter's manifest says, else its directory's name.</summary>
    public string? Name { get; set; }

    /// <summary>
    /// Load an adapter though it was trained on other weights: on the same model in another container or precision, say. The shapes
    /// must fit, and the adapter's notes say it.
    /// </summary>
    public bool? AllowBaseMismatch { get; set; }
}
