using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>A finished text.</summary>
public sealed record Generation
{
    /// <summary>The text: without prompt, end-of-turn token and stop string.</summary>
    public string Text { get; init; } = "";

    /// <summary>Why it ended: <c>stop</c> (the model ended its turn), <c>length</c> (<see cref="GenerateOptions.MaxTokens"/>), <c>stop_string</c>, <c>cancelled</c>.</summary>
    public string? FinishReason { get; init; }

    /// <summary>Tokens of the prompt, role prompt and template included.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Tokens generated, without the end-of-turn token.</summary>
    public long CompletionTokens { get; init; }

    /// <summary>The seed of the draws.</summary>
    public ulong? Seed { get; init; }

    /// <summary>The tokens of the text with their log-probabilities, where <see cref="GenerateOptions.Logprobs"/> asked for them.</summary>
    public IReadOnlyList<GeneratedToken>? Tokens { get; init; }

    /// <summary>All texts, where <see cref="GenerateOptions.N"/> asked for several; the first is this one.</summary>
    public IReadOnlyList<Generation>? Choices { get; init; }

    /// <summary>The JSON that this was read from.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static Generation FromJson(string json) => Json.Read(json, ResultsJson.Default.Generation) with { RawJson = json };
}

/// <summary>One generated token.</summary>
/// <param name="Id">Its id in the model's vocabulary.</param>
/// <param name="Logprob">Its log-probability under the model in nats: before grammar, penalties, temperature and filters.</param>
/// <param name="Text">The text that it took part in; a character of several tokens belongs to each of them.</param>
public sealed record GeneratedToken(uint Id, double Logprob, string Text)
{
    /// <summary>The most probable tokens in its place, best first, where <see cref="GenerateOptions.TopLogprobs"/> asked for them.</summary>
    public IReadOnlyList<TopToken>? Top { get; init; }
}

/// <summary>A token that the model might have said.</summary>
/// <param name="Id">Its id in the model's vocabulary.</param>
/// <param name="Logprob">Its log-probability under the model in nats.</param>
/// <param name="Text">Its text; bytes that are no whole character are U+FFFD.</param>
public sealed record TopToken(uint Id, double Logprob, string Text);
