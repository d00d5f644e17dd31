using System;
using System.Collections.Generic;
using Microsoft.Extensions.AI;

namespace Tailora.Extensions.AI;

/// <summary>What a Tailora model can do and <see cref="ChatOptions"/> has no property for; kept in <see cref="ChatOptions.AdditionalProperties"/>.</summary>
public static class TailoraChatOptionsExtensions
{
    /// <summary>The additional property with the adapters of a call: a list of pairs of <see cref="Adapter"/> and scale.</summary>
    public const string AdaptersKey = "tailora.adapters";

    /// <summary>The additional property that asks for log-probabilities: how many of the most probable tokens in each place, 0 for the one that was taken.</summary>
    public const string LogprobsKey = "tailora.logprobs";

    /// <summary>Answers through these adapters instead of the client's own; none means the base model.</summary>
    /// <param name="options">The options of a call.</param>
    /// <param name="adapters">Adapters of the client's model, each with its scale; they are attached at once.</param>
    public static ChatOptions WithAdapters(this ChatOptions options, params (Adapter Adapter, double Scale)[] adapters)
    {
        _ = options ?? throw new ArgumentNullException(nameof(options));
        _ = adapters ?? throw new ArgumentNullException(nameof(adapters));
        (options.AdditionalProperties ??= [])[AdaptersKey] = adapters;
        return options;
    }

    /// <summary>Lists the tokens of the answer with their log-probabilities; read them with <see cref="GetLogprobs"/>.</summary>
    /// <param name="options">The options of a call.</param>
    /// <param name="top">How many of the most probable tokens to list in each place, up to 20.</param>
    public static ChatOptions WithLogprobs(this ChatOptions options, int top = 0)
    {
        _ = options ?? throw new ArgumentNullException(nameof(options));
        (options.AdditionalProperties ??= [])[LogprobsKey] = top;
        return options;
    }

    /// <summary>The tokens of an answer with their log-probabilities, where they were asked for; else <c>null</c>.</summary>
    /// <param name="response">What the client answered.</param>
    public static IReadOnlyList<GeneratedToken>? GetLogprobs(this ChatResponse response)
    {
        _ = response ?? throw new ArgumentNullException(nameof(response));
        return (response.RawRepresentation as Generation)?.Tokens;
    }
}
