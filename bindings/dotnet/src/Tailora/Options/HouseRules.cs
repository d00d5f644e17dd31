using System.Collections.Generic;

namespace Tailora;

/// <summary>House rules: what a report must not say, and what it must say of whom.</summary>
public sealed record HouseRules
{
    /// <summary>Phrases that are never written.</summary>
    public IReadOnlyList<BannedPhrase>? Banned { get; set; }

    /// <summary>What must be mentioned; where a report lacks it, the rule writes it.</summary>
    public IReadOnlyList<RequiredMention>? Required { get; set; }
}

/// <summary>A phrase that is never written.</summary>
public sealed record BannedPhrase
{
    /// <summary>The phrase; small and capital letters of ASCII are the same.</summary>
    public string? Phrase { get; set; }

    /// <summary>What is written in its place; <c>null</c> lets the model find other words.</summary>
    public string? Instead { get; set; }
}

/// <summary>What must be mentioned in a report on certain cases.</summary>
public sealed record RequiredMention
{
    /// <summary>Of which cases; <c>null</c> means of all.</summary>
    public Condition? When { get; set; }

    /// <summary>What must be mentioned, all of it.</summary>
    public IReadOnlyList<string>? Mention { get; set; }

    /// <summary>The sentence that is written where a report lacks any of it, with all of it; <c>null</c> writes the phrases that are missing, and an empty text nothing.</summary>
    public string? Write { get; set; }
}

/// <summary>Cases that have a value in a field: one of <see cref="EqualTo"/> and <see cref="Contains"/>.</summary>
public sealed record Condition
{
    /// <summary>The name of the field.</summary>
    public string? Field { get; set; }

    /// <summary>Its value.</summary>
    [System.Text.Json.Serialization.JsonPropertyName("equals")]
    public string? EqualTo { get; set; }

    /// <summary>A part of its value.</summary>
    public string? Contains { get; set; }
}
