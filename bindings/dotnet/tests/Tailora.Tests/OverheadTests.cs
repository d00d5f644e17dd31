using System;
using System.Diagnostics;
using System.Threading.Tasks;
using Xunit;
using Xunit.Abstractions;

namespace Tailora.Tests;

/// <summary>What the way through the binding costs, beside what the library does by itself.</summary>
[Collection(NativeCollection.Name)]
public class OverheadTests(Trained trained, ITestOutputHelper output)
{
    [RequestedFact("TAILORA_OVERHEAD_TEST", "its figures want a machine of their own")]
    public async Task Calls_tokens_and_chunks_take_little_more_than_the_library_does()
    {
        double handles = Fastest(1000, () => _ = TailoraNative.LiveHandles);
        double tokens = Fastest(100, () => _ = trained.Model.CountTokens(""));
        double line = Fastest(100, () => _ = trained.Model.CountTokens("岗位:P7"));
        double chunk = await ChunkAsync();
        output.WriteLine($"LiveHandles {handles * 1e9:F0} ns, CountTokens {tokens * 1e6:F2} µs of no text and {line * 1e6:F2} of four tokens, a chunk {chunk * 1e6:F1} µs more than its text without a stream");
        Assert.InRange(handles, 0, 100e-9);
        Assert.InRange(tokens, 0, 2e-6);
        Assert.InRange(chunk, -1, 30e-6);
    }

    /// <summary>Seconds of a call: the fastest of some rounds, since others use the machine.</summary>
    private static double Fastest(int calls, Action call)
    {
        double fastest = double.PositiveInfinity;
        for (int round = 0; round < 1000; round++)
        {
            var clock = Stopwatch.StartNew();
            for (int i = 0; i < calls; i++)
            {
                call();
            }

            fastest = Math.Min(fastest, clock.Elapsed.TotalSeconds / calls);
        }

        return fastest;
    }

    /// <summary>Seconds that a text takes longer as a stream, for each chunk; the fastest of each, one after the other.</summary>
    private async Task<double> ChunkAsync()
    {
        var options = new GenerateOptions { MaxTokens = 900, JsonSchema = Work.LongDocument };
        using Session session = trained.Model.CreateSession();
        double whole = double.PositiveInfinity, streamed = double.PositiveInfinity;
        int chunks = 0;
        for (int round = 0; round < 20; round++)
        {
            var clock = Stopwatch.StartNew();
            await session.GenerateAsync(Trained.Line, options);
            whole = Math.Min(whole, clock.Elapsed.TotalSeconds);
            clock.Restart();
            chunks = 0;
            await foreach (string _ in session.StreamAsync(Trained.Line, options))
            {
                chunks++;
            }

            streamed = Math.Min(streamed, clock.Elapsed.TotalSeconds);
        }

        output.WriteLine($"{chunks} chunks: {streamed * 1e3:F1} ms as a stream, {whole * 1e3:F1} ms otherwise");
        return (streamed - whole) / chunks;
    }
}
