using System.Collections.Generic;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>How probable a given text is after a prompt.</summary>
public sealed record ScoredText
{
    /// <summary>The log-probability of the whole text, in nats.</summary>
    public double Logprob { get; init; }

    /// <summary>Tokens of the prompt, role prompt and template included.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Tokens of the text, the end of the turn included where it was asked for.</summary>
    public long CompletionTokens { get; init; }

    /// <summary>The tokens of the text with their log-probabilities.</summary>
    public IReadOnlyList<GeneratedToken> Tokens { get; init; } = [];

    /// <summary>The JSON that this was read from.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static ScoredText FromJson(string json) => Json.Read(json, ResultsJson.Default.ScoredText) with { RawJson = json };
}
