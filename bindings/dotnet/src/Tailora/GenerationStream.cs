using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using Tailora.Native;

namespace Tailora;

/// <summary>
/// A text while it is being generated: chunks of whole characters. It can be enumerated once. Leaving the loop early stops the
/// generation; a stream or an enumerator that is forgotten stops at its next token once it is collected, and gives everything back.
/// </summary>
public sealed class GenerationStream : IAsyncEnumerable<string>
{
    private readonly SessionHandle session;
    private readonly bool ownsSession;
    private readonly string prompt;
    private readonly GenerateOptions? options;
    private readonly CancellationToken cancellationToken;
    private int started;

    internal GenerationStream(
        SessionHandle session, bool ownsSession, string prompt, GenerateOptions? options, CancellationToken cancellationToken)
    {
        this.session = session;
        this.ownsSession = ownsSession;
        this.prompt = prompt;
        this.options = options;
        this.cancellationToken = cancellationToken;
    }

    /// <summary>
    /// The finished generation with its finish reason and token counts; <c>null</c> until the enumeration has come to its end, or was
    /// cancelled after it had begun: then it is the text up to there.
    /// </summary>
    public Generation? Summary { get; private set; }

    /// <summary>Starts generating.</summary>
    /// <param name="cancellationToken">Stops the generation, as the token given to <see cref="Session.StreamAsync(string, GenerateOptions?, CancellationToken)"/> does.</param>
    /// <exception cref="InvalidOperationException">The stream was enumerated before.</exception>
    public IAsyncEnumerator<string> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
        new Texts(Start(counts: false, cancellationToken));

    /// <summary>The same chunks, each with the tokens up to its end; to be enumerated in the stream's place.</summary>
    public IAsyncEnumerable<GenerationChunk> WithUsage() => new Counted(this);

    private IAsyncEnumerator<GenerationChunk> Start(bool counts, CancellationToken token) => Interlocked.Exchange(ref started, 1) == 0
        ? ReadAsync(counts, cancellationToken).GetAsyncEnumerator(token)
        : throw new InvalidOperationException("A generation stream can be enumerated once; call StreamAsync again.");

    private async IAsyncEnumerable<GenerationChunk> ReadAsync(bool counts, [EnumeratorCancellation] CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        var abandonment = new Abandonment();
        var producer = new StreamProducer(session, ownsSession, prompt, options, counts, abandonment, token);
        using var presence = new ReaderPresence(abandonment);
        try
        {
            while (await producer.NextAsync().ConfigureAwait(false) is { } chunk)
            {
                yield return chunk;
            }

            Summary = producer.Generation;
            if (producer.WasCancelled)
            {
                throw new GenerationCanceledException(Summary!, token);
            }
        }
        finally
        {
            // Also when the reader leaves early: the session must be free again, and the thread gone, before this returns.
            await producer.StopAsync().ConfigureAwait(false);
        }
    }

    private sealed class Texts(IAsyncEnumerator<GenerationChunk> chunks) : IAsyncEnumerator<string>
    {
        public string Current => chunks.Current.Text;

        public ValueTask<bool> MoveNextAsync() => chunks.MoveNextAsync();

        public ValueTask DisposeAsync() => chunks.DisposeAsync();
    }

    private sealed class Counted(GenerationStream stream) : IAsyncEnumerable<GenerationChunk>
    {
        public IAsyncEnumerator<GenerationChunk> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
            stream.Start(counts: true, cancellationToken);
    }
}
