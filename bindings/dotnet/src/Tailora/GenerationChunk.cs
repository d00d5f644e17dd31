namespace Tailora;

/// <summary>A part of a text while it is being generated.</summary>
/// <param name="Text">Whole characters, one or more.</param>
/// <param name="PromptTokens">Tokens of the prompt, role prompt and template included.</param>
/// <param name="CompletionTokens">Tokens generated up to the end of this part.</param>
public readonly record struct GenerationChunk(string Text, long PromptTokens, long CompletionTokens);
