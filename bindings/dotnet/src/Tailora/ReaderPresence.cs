using System;

namespace Tailora;

/// <summary>
/// What the reader of a sequence holds, and the thread that makes the sequence does not: once it is collected, the reader has been
/// forgotten. Its finalizer sets a flag and no more; whatever else is to be done, the thread does.
/// </summary>
internal sealed class ReaderPresence : IDisposable
{
    private readonly Abandonment abandonment;

    internal ReaderPresence(Abandonment abandonment) => this.abandonment = abandonment;

    ~ReaderPresence() => abandonment.Happened = true;

    /// <summary>The reader has come to its end, or left properly.</summary>
    public void Dispose() => GC.SuppressFinalize(this);
}

/// <summary>Whether a reader has been forgotten. The thread that works for it looks here.</summary>
internal sealed class Abandonment
{
    private volatile bool happened;

    internal bool Happened
    {
        get => happened;
        set => happened = value;
    }
}
