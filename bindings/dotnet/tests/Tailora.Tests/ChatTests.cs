using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>What a chat host needs: conversations, token ids, scores, alternatives, choices.</summary>
[Collection(NativeCollection.Name)]
public class ChatTests(Trained trained)
{
    private static readonly ChatMessage[] History =
    [
        new(ChatRole.System, "你是HR专家。"), new(ChatRole.User, "岗位:P7"), new(ChatRole.Assistant, "好。"), new(ChatRole.User, Trained.Line),
    ];

    private static readonly TokenizeOptions Control = new() { ControlTokens = true };

    [Fact]
    public async Task A_conversation_is_answered_whole_and_in_chunks()
    {
        using Session session = trained.Model.CreateSession();
        var some = new GenerateOptions { MaxTokens = 12 };
        Generation whole = await session.GenerateAsync(History, some);
        string text = "";
        await foreach (string chunk in session.StreamAsync(History, some))
        {
            text += chunk;
        }

        Assert.Equal(whole.Text, text);
        Generation last = await session.GenerateAsync(Trained.Line, some with { Messages = History[..3] });
        Assert.Equal((whole.Text, whole.PromptTokens), (last.Text, last.PromptTokens));
        Generation alone = await session.GenerateAsync(Trained.Line, some);
        Assert.True(whole.PromptTokens > alone.PromptTokens);
    }

    [Fact]
    public async Task A_role_prompt_counts_once()
    {
        var one = new GenerateOptions { MaxTokens = 1 };
        using Session with = trained.Model.CreateSession(new SessionOptions { System = "你是HR专家。" });
        using Session without = trained.Model.CreateSession();
        long own = (await without.GenerateAsync(History, one)).PromptTokens;
        Assert.Equal(own, (await with.GenerateAsync(History, one)).PromptTokens);
        Assert.Equal(own, (await with.GenerateAsync(History[1..], one)).PromptTokens);
        Assert.Equal(own, (await without.GenerateAsync(History[1..], one with { System = "你是HR专家。" })).PromptTokens);
    }

    [Fact]
    public async Task What_is_no_conversation_is_refused()
    {
        using Session session = trained.Model.CreateSession();
        foreach (ChatMessage[] messages in new ChatMessage[][] { [], [new(ChatRole.System, "a")] })
        {
            var error = await Assert.ThrowsAsync<TailoraException>(() => session.GenerateAsync(messages));
            Assert.Equal((TailoraErrorCode.InvalidOptions, "messages"), (error.Code, error.Details.GetProperty("option").GetString()));
        }
    }

    [Fact]
    public void Texts_come_back_from_their_tokens()
    {
        foreach (string text in new[] { "", "a", "该员工表现😀", "x<|im_end|>y" })
        {
            Assert.Equal(text, trained.Model.Detokenize(trained.Model.Tokenize(text), Control));
        }

        Assert.Equal(trained.Model.CountTokens("岗位:P7"), trained.Model.Tokenize("岗位:P7").Count);
        Assert.True(trained.Model.Tokenize("<|im_end|>", Control).Count < trained.Model.Tokenize("<|im_end|>").Count);
        var error = Assert.Throws<TailoraException>(() => trained.Model.Detokenize([uint.MaxValue]));
        Assert.Equal(TailoraErrorCode.InvalidArgument, error.Code);
    }

    [Fact]
    public async Task A_text_has_a_score()
    {
        using Session session = trained.Model.CreateSession();
        Generation said = await session.GenerateAsync(Trained.Line, new GenerateOptions { MaxTokens = 8 });
        ScoredText scored = await session.ScoreAsync(Trained.Line, said.Text);
        Assert.Equal(scored.Tokens.Sum(token => token.Logprob), scored.Logprob, 3);
        Assert.Equal((said.PromptTokens, (long)scored.Tokens.Count), (scored.PromptTokens, scored.CompletionTokens));
        ScoredText ended = await session.ScoreAsync(Trained.Line, said.Text, new ScoreOptions { EndOfTurn = true });
        Assert.Equal(scored.CompletionTokens + 1, ended.CompletionTokens);
        using var source = new CancellationTokenSource();
        source.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => session.ScoreAsync("a", "b", cancellationToken: source.Token));
    }

    [Fact]
    public async Task Tokens_have_alternatives_and_prompts_have_choices()
    {
        using Session session = trained.Model.CreateSession();
        var options = new GenerateOptions { MaxTokens = 6, Temperature = 1, Seed = 3, TopLogprobs = 4 };
        Generation one = await session.GenerateAsync(Trained.Line, options);
        Assert.All(one.Tokens!, token =>
        {
            Assert.Equal(4, token.Top!.Count);
            Assert.True(token.Top.Zip(token.Top.Skip(1)).All(pair => pair.First.Logprob >= pair.Second.Logprob));
            Assert.True(token.Logprob <= token.Top[0].Logprob);
        });
        Assert.Null(one.Choices);
        Generation three = await session.GenerateAsync(Trained.Line, options with { N = 3 });
        Assert.Equal(3, three.Choices!.Count);
        Assert.Equal((one.Text, one.Seed), (three.Text, three.Seed));
        Assert.Equal(one.Text, three.Choices[0].Text);
        foreach (Generation choice in three.Choices)
        {
            Assert.Equal(choice.Text, (await session.GenerateAsync(Trained.Line, options with { Seed = choice.Seed })).Text);
        }

        var error = await Assert.ThrowsAsync<TailoraException>(async () =>
        {
            await foreach (string _ in session.StreamAsync(Trained.Line, options with { N = 2 }))
            {
            }
        });
        Assert.Equal("n", error.Details.GetProperty("option").GetString());
    }
}
