using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

[Collection(NativeCollection.Name)]
public class StreamingTests(Trained trained)
{
    private static readonly GenerateOptions Some = new() { MaxTokens = 60 };

    [Fact]
    public async Task Chinese_arrives_in_whole_characters_and_adds_up_to_the_text()
    {
        using Session session = trained.Model.CreateSession();
        Generation whole = await session.GenerateAsync(Trained.Line, Some);
        GenerationStream stream = session.StreamAsync(Trained.Line, Some);
        List<string> chunks = [];
        await foreach (string chunk in stream)
        {
            chunks.Add(chunk);
        }

        Assert.True(chunks.Count > 5);
        Assert.All(chunks, chunk => Assert.DoesNotContain('\uFFFD', chunk));
        Assert.All(chunks, chunk => Assert.False(char.IsHighSurrogate(chunk[^1]) || char.IsLowSurrogate(chunk[0])));
        Assert.Contains(whole.Text, character => character is >= '\u4e00' and <= '\u9fff');
        Assert.Equal(whole.Text, string.Concat(chunks));
        Assert.Equal(whole.RawJson, stream.Summary!.RawJson);
    }

    [Fact]
    public async Task Each_chunk_has_its_usage_on_request()
    {
        using Session session = trained.Model.CreateSession();
        GenerationStream stream = session.StreamAsync(Trained.Line, Some);
        List<GenerationChunk> chunks = [];
        await foreach (GenerationChunk chunk in stream.WithUsage())
        {
            chunks.Add(chunk);
        }

        Generation whole = stream.Summary!;
        Assert.Equal(whole.Text, string.Concat(chunks.Select(chunk => chunk.Text)));
        Assert.All(chunks, chunk => Assert.Equal(whole.PromptTokens, chunk.PromptTokens));
        Assert.True(chunks[0].CompletionTokens >= 1);
        Assert.All(chunks.Zip(chunks.Skip(1)), pair => Assert.True(pair.First.CompletionTokens < pair.Second.CompletionTokens));
        Assert.Equal(whole.CompletionTokens, chunks[^1].CompletionTokens);
        Assert.Throws<InvalidOperationException>(() => stream.GetAsyncEnumerator());
        Assert.Throws<InvalidOperationException>(() => stream.WithUsage().GetAsyncEnumerator());
    }

    [Fact]
    public async Task A_reader_may_leave_early_and_the_session_is_free_again()
    {
        using Session session = trained.Model.CreateSession();
        long before = TailoraNative.LiveHandles;
        GenerationStream stream = session.StreamAsync(Trained.Line, new GenerateOptions { MaxTokens = 500 });
        await foreach (string _ in stream)
        {
            break;
        }

        Assert.Null(stream.Summary);
        Assert.Equal(before, TailoraNative.LiveHandles);
        Assert.NotEmpty((await session.GenerateAsync(Trained.Line, Some)).Text);
    }

    [Fact]
    public async Task A_stream_is_enumerated_once()
    {
        using Session session = trained.Model.CreateSession();
        GenerationStream stream = session.StreamAsync(Trained.Line, new GenerateOptions { MaxTokens = 2 });
        await foreach (string _ in stream)
        {
        }

        Assert.Throws<InvalidOperationException>(() => stream.GetAsyncEnumerator());
    }

    [Fact]
    public async Task Cancelling_a_stream_throws_with_the_callers_token()
    {
        using var source = new CancellationTokenSource();
        using Session session = trained.Model.CreateSession();
        int chunks = 0;
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (string _ in session.StreamAsync(Trained.Line, new GenerateOptions { MaxTokens = 900, JsonSchema = Work.LongDocument }, source.Token))
            {
                chunks++;
                source.Cancel();
            }
        });
        Assert.Equal(source.Token, error.CancellationToken);
        Assert.True(chunks > 0);
    }

    [Fact]
    public async Task A_slow_reader_gets_everything()
    {
        using Session session = trained.Model.CreateSession();
        Generation whole = await session.GenerateAsync(Trained.Line, Some);
        string text = "";
        await foreach (string chunk in session.StreamAsync(Trained.Line, Some))
        {
            await Task.Delay(3);
            text += chunk;
        }

        Assert.Equal(whole.Text, text);
    }

    [Fact]
    public async Task Sessions_work_at_the_same_time_and_do_not_see_each_others_adapters()
    {
        using Session plain = trained.Model.CreateSession();
        using Session tuned = trained.Model.CreateSession();
        tuned.Attach(trained.Adapter);
        string[] expected = [(await plain.GenerateAsync(Trained.Line, Some)).Text, (await tuned.GenerateAsync(Trained.Line, Some)).Text];
        Session[] sessions = [.. Enumerable.Range(0, 6).Select(_ => trained.Model.CreateSession())];
        foreach (Session session in sessions.Where((_, at) => at % 2 == 1))
        {
            session.Attach(trained.Adapter);
        }

        Generation[] found = await Task.WhenAll(sessions.Select(session => session.GenerateAsync(Trained.Line, Some)));
        Assert.All(found.Select((generation, at) => (generation.Text, at)), pair => Assert.Equal(expected[pair.at % 2], pair.Text));
        Array.ForEach(sessions, session => session.Dispose());
    }
}
