using System;
using System.Threading;
using System.Threading.Tasks;

namespace Tailora.Extensions.AI;

/// <summary>Lets so many calls in, so many more wait, and refuses the rest.</summary>
internal sealed class CallGate
{
    private readonly SemaphoreSlim places;
    private readonly int concurrency;
    private readonly int queue;
    private int waiting;

    internal CallGate(int concurrency, int queue)
    {
        if (concurrency < 1)
        {
            throw new ArgumentOutOfRangeException(nameof(TailoraChatClientOptions.MaxConcurrency), concurrency, "At least one call must be answered at a time.");
        }

        if (queue < 0)
        {
            throw new ArgumentOutOfRangeException(nameof(TailoraChatClientOptions.MaxQueue), queue, "Fewer than no call cannot wait.");
        }

        this.concurrency = concurrency;
        this.queue = queue;
        places = new SemaphoreSlim(concurrency, concurrency);
    }

    internal int Running => concurrency - places.CurrentCount;

    internal int Waiting => Volatile.Read(ref waiting);

    internal int MaxQueue => queue;

    internal async Task<Place> EnterAsync(CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        if (!places.Wait(0, CancellationToken.None))
        {
            int others = Interlocked.Increment(ref waiting) - 1;
            try
            {
                if (others >= queue)
                {
                    throw new TailoraBusyException(concurrency, others);
                }

                await places.WaitAsync(token).ConfigureAwait(false);
            }
            finally
            {
                Interlocked.Decrement(ref waiting);
            }
        }

        return new Place(places);
    }

    /// <summary>A place that was taken. Whoever forgets it, as a reader does who abandons a stream, gives it back when it is collected.</summary>
    internal sealed class Place(SemaphoreSlim places) : IDisposable
    {
        private int left;

        ~Place() => Leave();

        public void Dispose()
        {
            Leave();
            GC.SuppressFinalize(this);
        }

        private void Leave()
        {
            if (Interlocked.Exchange(ref left, 1) == 0)
            {
                places.Release();
            }
        }
    }
}
