namespace Tailora;

/// <summary>How a session works. What is left <c>null</c> has the library's default.</summary>
public sealed record SessionOptions
{
    /// <summary>Most tokens of prompt and completion together; at most, and by default, what the model was made for.</summary>
    public int? ContextLength { get; set; }

    /// <summary>Role prompt of every call that does not bring its own.</summary>
    public string? System { get; set; }
}
