using System;
using Microsoft.Extensions.AI;

namespace Tailora.Extensions.AI;

/// <summary>What the library generated, in the words of <see cref="IChatClient"/>; one answer has one id, streamed or not.</summary>
internal sealed class ChatAnswer(string modelId)
{
    private readonly string id = Guid.NewGuid().ToString("N");
    private readonly DateTimeOffset created = DateTimeOffset.UtcNow;

    internal ChatResponse Whole(Generation generation) =>
        new(new Microsoft.Extensions.AI.ChatMessage(Microsoft.Extensions.AI.ChatRole.Assistant, generation.Text) { MessageId = id, RawRepresentation = generation })
        {
            ResponseId = id,
            ModelId = modelId,
            CreatedAt = created,
            FinishReason = Reason(generation),
            Usage = Usage(generation),
            RawRepresentation = generation,
        };

    internal ChatResponseUpdate Part(string text) => Update(new TextContent(text));

    internal ChatResponseUpdate End(Generation generation)
    {
        ChatResponseUpdate update = Update(new UsageContent(Usage(generation)));
        update.FinishReason = Reason(generation);
        update.RawRepresentation = generation;
        return update;
    }

    private ChatResponseUpdate Update(AIContent content) => new(Microsoft.Extensions.AI.ChatRole.Assistant, [content])
    {
        ResponseId = id,
        MessageId = id,
        ModelId = modelId,
        CreatedAt = created,
    };

    private static UsageDetails Usage(Generation generation) => new()
    {
        InputTokenCount = generation.PromptTokens,
        OutputTokenCount = generation.CompletionTokens,
        TotalTokenCount = generation.PromptTokens + generation.CompletionTokens,
    };

    private static ChatFinishReason? Reason(Generation generation) => generation.FinishReason switch
    {
        "stop" or "stop_string" => ChatFinishReason.Stop,
        "length" => ChatFinishReason.Length,
        null => null,
        string other => new ChatFinishReason(other),
    };
}
