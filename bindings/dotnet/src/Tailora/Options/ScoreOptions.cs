using System.Collections.Generic;

namespace Tailora;

/// <summary>How a given text is put to the model. What is left <c>null</c> has the library's default.</summary>
public sealed record ScoreOptions
{
    /// <summary>Role prompt: the system message of the model's chat template.</summary>
    public string? System { get; set; }

    /// <summary>The conversation before the prompt, as in <see cref="GenerateOptions.Messages"/>.</summary>
    public IReadOnlyList<ChatMessage>? Messages { get; set; }

    /// <summary>Take prompt and completion as they are: no chat template, no role prompt; control tokens in them are control tokens.</summary>
    public bool? Raw { get; set; }

    /// <summary>Score the end of the turn after the completion too: how probable it is that the answer is this and nothing more.</summary>
    public bool? EndOfTurn { get; set; }
}
