using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using Microsoft.Extensions.AI;
using NativeMessage = Tailora.ChatMessage;
using NativeRole = Tailora.ChatRole;

namespace Tailora.Extensions.AI;

/// <summary>What a call of <see cref="IChatClient"/> asks for, in the library's own words.</summary>
internal sealed class ChatRequest
{
    private static readonly JsonElement AnyObject = JsonDocument.Parse("""{"type":"object"}""").RootElement.Clone();

    private ChatRequest(IReadOnlyList<NativeMessage> messages, GenerateOptions options, IReadOnlyList<(Adapter Adapter, double Scale)>? adapters)
    {
        Messages = messages;
        Options = options;
        Adapters = adapters;
    }

    internal IReadOnlyList<NativeMessage> Messages { get; }

    internal GenerateOptions Options { get; }

    /// <summary>The adapters of this call; <c>null</c> for the client's own.</summary>
    internal IReadOnlyList<(Adapter Adapter, double Scale)>? Adapters { get; }

    internal static ChatRequest From(IEnumerable<Microsoft.Extensions.AI.ChatMessage> messages, ChatOptions? options, IChatClient client)
    {
        Refuse(options);
        List<NativeMessage> turns = [.. messages.Select(Turn)];
        if (!string.IsNullOrEmpty(options?.Instructions))
        {
            Instruct(turns, options!.Instructions!);
        }

        return new ChatRequest(turns, Generate(options, client), AdaptersOf(options));
    }

    private static void Refuse(ChatOptions? options)
    {
        if (options?.Tools is { Count: > 0 } && options.ToolMode is not NoneChatToolMode)
        {
            throw new NotSupportedException(
                "Tailora's chat templates have no tools yet: leave ChatOptions.Tools empty, or set ToolMode to ChatToolMode.None.");
        }

        if (options?.ContinuationToken is not null)
        {
            throw new NotSupportedException("An answer cannot be continued with a ChatOptions.ContinuationToken: none is ever given out.");
        }
    }

    private static NativeMessage Turn(Microsoft.Extensions.AI.ChatMessage message)
    {
        _ = message ?? throw new ArgumentNullException(nameof(message));
        foreach (AIContent content in message.Contents)
        {
            // What a model thought and what an answer cost is not part of a conversation that goes on.
            if (content is not (TextContent or TextReasoningContent or UsageContent))
            {
                throw new NotSupportedException($"A message has a {content.GetType().Name}; Tailora's models read text.");
            }
        }

        return new NativeMessage(RoleOf(message.Role), message.Text);
    }

    private static NativeRole RoleOf(Microsoft.Extensions.AI.ChatRole role) =>
        role == Microsoft.Extensions.AI.ChatRole.System ? NativeRole.System
        : role == Microsoft.Extensions.AI.ChatRole.User ? NativeRole.User
        : role == Microsoft.Extensions.AI.ChatRole.Assistant ? NativeRole.Assistant
        : role == Microsoft.Extensions.AI.ChatRole.Tool ? NativeRole.Tool
        : throw new NotSupportedException($"A message is of the role `{role}`; there are system, user, assistant and tool.");

    /// <summary>A conversation has one role prompt: instructions come first in it.</summary>
    private static void Instruct(List<NativeMessage> turns, string instructions)
    {
        if (turns is [{ Role: NativeRole.System } own, ..])
        {
            turns[0] = new NativeMessage(NativeRole.System, $"{instructions}\n\n{own.Content}");
        }
        else
        {
            turns.Insert(0, new NativeMessage(NativeRole.System, instructions));
        }
    }

    /// <summary>What the caller set in the library's own options comes first.</summary>
    private static GenerateOptions Generate(ChatOptions? options, IChatClient client)
    {
        if (options is null)
        {
            return new GenerateOptions();
        }

        GenerateOptions own = options.RawRepresentationFactory?.Invoke(client) as GenerateOptions ?? new GenerateOptions();
        int? logprobs = LogprobsOf(options);
        bool constrained = own.JsonSchema is not null || own.Regex is not null || own.Lark is not null;
        return own with
        {
            MaxTokens = own.MaxTokens ?? options.MaxOutputTokens,
            Temperature = own.Temperature ?? Decimal(options.Temperature),
            TopP = own.TopP ?? Decimal(options.TopP),
            TopK = own.TopK ?? options.TopK,
            FrequencyPenalty = own.FrequencyPenalty ?? Decimal(options.FrequencyPenalty),
            PresencePenalty = own.PresencePenalty ?? Decimal(options.PresencePenalty),
            Seed = own.Seed ?? (options.Seed is { } seed ? unchecked((ulong)seed) : null),
            Stop = own.Stop ?? (options.StopSequences is { Count: > 0 } stop ? [.. stop] : null),
            JsonSchema = own.JsonSchema
                ?? (!constrained && options.ResponseFormat is ChatResponseFormatJson json ? json.Schema ?? AnyObject : null),
            Logprobs = own.Logprobs ?? (logprobs is not null ? true : null),
            TopLogprobs = own.TopLogprobs ?? (logprobs > 0 ? logprobs : null),
        };
    }

    /// <summary>The number as it was written: 0.7f is 0.7, not 0.69999998807907104, which draws other tokens.</summary>
    private static double? Decimal(float? value) =>
        value is not { } number ? null : Math.Abs(number) < 1e6f ? (double)(decimal)number : number;

    private static int? LogprobsOf(ChatOptions options) =>
        options.AdditionalProperties is { } more && more.TryGetValue(TailoraChatOptionsExtensions.LogprobsKey, out object? value)
            ? value switch
            {
                int top => top,
                true => 0,
                false or null => null,
                _ => throw new ArgumentException($"`{TailoraChatOptionsExtensions.LogprobsKey}` is a {value.GetType().Name}; it must be an int or a bool."),
            }
            : null;

    private static IReadOnlyList<(Adapter Adapter, double Scale)>? AdaptersOf(ChatOptions? options) =>
        options?.AdditionalProperties is { } more && more.TryGetValue(TailoraChatOptionsExtensions.AdaptersKey, out object? value)
            ? value switch
            {
                IEnumerable<(Adapter, double)> stack => [.. stack],
                IEnumerable<Adapter> stack => [.. stack.Select(adapter => (adapter, 1.0))],
                Adapter adapter => [(adapter, 1.0)],
                null => null,
                _ => throw new ArgumentException(
                    $"`{TailoraChatOptionsExtensions.AdaptersKey}` is a {value.GetType().Name}; it must be an Adapter, or a list of them, with scales or without."),
            }
            : null;
}
