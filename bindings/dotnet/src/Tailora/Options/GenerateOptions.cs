using System.Collections.Generic;
using System.Text.Json;

namespace Tailora;

/// <summary>How one text is generated. What is left <c>null</c> has the library's default, which is greedy and needs no seed.</summary>
public sealed record GenerateOptions
{
    /// <summary>Most tokens to generate; 512 by default.</summary>
    public int? MaxTokens { get; set; }

    /// <summary>0, the default, takes the most probable token each time; above 0 tokens are drawn, from a flatter distribution the higher it is.</summary>
    public double? Temperature { get; set; }

    /// <summary>Draw only from the k most probable tokens; 0, the default, means all.</summary>
    public int? TopK { get; set; }

    /// <summary>Draw only from the smallest set of most probable tokens whose probabilities sum to this; 1, the default, means all.</summary>
    public double? TopP { get; set; }

    /// <summary>Draw only from tokens at least this share as probable as the most probable one; 0, the default, means all.</summary>
    public double? MinP { get; set; }

    /// <summary>Makes tokens that are already there less probable; 1, the default, changes nothing.</summary>
    public double? RepetitionPenalty { get; set; }

    /// <summary>Draw only from the tokens whose surprise is nearest to the expected one, until their probabilities sum to this; 1, the default, means all.</summary>
    public double? TypicalP { get; set; }

    /// <summary>Taken from the logit of every token that the completion already has; 0, the default, changes nothing.</summary>
    public double? PresencePenalty { get; set; }

    /// <summary>Taken from a token's logit for every time that the completion already has it; 0, the default, changes nothing.</summary>
    public double? FrequencyPenalty { get; set; }

    /// <summary>DRY: a token that would go on with a repetition of the last n tokens loses this · DryBase^(n − DryAllowedLength) of its logit; 0, the default, is off.</summary>
    public double? DryMultiplier { get; set; }

    /// <summary>How fast DRY's penalty grows with the length of the repetition; 1.75 by default.</summary>
    public double? DryBase { get; set; }

    /// <summary>The shortest repetition, in tokens, that DRY penalizes; 2 by default.</summary>
    public int? DryAllowedLength { get; set; }

    /// <summary>How many tokens of prompt and completion, from their end, DRY looks at; 0, the default, means all.</summary>
    public int? DryPenaltyLastN { get; set; }

    /// <summary>DRY counts no repetition across a token that contains one of these texts, nor across the model's control tokens.</summary>
    public IReadOnlyList<string>? DrySequenceBreakers { get; set; }

    /// <summary>Added to the logits of tokens, by their ids; −100 all but rules a token out.</summary>
    public IReadOnlyDictionary<string, double>? LogitBias { get; set; }

    /// <summary>Generation ends before the first of these texts; none is part of the output.</summary>
    public IReadOnlyList<string>? Stop { get; set; }

    /// <summary>Phrases that are never written, and what stands in their places.</summary>
    public IReadOnlyList<BannedPhrase>? Banned { get; set; }

    /// <summary>Seed of the draws. Same seed, prompt, options, adapters and machine: same text.</summary>
    public ulong? Seed { get; set; }

    /// <summary>A JSON Schema that the text must satisfy; every text is then a complete, valid document.</summary>
    public JsonElement? JsonSchema { get; set; }

    /// <summary>A regular expression (ECMA 262) that the whole text must match.</summary>
    public string? Regex { get; set; }

    /// <summary>A Lark grammar that the text must be of; it begins at the rule <c>start</c>.</summary>
    public string? Lark { get; set; }

    /// <summary>Role prompt: the system message of the model's chat template.</summary>
    public string? System { get; set; }

    /// <summary>
    /// The conversation before the prompt, through the model's chat template. With an empty prompt its last message is answered; one of
    /// <see cref="ChatRole.Assistant"/> is then the beginning of the answer. A message of <see cref="ChatRole.System"/> stands instead of
    /// the session's role prompt.
    /// </summary>
    public IReadOnlyList<ChatMessage>? Messages { get; set; }

    /// <summary>Take the prompt as it is: no chat template, no role prompt.</summary>
    public bool? Raw { get; set; }

    /// <summary>
    /// Let a pass read tokens ahead that may come because they stood in prompt or text before, which is the default. The text is the same;
    /// where it repeats its input it is written faster. Only on the CPU, and while few texts are written at the same time.
    /// </summary>
    public bool? Speculation { get; set; }

    /// <summary>List every token with its log-probability in <see cref="Generation.Tokens"/>.</summary>
    public bool? Logprobs { get; set; }

    /// <summary>List every token with so many of the most probable ones in its place, up to 20, in <see cref="GeneratedToken.Top"/>.</summary>
    public int? TopLogprobs { get; set; }

    /// <summary>
    /// How many texts to generate for the prompt, up to 32: all of them are in <see cref="Generation.Choices"/>. The first is what 1 gives;
    /// the others have seeds derived from <see cref="Seed"/>. Not for streams.
    /// </summary>
    public int? N { get; set; }
}
