using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Tailora.Native;

namespace Tailora;

/// <summary>A text while it is being generated: chunks of whole characters. It can be enumerated once.</summary>
public sealed class GenerationStream : IAsyncEnumerable<string>
{
    /// <summary>How many chunks the model may be ahead of its reader; then it waits.</summary>
    private const int Ahead = 32;

    private readonly SessionHandle session;
    private readonly string prompt;
    private readonly GenerateOptions? options;
    private readonly CancellationToken cancellationToken;
    private int started;

    internal GenerationStream(SessionHandle session, string prompt, GenerateOptions? options, CancellationToken cancellationToken)
    {
        this.session = session;
        this.prompt = prompt;
        this.options = options;
        this.cancellationToken = cancellationToken;
    }

    /// <summary>The finished generation with its finish reason and token counts; <c>null</c> until the enumeration has come to its end.</summary>
    public Generation? Summary { get; private set; }

    /// <summary>Starts generating.</summary>
    /// <param name="cancellationToken">Stops the generation, as the token given to <see cref="Session.StreamAsync(string, GenerateOptions?, CancellationToken)"/> does.</param>
    /// <exception cref="InvalidOperationException">The stream was enumerated before.</exception>
    public IAsyncEnumerator<string> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref started, 1) != 0)
        {
            throw new InvalidOperationException("A generation stream can be enumerated once; call StreamAsync again.");
        }

        return ReadAsync(this.cancellationToken).GetAsyncEnumerator(cancellationToken);
    }

    private async IAsyncEnumerable<string> ReadAsync([EnumeratorCancellation] CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        var chunks = Channel.CreateBounded<string>(new BoundedChannelOptions(Ahead) { SingleReader = true, SingleWriter = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(token);
        Task<Generation> generation = LongCall.RunAsync(
            "Tailora stream", cancel => Generate(chunks.Writer, cancel, token, stop.Token), stop.Token);
        _ = generation.ContinueWith(
            (_, writer) => ((ChannelWriter<string>)writer!).TryComplete(), chunks.Writer, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        try
        {
            while (await chunks.Reader.WaitToReadAsync(token).ConfigureAwait(false))
            {
                while (chunks.Reader.TryRead(out string? chunk))
                {
                    yield return chunk;
                }
            }

            // Raises what ended the generation, if it was not the end of the text.
            Summary = await generation.ConfigureAwait(false);
        }
        finally
        {
            // Also when the reader leaves early: the session must be free again, and the thread gone, before this returns.
            stop.Cancel();
            await Task.WhenAny(generation).ConfigureAwait(false);
            _ = generation.Exception;
        }
    }

    private unsafe Generation Generate(ChannelWriter<string> chunks, CancelHandle cancel, CancellationToken token, CancellationToken stop)
    {
        using StreamHandle stream = Open(cancel, token);
        while (true)
        {
            int status = NativeMethods.tailora_stream_next(stream, out byte* chunk, out nuint length, out ErrorHandle error);
            string text = Utf8Text.Read(chunk, length);
            Failure.Check(status, error, token);
            if (status == NativeMethods.TAILORA_DONE)
            {
                break;
            }

            while (!chunks.TryWrite(text))
            {
                chunks.WaitToWriteAsync(stop).AsTask().GetAwaiter().GetResult();
            }
        }

        int summarized = NativeMethods.tailora_stream_summary(stream, out StringHandle summary, out ErrorHandle failure);
        string json = summary.Take();
        Failure.Check(summarized, failure);
        var generation = Generation.FromJson(json);
        return generation.FinishReason == "cancelled" ? throw new OperationCanceledException(token) : generation;
    }

    private unsafe StreamHandle Open(CancelHandle cancel, CancellationToken token)
    {
        byte[] text = Utf8Text.Bytes(prompt);
        fixed (byte* start = text)
        fixed (byte* how = Json.Write(options, OptionsJson.Default.GenerateOptions))
        {
            int status = NativeMethods.tailora_stream_open(
                session, start, (nuint)text.Length, how, cancel, out StreamHandle stream, out ErrorHandle error);
            Failure.Check(status, error, token);
            return stream;
        }
    }
}
