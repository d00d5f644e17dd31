using System;
using System.Threading;
using Tailora.Native;

namespace Tailora;

/// <summary>
/// What the native library has to say about its work: sizes, tokens, seconds, and what is worth a look. Never the content of rows,
/// prompts or answers.
/// </summary>
public static class TailoraLog
{
    /// <summary>
    /// Sends log records to a handler until the result is disposed. One handler for the process: a later one takes the place of an
    /// earlier one.
    /// </summary>
    /// <param name="handler">Called on any thread, possibly on several at a time; what it throws is ignored, and it must not listen or stop listening.</param>
    /// <param name="level">The most detailed level wanted.</param>
    /// <exception cref="TailoraLibraryException">The native library is missing or of another version.</exception>
    public static IDisposable Listen(Action<TailoraLogRecord> handler, TailoraLogLevel level = TailoraLogLevel.Info)
    {
        Argument.NotNull(handler, nameof(handler));
        Action<TailoraLogRecord> own = record => handler(record);
        LogRelay.Set(own, level);
        return new Listening(own);
    }

    private sealed class Listening(Action<TailoraLogRecord> handler) : IDisposable
    {
        private Action<TailoraLogRecord>? handler = handler;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref handler, null) is { } own)
            {
                LogRelay.Remove(own);
            }
        }
    }
}

/// <summary>How much a log record matters; each level includes those before it.</summary>
public enum TailoraLogLevel
{
    /// <summary>What went wrong.</summary>
    Error = 1,

    /// <summary>What is worth a look.</summary>
    Warn = 2,

    /// <summary>Milestones of long work.</summary>
    Info = 3,

    /// <summary>Decisions and figures.</summary>
    Debug = 4,

    /// <summary>Everything there is.</summary>
    Trace = 5,
}

/// <summary>One log record.</summary>
/// <param name="Level">How much it matters.</param>
/// <param name="Target">The part of the library that speaks, such as <c>tailora::train</c>.</param>
/// <param name="Message">The sentence, with its figures as <c> name=value</c>.</param>
public readonly record struct TailoraLogRecord(TailoraLogLevel Level, string Target, string Message);
