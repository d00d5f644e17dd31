using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;

namespace Tailora.Extensions.AI;

/// <summary>
/// The sessions between calls. One that is used again need not read again how a conversation began. How many there are is what
/// <see cref="CallGate"/> lets in.
/// </summary>
internal sealed class SessionPool(LanguageModel model, int? contextLength) : IDisposable
{
    private readonly ConcurrentStack<PooledSession> idle = new();
    private volatile bool disposed;

    internal LanguageModel Model => model;

    /// <summary>A session with exactly these adapters attached; the caller gives it back or disposes it.</summary>
    internal PooledSession Take(IReadOnlyList<(Adapter Adapter, double Scale)> adapters)
    {
        if (disposed)
        {
            throw new ObjectDisposedException(nameof(TailoraChatClient));
        }

        if (!idle.TryPop(out PooledSession? taken))
        {
            taken = new PooledSession(model.CreateSession(new SessionOptions { ContextLength = contextLength }));
        }

        try
        {
            taken.Attach(adapters);
            return taken;
        }
        catch
        {
            taken.Dispose();
            throw;
        }
    }

    internal void GiveBack(PooledSession session)
    {
        idle.Push(session);
        if (disposed)
        {
            Dispose();
        }
    }

    public void Dispose()
    {
        disposed = true;
        while (idle.TryPop(out PooledSession? session))
        {
            session.Dispose();
        }
    }
}

/// <summary>A session and what is attached to it.</summary>
internal sealed class PooledSession(Session session) : IDisposable
{
    private (Adapter Adapter, double Scale)[] attached = [];

    internal Session Session => session;

    internal void Attach(IReadOnlyList<(Adapter Adapter, double Scale)> adapters)
    {
        if (attached.SequenceEqual(adapters))
        {
            return;
        }

        session.Reset();
        attached = [];
        foreach ((Adapter adapter, double scale) in adapters)
        {
            session.Attach(adapter, scale);
        }

        attached = [.. adapters];
    }

    public void Dispose() => session.Dispose();
}
