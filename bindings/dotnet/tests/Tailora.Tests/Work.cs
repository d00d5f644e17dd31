using System.Text.Json;

namespace Tailora.Tests;

/// <summary>Work that takes as long as it is let.</summary>
internal static class Work
{
    /// <summary>A schema that no text satisfies before it is very long, so that generation does not end by itself.</summary>
    internal static readonly JsonElement Endless =
        JsonDocument.Parse("""{"type":"array","items":{"type":"boolean"},"minItems":400,"maxItems":400}""").RootElement;
}
