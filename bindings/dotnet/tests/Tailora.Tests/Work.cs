using System.Text.Json;

namespace Tailora.Tests;

/// <summary>Work that does not end by itself before it is stopped.</summary>
internal static class Work
{
    /// <summary>A schema that only a text of some 500 tokens satisfies: seconds of work.</summary>
    internal static readonly JsonElement LongDocument = Document(120);

    /// <summary>A schema of so many truth values.</summary>
    internal static JsonElement Document(int items) =>
        JsonDocument.Parse($$"""{"type":"array","items":{"type":"boolean"},"minItems":{{items}},"maxItems":{{items}}}""").RootElement;
}
