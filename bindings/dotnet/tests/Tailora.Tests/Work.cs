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
    /// <summary>A schema that only a text of some 500 tokens satisfies.</summary>
    internal static readonly JsonElement LongDocument = Document(120);

    /// <summary>A schema of so many truth values.</summary>
    internal static JsonElement Document(int items) =>
        JsonDocument.Parse($$"""{"type":"array","items":{"type":"boolean"},"minItems":{{items}},"maxItems":{{items}}}""").RootElement;

    /// <summary>
    /// Cancels a call while it is at work, sooner and sooner: how long it would take by itself depends on the machine.
    /// It has to end within the limit after that.
    /// </summary>
    internal static async Task<T> CancelledAsync<T>(TimeSpan limit, Func<CancellationToken, Task> call)
        where T : OperationCanceledException
    {
        for (double milliseconds = 150; milliseconds > 0.1; milliseconds /= 2)
        {
            using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(milliseconds));
            var clock = Stopwatch.StartNew();
            try
            {
                await call(source.Token);
            }
            catch (T error)
            {
                Assert.True(clock.Elapsed < limit, $"it took {clock.Elapsed}");
                Assert.Equal(source.Token, error.CancellationToken);
                return error;
            }
        }

        throw new InvalidOperationException("the call ended each time before it could be cancelled");
    }
}
