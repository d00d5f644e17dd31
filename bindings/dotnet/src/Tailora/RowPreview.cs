using System.Collections.Generic;
using System.Text.Json.Serialization;

namespace Tailora;

/// <summary>A row exactly as a model sees it in training.</summary>
public sealed record RowPreview
{
    /// <summary>The row, from 1.</summary>
    public long Row { get; init; }

    /// <summary>The line of the file where it begins.</summary>
    public long Line { get; init; }

    /// <summary>What the file has as the input.</summary>
    public string Input { get; init; } = "";

    /// <summary>What the file has as the output.</summary>
    public string Output { get; init; } = "";

    /// <summary>The whole text with its control tokens.</summary>
    public string Text { get; init; } = "";

    /// <summary>The part of <see cref="Text"/> that the model is given.</summary>
    public string Prompt { get; init; } = "";

    /// <summary>The part of <see cref="Text"/> that it learns to say, the end of the turn included.</summary>
    public string Completion { get; init; } = "";

    /// <summary>Tokens of the prompt.</summary>
    public long PromptTokens { get; init; }

    /// <summary>Tokens of the completion.</summary>
    public long CompletionTokens { get; init; }

    /// <summary>Tokens that a row may have.</summary>
    public long MaxLength { get; init; }

    /// <summary>Whether the row has more.</summary>
    public bool TooLong { get; init; }

    /// <summary>What was cut; <c>null</c> if nothing was.</summary>
    public TruncatedRow? Truncated { get; init; }

    /// <summary>All tokens in their order.</summary>
    public IReadOnlyList<PreviewToken> Tokens { get; init; } = [];

    /// <summary>The preview as the library wrote it.</summary>
    [JsonIgnore]
    public string RawJson { get; private init; } = "";

    internal static RowPreview FromJson(string json) => Json.Read(json, ResultsJson.Default.RowPreview) with { RawJson = json };
}

/// <summary>A token of a row.</summary>
public sealed record PreviewToken
{
    /// <summary>Its id in the model's vocabulary.</summary>
    public uint Id { get; init; }

    /// <summary>Its text; bytes that are no whole character are U+FFFD.</summary>
    public string Text { get; init; } = "";

    /// <summary>Whether the model learns to say it.</summary>
    public bool Trained { get; init; }
}

/// <summary>A row that was cut to fit.</summary>
public sealed record TruncatedRow
{
    /// <summary>The row, from 1.</summary>
    public long Row { get; init; }

    /// <summary>The line of the file where it begins.</summary>
    public long Line { get; init; }

    /// <summary>Tokens that it had before.</summary>
    public long Tokens { get; init; }

    /// <summary>Characters that the middle of the input lost.</summary>
    public long InputCharacters { get; init; }

    /// <summary>Tokens that the end of the output lost.</summary>
    public long OutputTokens { get; init; }
}
