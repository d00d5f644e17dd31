namespace Tailora;

/// <summary>How texts and token ids become each other. What is left <c>null</c> has the library's default.</summary>
public sealed record TokenizeOptions
{
    /// <summary>
    /// <c>&lt;|im_end|&gt;</c> and its like are control tokens: read as such in a text, and written out in one. By default they are plain
    /// text when read, as everywhere in prompts, and left out when written.
    /// </summary>
    public bool? ControlTokens { get; set; }
}
