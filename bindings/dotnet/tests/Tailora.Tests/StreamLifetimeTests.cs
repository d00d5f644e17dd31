using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>What streams hold, for how long, and what is left of them when they are cancelled.</summary>
[Collection(NativeCollection.Name)]
public class StreamLifetimeTests(Trained trained)
{
    private static readonly GenerateOptions Long = new() { MaxTokens = 900, JsonSchema = Work.LongDocument };

    [Fact]
    public async Task Forgotten_streams_give_back_their_threads_and_handles()
    {
        const int Streams = 20;
        const int ThreadsOfOthers = 12; // the pool's, and those that the native library keeps for its next calls
        using var source = new CancellationTokenSource(); // lives longer than the streams, as a host's token does
        long before = TailoraNative.LiveHandles;
        int threads = Threads();
        await ForgetAsync(Streams, source.Token);
        Assert.True(TailoraNative.LiveHandles >= before + Streams);
        Collect();
        var clock = Stopwatch.StartNew();
        while ((TailoraNative.LiveHandles > before || Threads() > threads + ThreadsOfOthers) && clock.Elapsed < TimeSpan.FromSeconds(5))
        {
            await Task.Delay(20);
            Collect();
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
        Assert.InRange(Threads(), 0, threads + ThreadsOfOthers);
    }

    [Fact]
    public async Task A_stream_that_is_forgotten_while_its_thread_is_at_work_ends_at_the_next_chunk()
    {
        const int HeldAt = 3;
        long before = TailoraNative.LiveHandles;
        int chunks = 0;
        using var held = new ManualResetEventSlim();
        using var release = new ManualResetEventSlim();
        using IDisposable log = TailoraLog.Listen(
            record =>
            {
                if (record.Level == TailoraLogLevel.Trace && record.Message.Contains("chunk", StringComparison.Ordinal) && Interlocked.Increment(ref chunks) == HeldAt)
                {
                    held.Set();
                    release.Wait();
                }
            },
            TailoraLogLevel.Trace);
        await ForgetAsync(1, CancellationToken.None);
        Assert.True(held.Wait(TimeSpan.FromSeconds(20)), "the log has no chunk");
        Collect();
        release.Set();
        var clock = Stopwatch.StartNew();
        while (TailoraNative.LiveHandles > before && clock.Elapsed < TimeSpan.FromSeconds(5))
        {
            await Task.Delay(20); // without another collection: the thread itself frees what it holds
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
        Assert.InRange(chunks, HeldAt, HeldAt + 1);
    }

    [Fact]
    public async Task A_stream_that_nobody_reads_is_collected_with_its_session()
    {
        long before = TailoraNative.LiveHandles;
        Forget(trained);
        Assert.True(TailoraNative.LiveHandles > before);
        for (int i = 0; i < 50 && TailoraNative.LiveHandles > before; i++)
        {
            await Task.Delay(20);
            Collect();
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [Fact]
    public async Task A_stream_brings_its_session_and_adapters()
    {
        var some = new GenerateOptions { MaxTokens = 12 };
        using var folder = new TemporaryFolder();
        trained.Adapter.Save(folder.FullName);
        long before = TailoraNative.LiveHandles;
        GenerationStream stream;
        using (Adapter adapter = Adapter.Load(trained.Model, folder.FullName))
        {
            stream = trained.Model.StreamAsync(Trained.Line, [(adapter, 0.5)], some);
        }

        string text = "";
        await foreach (string chunk in stream)
        {
            text += chunk;
        }

        Assert.Equal(before, TailoraNative.LiveHandles);
        using Session session = trained.Model.CreateSession();
        session.Attach(trained.Adapter, 0.5);
        Generation whole = await session.GenerateAsync(Trained.Line, some);
        Assert.Equal((whole.Text, whole.RawJson), (text, stream.Summary!.RawJson));
        GenerationStream chat = trained.Model.StreamAsync([new ChatMessage(ChatRole.User, Trained.Line)], [(trained.Adapter, 0.5)], some);
        await foreach (string _ in chat)
        {
        }

        Assert.Equal(whole.RawJson, chat.Summary!.RawJson);
    }

    [Fact]
    public async Task A_cancelled_stream_keeps_its_text()
    {
        using var source = new CancellationTokenSource();
        long before = TailoraNative.LiveHandles;
        GenerationStream stream = trained.Model.StreamAsync(Trained.Line, null, Long, source.Token);
        string read = "";
        var error = await Assert.ThrowsAsync<GenerationCanceledException>(async () =>
        {
            await foreach (string chunk in stream)
            {
                read += chunk;
                source.Cancel();
            }
        });
        Assert.Equal("cancelled", error.Result.FinishReason);
        Assert.StartsWith(read, error.Result.Text, StringComparison.Ordinal);
        Assert.True(error.Result.CompletionTokens > 0 && error.Result.PromptTokens > 0);
        Assert.Same(error.Result, stream.Summary);
        Assert.Equal(before, TailoraNative.LiveHandles);
    }

    [Fact]
    public async Task A_cancelled_generation_keeps_its_text()
    {
        using Session session = trained.Model.CreateSession();
        var error = await Work.CancelledAsync<GenerationCanceledException>(
            TimeSpan.FromSeconds(20), token => session.GenerateAsync(Trained.Line, Long, token));
        Assert.Equal("cancelled", error.Result.FinishReason);
    }

    [Fact]
    public async Task A_reader_who_stops_for_a_while_gets_the_rest()
    {
        using Session session = trained.Model.CreateSession();
        var options = new GenerateOptions { MaxTokens = 300, JsonSchema = Work.Document(40) };
        Generation whole = await session.GenerateAsync(Trained.Line, options);
        string text = "";
        int chunks = 0;
        await foreach (string chunk in session.StreamAsync(Trained.Line, options))
        {
            text += chunk;
            if (++chunks % 30 == 1)
            {
                await Task.Delay(300); // long enough for the model to be as far ahead as it may
            }
        }

        Assert.True(chunks > 40, $"only {chunks} chunks");
        Assert.Equal(whole.Text, text);
    }

    // Not inlined: a local of the test itself would keep the last stream alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task ForgetAsync(int streams, CancellationToken token)
    {
        for (int i = 0; i < streams; i++)
        {
            IAsyncEnumerator<string> reader = trained.Model.StreamAsync(Trained.Line, null, Long, token).GetAsyncEnumerator(token);
            Assert.True(await reader.MoveNextAsync());
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(Trained trained) => _ = trained.Model.StreamAsync(Trained.Line, [(trained.Adapter, 1)]);

    private static int Threads()
    {
        using var self = Process.GetCurrentProcess();
        return self.Threads.Count;
    }

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
