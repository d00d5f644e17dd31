using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Xunit;
using Xunit.Abstractions;

namespace Tailora.Tests;

/// <summary>What streams hold, for how long, and what is left of them when they are cancelled.</summary>
[Collection(NativeCollection.Name)]
public class StreamLifetimeTests(Trained trained, ITestOutputHelper output)
{
    private const string Thread = "Tailora stream";

    private static readonly GenerateOptions Long = new() { MaxTokens = 900, JsonSchema = Work.LongDocument };

    [Fact]
    public async Task Forgotten_streams_give_back_their_threads_and_handles()
    {
        const int Streams = 20;
        using var source = new CancellationTokenSource(); // lives longer than the streams, as a host's token does
        long before = TailoraNative.LiveHandles;
        await ForgetAsync(Streams, source.Token);
        Work.Collect();
        var clock = Stopwatch.StartNew();
        TimeSpan worked = Worked();
        await Work.EventuallyAsync(() => TailoraNative.LiveHandles <= before && Threads.Named(Thread) == 0);
        worked = Worked() - worked;
        output.WriteLine($"{Streams} forgotten streams were gone after {clock.Elapsed}, {worked} of it at work");
        Assert.Equal(before, TailoraNative.LiveHandles);
        Assert.InRange(worked, TimeSpan.Zero, TimeSpan.FromSeconds(5)); // by the process's own time: a machine's may be others'
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
        WeakReference reader = Assert.Single(await ForgetAsync(1, CancellationToken.None));
        Assert.True(held.Wait(Work.Patience), "the log has no chunk");
        await Work.EventuallyAsync(() => !reader.IsAlive); // what resumed this method may stand on the reader's own stack
        release.Set();
        for (var clock = Stopwatch.StartNew(); TailoraNative.LiveHandles > before && clock.Elapsed < Work.Patience;)
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
        await Work.EventuallyAsync(() => TailoraNative.LiveHandles <= before);
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
            token => session.GenerateAsync(Trained.Line, Long, token));
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
    private async Task<WeakReference[]> ForgetAsync(int streams, CancellationToken token)
    {
        long before = TailoraNative.LiveHandles;
        var readers = new List<IAsyncEnumerator<string>>();
        for (int i = 0; i < streams; i++)
        {
            readers.Add(trained.Model.StreamAsync(Trained.Line, null, Long, token).GetAsyncEnumerator(token));
            Assert.True(await readers[i].MoveNextAsync());
        }

        Assert.True(TailoraNative.LiveHandles >= before + streams);
        return [.. readers.Select(reader => new WeakReference(reader))];
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(Trained trained)
    {
        long before = TailoraNative.LiveHandles;
        GenerationStream stream = trained.Model.StreamAsync(Trained.Line, [(trained.Adapter, 1)]);
        Assert.True(TailoraNative.LiveHandles > before);
        GC.KeepAlive(stream);
    }

    private static TimeSpan Worked()
    {
        using var self = Process.GetCurrentProcess();
        return self.TotalProcessorTime;
    }
}
