using System.Collections.Generic;
using System.Text.Json;

namespace Tailora;

/// <summary>How an adapter is published. What is left <c>null</c> has the library's default.</summary>
public sealed record PublishOptions
{
    /// <summary>Name of the version, as in <c>hr_review</c>; by default the adapter's.</summary>
    public string? Name { get; set; }

    /// <summary>What the host wants to keep with the version: who approved it, figures of its own.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Extra { get; set; }
}
