using System;
using System.Runtime.ExceptionServices;
using System.Threading;
using System.Threading.Channels;
using System.Threading.Tasks;
using Tailora.Native;

namespace Tailora;

/// <summary>
/// Asks the native stream for chunks, a few ahead of the reader, on a thread that is there only while there is something to ask:
/// once the model is far enough ahead it ends, and a reader who has caught up starts another. So between two reads nothing but
/// the reader refers to the stream, and a forgotten one is collected with its handles; if its thread is at work just then, that
/// ends at its next chunk and frees them.
/// </summary>
internal sealed class StreamProducer
{
    /// <summary>How many chunks the model may be ahead of its reader.</summary>
    private const int Ahead = 32;

    private readonly Channel<GenerationChunk> chunks = Channel.CreateUnbounded<GenerationChunk>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly object gate = new();
    private readonly SessionHandle session;
    private readonly bool ownsSession;
    private readonly string prompt;
    private readonly GenerateOptions? options;
    private readonly bool counts;
    private readonly Abandonment abandonment;
    private readonly CancellationToken token;
    private readonly CancelHandle cancel;
    private StreamHandle? stream;
    private ExceptionDispatchInfo? failure;
    private Task run = Task.CompletedTask;
    private int room = Ahead;
    private bool running;
    private bool ended;
    private volatile bool stopped;

    internal StreamProducer(
        SessionHandle session,
        bool ownsSession,
        string prompt,
        GenerateOptions? options,
        bool counts,
        Abandonment abandonment,
        CancellationToken token)
    {
        this.session = session;
        this.ownsSession = ownsSession;
        this.prompt = prompt;
        this.options = options;
        this.counts = counts;
        this.abandonment = abandonment;
        this.token = token;
        int status = NativeMethods.tailora_cancel_new(out cancel, out ErrorHandle error);
        Failure.Check(status, error);
        RunIfThereIsRoom(0);
    }

    /// <summary>What was generated, once there are no more chunks.</summary>
    internal Generation? Generation { get; private set; }

    /// <summary>Whether there are no more chunks because the token was cancelled.</summary>
    internal bool WasCancelled { get; private set; }

    /// <summary>The next chunk; <c>null</c> at the end.</summary>
    internal async ValueTask<GenerationChunk?> NextAsync()
    {
        // Not with the token: the thread obeys it, and leaves the text up to there.
        bool more = !token.IsCancellationRequested && await chunks.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false);
        if (more && chunks.Reader.TryRead(out GenerationChunk chunk))
        {
            RunIfThereIsRoom(1);
            return chunk;
        }

        await run.ConfigureAwait(false);
        failure?.Throw();
        Generation ??= Summarize();
        WasCancelled = Generation.FinishReason == "cancelled" || chunks.Reader.TryRead(out _);
        return null;
    }

    /// <summary>Stops generating, and frees everything.</summary>
    internal async Task StopAsync()
    {
        stopped = true;
        _ = NativeMethods.tailora_cancel_request(cancel);
        await run.ConfigureAwait(false);
        Free();
        cancel.Dispose();
    }

    private void RunIfThereIsRoom(int read)
    {
        lock (gate)
        {
            room += read;
            if (!running && !ended && room >= Ahead / 2)
            {
                running = true;
                run = LongCall.RunAsync("Tailora stream", _ => Run(), CancellationToken.None);
            }
        }
    }

    private bool Run()
    {
        try
        {
            // The registration is there no longer than this thread: a token that lives on must not keep the stream alive.
            using CancellationTokenRegistration registration = token.Register(
                static state => _ = NativeMethods.tailora_cancel_request((CancelHandle)state!), cancel);
            stream ??= Open();
            while (HasRoom())
            {
                if (Next() is not { } chunk)
                {
                    Generation = Summarize();
                    End();
                    return true;
                }

                _ = chunks.Writer.TryWrite(counts ? Counted(chunk) : new GenerationChunk(chunk, 0, 0));
            }

            if (abandonment.Happened)
            {
                Free();
                cancel.Dispose();
            }
        }
        catch (Exception error)
        {
            failure = ExceptionDispatchInfo.Capture(error);
            End();
        }

        return ended;
    }

    /// <summary>Takes the room for one more chunk; without any, this thread is no longer running.</summary>
    private bool HasRoom()
    {
        lock (gate)
        {
            running = room > 0 && !stopped && !abandonment.Happened;
            room -= running ? 1 : 0;
            return running;
        }
    }

    private void End()
    {
        lock (gate)
        {
            (ended, running) = (true, false);
        }

        Free();
        _ = chunks.Writer.TryComplete();
    }

    private void Free()
    {
        stream?.Dispose();
        if (ownsSession)
        {
            session.Dispose();
        }
    }

    private unsafe StreamHandle Open()
    {
        byte[] text = Utf8Text.Bytes(prompt);
        fixed (byte* start = text)
        fixed (byte* how = Json.Write(options, OptionsJson.Default.GenerateOptions))
        {
            int status = NativeMethods.tailora_stream_open(
                session, start, (nuint)text.Length, how, cancel, out StreamHandle opened, out ErrorHandle error);
            Failure.Check(status, error, token);
            return opened;
        }
    }

    private unsafe string? Next()
    {
        int status = NativeMethods.tailora_stream_next(stream!, out byte* chunk, out nuint length, out ErrorHandle error);
        string text = Utf8Text.Read(chunk, length);
        Failure.Check(status, error, token);
        return status == NativeMethods.TAILORA_DONE ? null : text;
    }

    private GenerationChunk Counted(string chunk)
    {
        int status = NativeMethods.tailora_stream_usage(stream!, out ulong prompt, out ulong completion, out ErrorHandle error);
        Failure.Check(status, error);
        return new GenerationChunk(chunk, (long)prompt, (long)completion);
    }

    private Generation Summarize()
    {
        int status = NativeMethods.tailora_stream_summary(stream!, out StringHandle summary, out ErrorHandle error);
        string json = summary.Take();
        Failure.Check(status, error);
        return Tailora.Generation.FromJson(json);
    }
}
