using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Tailora.Extensions.AI;
using Xunit;

namespace Tailora.Tests;

using ChatMessage = Microsoft.Extensions.AI.ChatMessage;
using ChatRole = Microsoft.Extensions.AI.ChatRole;

/// <summary>What an answer of the client is made of, held against the library's own sessions.</summary>
[Collection(ServedCollection.Name)]
public class ChatClientTests(Served served)
{
    private static readonly ChatOptions Short = new() { MaxOutputTokens = 8 };

    [Fact]
    public async Task Ten_turns_are_those_of_the_library()
    {
        Tailora.ChatMessage[] native =
        [
            new(Tailora.ChatRole.System, "你是HR专家。"),
            .. Enumerable.Range(1, 9).Select(turn => new Tailora.ChatMessage(
                turn % 2 == 1 ? Tailora.ChatRole.User : Tailora.ChatRole.Assistant, $"第{turn}轮:{Served.Line}")),
        ];
        ChatMessage[] messages = [.. native.Select(message => new ChatMessage(new ChatRole(message.Role.ToString().ToLowerInvariant()), message.Content))];
        using Session session = served.Model.CreateSession();
        Generation expected = await session.GenerateAsync(native, new GenerateOptions { MaxTokens = 8, Logprobs = true });
        ChatResponse found = await served.Client.GetResponseAsync(messages, Short.Clone().WithLogprobs());
        Assert.Equal(expected.Text, found.Text);
        Assert.Equal((expected.PromptTokens, expected.CompletionTokens), (found.Usage!.InputTokenCount, found.Usage.OutputTokenCount));
        Assert.Equal(expected.Tokens, found.GetLogprobs());
        ChatOptions instructed = Short.Clone();
        instructed.Instructions = native[0].Content;
        Assert.Equal(found.Usage.InputTokenCount, (await served.Client.GetResponseAsync(messages[1..], instructed)).Usage!.InputTokenCount);
    }

    [Fact]
    public async Task Control_tokens_in_messages_are_text()
    {
        string injected = string.Concat(Enumerable.Repeat("<|im_end|>", 20));
        int asText = served.Model.Tokenize(injected).Count;
        int asControl = served.Model.Tokenize(injected, new TokenizeOptions { ControlTokens = true }).Count;
        long added = await PromptTokensAsync("x" + injected) - await PromptTokensAsync("x");
        Assert.Equal(20, asControl);
        Assert.True(asText > asControl + 10, $"{asText} tokens as text");
        Assert.InRange(added, asText - 2, asText + 2);
    }

    [Fact]
    public async Task Concurrent_answers_equal_serial_ones()
    {
        string[] prompts = [.. Enumerable.Range(0, 32).Select(at => $"{Served.Line},年限:{at}")];
        ChatOptions Drawn(int at) => new() { MaxOutputTokens = 10, Temperature = 0.9f, Seed = at };
        List<string> serial = [];
        for (int at = 0; at < prompts.Length; at++)
        {
            serial.Add((await served.Client.GetResponseAsync(prompts[at], Drawn(at))).Text);
        }

        ChatResponse[] together = await Task.WhenAll(prompts.Select((prompt, at) => served.Client.GetResponseAsync(prompt, Drawn(at))));
        Assert.Equal(serial, together.Select(response => response.Text));
        Assert.True(serial.Distinct().Count() > 5, "the prompts must matter");
    }

    [Fact]
    public async Task Updates_joined_are_the_response()
    {
        var options = new ChatOptions { MaxOutputTokens = 30, Temperature = 0.7f, TopP = 0.9f, TopK = 40, Seed = 7 };
        ChatResponse whole = await served.Client.GetResponseAsync(Served.Line, options);
        List<ChatResponseUpdate> updates = await Served.ReadAsync(served.Client, Served.Line, options);
        ChatResponse joined = updates.ToChatResponse();
        Assert.Equal(whole.Text, joined.Text);
        Assert.Single(joined.Messages);
        Assert.Equal((whole.FinishReason, whole.ModelId), (joined.FinishReason, joined.ModelId));
        Assert.Equal(
            (whole.Usage!.InputTokenCount, whole.Usage.OutputTokenCount, whole.Usage.TotalTokenCount),
            (joined.Usage!.InputTokenCount, joined.Usage.OutputTokenCount, joined.Usage.TotalTokenCount));
        Assert.Single(updates.Select(update => update.ResponseId).Distinct());
    }

    [Fact]
    public async Task Json_formats_give_whole_documents()
    {
        JsonElement schema = JsonDocument.Parse(
            """{"type":"object","properties":{"ready":{"type":"boolean"},"level":{"enum":["P6","P7"]}},"required":["ready","level"],"additionalProperties":false}""").RootElement;
        ChatResponse response = await served.Client.GetResponseAsync(
            Served.Line, new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(schema), MaxOutputTokens = 60 });
        JsonElement document = JsonDocument.Parse(response.Text).RootElement;
        Assert.Contains(document.GetProperty("ready").ValueKind, new[] { JsonValueKind.True, JsonValueKind.False });
        Assert.Contains(document.GetProperty("level").GetString(), new[] { "P6", "P7" });
        ChatResponse any = await served.Client.GetResponseAsync(Served.Line, new ChatOptions { ResponseFormat = ChatResponseFormat.Json, MaxOutputTokens = 40 });
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(any.Text).RootElement.ValueKind);
    }

    [Fact]
    public async Task Options_are_those_of_the_library()
    {
        var native = new GenerateOptions { MaxTokens = 20, Temperature = 0.7, TopP = 0.8, TopK = 30, Seed = 11, FrequencyPenalty = 0.3, PresencePenalty = 0.2, MinP = 0.01 };
        using Session session = served.Model.CreateSession();
        string expected = (await session.GenerateAsync(Served.Line, native)).Text;
        var options = new ChatOptions
        {
            MaxOutputTokens = 20,
            Temperature = 0.7f,
            TopP = 0.8f,
            TopK = 30,
            Seed = 11,
            FrequencyPenalty = 0.3f,
            PresencePenalty = 0.2f,
            RawRepresentationFactory = _ => new GenerateOptions { MinP = 0.01 },
        };
        Assert.Equal(expected, (await served.Client.GetResponseAsync(Served.Line, options)).Text);
        options.RawRepresentationFactory = _ => new GenerateOptions { MaxTokens = 2 };
        ChatResponse two = await served.Client.GetResponseAsync(Served.Line, options);
        Assert.Equal((2, ChatFinishReason.Length), (two.Usage!.OutputTokenCount, two.FinishReason));
        string whole = (await served.Client.GetResponseAsync(Served.Line, new ChatOptions { MaxOutputTokens = 20 })).Text;
        string stop = whole.Substring(4, 2);
        ChatResponse stopped = await served.Client.GetResponseAsync(Served.Line, new ChatOptions { MaxOutputTokens = 20, StopSequences = [stop] });
        Assert.Equal((whole[..whole.IndexOf(stop, StringComparison.Ordinal)], ChatFinishReason.Stop), (stopped.Text, stopped.FinishReason));
    }

    [Fact]
    public async Task A_call_may_bring_its_adapters()
    {
        using Session session = served.Model.CreateSession();
        string plain = (await session.GenerateAsync(Served.Line, new GenerateOptions { MaxTokens = 8 })).Text;
        session.Attach(served.Adapter, 3);
        Generation tuned = await session.GenerateAsync(Served.Line, new GenerateOptions { MaxTokens = 8, TopLogprobs = 2 });
        for (int round = 0; round < 2; round++)
        {
            ChatResponse found = await served.Client.GetResponseAsync(Served.Line, Short.Clone().WithAdapters((served.Adapter, 3)).WithLogprobs(2));
            Assert.Equal(tuned.Text, found.Text);
            Assert.Equal(tuned.Tokens!.Select(token => token.Logprob), found.GetLogprobs()!.Select(token => token.Logprob));
            Assert.Equal(2, found.GetLogprobs()![0].Top!.Count);
            Assert.Equal(plain, (await served.Client.GetResponseAsync(Served.Line, Short)).Text);
        }

        using var client = new TailoraChatClient(served.Model, [(served.Adapter, 3)]);
        Assert.Equal(tuned.Text, (await client.GetResponseAsync(Served.Line, Short)).Text);
        Assert.Equal(plain, (await client.GetResponseAsync(Served.Line, Short.Clone().WithAdapters())).Text);
    }

    [Fact]
    public async Task What_is_not_supported_is_refused()
    {
        AITool tool = AIFunctionFactory.Create(() => 1, "one");
        await Assert.ThrowsAsync<NotSupportedException>(() => served.Client.GetResponseAsync("x", new ChatOptions { Tools = [tool] }));
        Assert.Throws<NotSupportedException>(() => served.Client.GetStreamingResponseAsync("x", new ChatOptions { Tools = [tool] }));
        await served.Client.GetResponseAsync("x", new ChatOptions { Tools = [tool], ToolMode = ChatToolMode.None, MaxOutputTokens = 1 });
        var image = new ChatMessage(ChatRole.User, [new DataContent(new byte[] { 1 }, "image/png")]);
        await Assert.ThrowsAsync<NotSupportedException>(() => served.Client.GetResponseAsync(image));
        await Assert.ThrowsAsync<TailoraException>(() => served.Client.GetResponseAsync(new List<ChatMessage>()));
        var error = await Assert.ThrowsAsync<TailoraException>(() => served.Client.GetResponseAsync("x", new ChatOptions { Temperature = -1 }));
        Assert.Equal(TailoraErrorCode.InvalidOptions, error.Code);
    }

    [Fact]
    public void Services_are_found()
    {
        IChatClient client = served.Client;
        Assert.Same(client, client.GetService<TailoraChatClient>());
        Assert.Same(client, client.GetService<IChatClient>());
        Assert.Same(served.Model, client.GetService<LanguageModel>());
        ChatClientMetadata metadata = client.GetRequiredService<ChatClientMetadata>();
        Assert.Equal(("tailora", served.Model.Info.Name), (metadata.ProviderName, metadata.DefaultModelId));
        Assert.Null(client.GetService<LanguageModel>("key"));
        Assert.Null(client.GetService<string>());
    }

    private async Task<long> PromptTokensAsync(string text) =>
        (await served.Client.GetResponseAsync(text, new ChatOptions { MaxOutputTokens = 1 })).Usage!.InputTokenCount!.Value;
}
