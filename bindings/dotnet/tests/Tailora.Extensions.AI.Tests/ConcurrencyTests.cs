using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.AI;
using Tailora.Extensions.AI;
using Xunit;

namespace Tailora.Tests;

/// <summary>Places, queue, cancellation, and what is left of calls that end in another way than by their end.</summary>
[Collection(ServedCollection.Name)]
public class ConcurrencyTests(Served served)
{
    private static readonly ChatOptions Short = new() { MaxOutputTokens = 2 };

    private static readonly ChatOptions Long = new()
    {
        MaxOutputTokens = 900,
        RawRepresentationFactory = _ => new GenerateOptions { JsonSchema = Work.LongDocument },
    };

    [Fact]
    public async Task A_full_queue_is_busy()
    {
        using var client = new TailoraChatClient(served.Model, null, new TailoraChatClientOptions { MaxConcurrency = 1, MaxQueue = 1 });
        using var source = new CancellationTokenSource();
        await using IAsyncEnumerator<ChatResponseUpdate> running =
            client.GetStreamingResponseAsync("x", Long).GetAsyncEnumerator(source.Token);
        Assert.True(await running.MoveNextAsync());
        Task<ChatResponse> waiting = client.GetResponseAsync("x", Short);
        var error = await Assert.ThrowsAsync<TailoraBusyException>(() => client.GetResponseAsync("x", Short));
        Assert.Equal((TailoraErrorCode.Busy, 1, 1), (error.Code, error.Running, error.Waiting));
        Assert.False(waiting.IsCompleted);
        await running.DisposeAsync();
        Assert.Equal(2, (await waiting).Usage!.OutputTokenCount);
    }

    [Fact]
    public async Task Waiting_can_be_cancelled()
    {
        using var client = new TailoraChatClient(served.Model, null, new TailoraChatClientOptions { MaxConcurrency = 1, MaxQueue = 1 });
        await using IAsyncEnumerator<ChatResponseUpdate> running = client.GetStreamingResponseAsync("x", Long).GetAsyncEnumerator();
        Assert.True(await running.MoveNextAsync());
        using var source = new CancellationTokenSource();
        Task<ChatResponse> waiting = client.GetResponseAsync("x", Short, source.Token);
        source.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await running.DisposeAsync();
        Assert.NotNull(await client.GetResponseAsync("x", Short));
    }

    [Fact]
    public async Task A_cancelled_answer_keeps_its_text()
    {
        var error = await Work.CancelledAsync<GenerationCanceledException>(token => served.Client.GetResponseAsync("x", Long, token));
        Assert.Equal("cancelled", error.Result.FinishReason);
        using var later = new CancellationTokenSource();
        string read = "";
        var streamed = await Assert.ThrowsAsync<GenerationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate update in served.Client.GetStreamingResponseAsync("x", Long, later.Token))
            {
                read += update.Text;
                later.Cancel();
            }
        });
        Assert.StartsWith(read, streamed.Result.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_forgotten_stream_gives_its_place_back()
    {
        using var client = new TailoraChatClient(served.Model, null, new TailoraChatClientOptions { MaxConcurrency = 2, MaxQueue = 4 });
        long before = TailoraNative.LiveHandles;
        await ForgetAsync(client, 2);
        Task<ChatResponse> waiting = client.GetResponseAsync("x", Short);
        await Work.EventuallyAsync(() => waiting.IsCompleted);
        Assert.NotNull(await waiting);
        client.Dispose();
        await Work.EventuallyAsync(() => TailoraNative.LiveHandles <= before);
    }

    [Fact]
    public async Task A_disposed_client_frees_its_sessions_and_says_so()
    {
        long before = TailoraNative.LiveHandles;
        var client = new TailoraChatClient(served.Model);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => client.GetResponseAsync("x", Short)));
        Assert.True(TailoraNative.LiveHandles > before);
        client.Dispose();
        client.Dispose();
        Assert.Equal(before, TailoraNative.LiveHandles);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => client.GetResponseAsync("x", Short));
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(1, -1)]
    public void Limits_have_limits(int concurrency, int queue) =>
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new TailoraChatClient(served.Model, null, new TailoraChatClientOptions { MaxConcurrency = concurrency, MaxQueue = queue }));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task ForgetAsync(TailoraChatClient client, int streams)
    {
        for (int i = 0; i < streams; i++)
        {
            Assert.True(await client.GetStreamingResponseAsync("x", Long).GetAsyncEnumerator().MoveNextAsync());
        }
    }
}
