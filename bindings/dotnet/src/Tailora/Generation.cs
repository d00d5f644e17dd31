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

    /// <summary>Why it ended: <c>stop</c> (the model ended its turn), <c>length</c> (<see cref="GenerateOptions.MaxTokens"/>), <c>stop_string</c>.</summary>
    public string? FinishReason { get; init; }

    /// <summary>Tokens of the prompt, role prompt and template included.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Tokens generated, without the end-of-turn token.</summary>
    public long CompletionTokens { get; init; }

    /// <summary>The seed of the draws.</summary>
    public ulong? Seed { get; init; }

    /// <summary>The tokens of the text with their log-probabilities, where <see cref="GenerateOptions.Logprobs"/> asked for them.</summary>
    public IReadOnlyList<GeneratedToken>? Tokens { get; init; }

    /// <summary>The JSON that this was read from.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static Generation FromJson(string json) => Json.Read(json, ResultsJson.Default.Generation) with { RawJson = json };
}

/// <summary>One generated token.</summary>
/// <param name="Id">Its id in the model's vocabulary.</param>
/// <param name="Logprob">Its log-probability under the model in nats: before grammar, penalties, temperature and filters.</param>
/// <param name="Text">The text that it took part in; a character of several tokens belongs to each of them.</param>
public sealed record GeneratedToken(uint Id, double Logprob, string Text);
