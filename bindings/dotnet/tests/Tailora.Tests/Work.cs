using System;
using System.Diagnostics;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Tailora.Tests;

/// <summary>Work that lasts, and its end before its time.</summary>
internal static class Work
{
    /// <summary>What takes longer hangs: a slow machine that others use, too, needs less.</summary>
    internal static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>A schema that only a text of some 500 tokens satisfies.</summary>
    internal static readonly JsonElement LongDocument = Document(120);

    /// <summary>A schema of so many truth values.</summary>
    internal static JsonElement Document(int items) =>
        JsonDocument.Parse($$"""{"type":"array","items":{"type":"boolean"},"minItems":{{items}},"maxItems":{{items}}}""").RootElement;

    /// <summary>
    /// Cancels a call while it is at work. When that is depends on the machine: a call that had ended is cancelled sooner the next time,
    /// one that had not got as far as to throw what is expected, later.
    /// </summary>
    internal static async Task<T> CancelledAsync<T>(Func<CancellationToken, Task> call)
        where T : OperationCanceledException
    {
        double early = 0, late = double.PositiveInfinity, milliseconds = 100;
        for (int attempt = 0; attempt < 40; attempt++)
        {
            using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(milliseconds));
            try
            {
                await call(source.Token).WaitAsync(Patience);
                late = milliseconds;
            }
            catch (T error)
            {
                Assert.Equal(source.Token, error.CancellationToken);
                return error;
            }
            catch (OperationCanceledException)
            {
                early = milliseconds;
            }

            milliseconds = double.IsInfinity(late) ? 2 * milliseconds : (early + late) / 2;
        }

        throw new InvalidOperationException($"the call was never caught at work between {early} and {late} ms");
    }

    /// <summary>Waits, and collects what nobody refers to, until something is so.</summary>
    internal static async Task EventuallyAsync(Func<bool> holds)
    {
        for (var clock = Stopwatch.StartNew(); !holds() && clock.Elapsed < Patience;)
        {
            await Task.Delay(20);
            Collect();
        }

        Assert.True(holds());
    }

    internal static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
    }
}
