using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>
/// Takes log records from native code to one handler. The function lives as long as the process and finds the handler by itself,
/// so a sink that is replaced while it runs has nothing that could be gone.
/// </summary>
internal static unsafe class LogRelay
{
#if !NET8_0_OR_GREATER
    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void LogFunction(LogEvent* record, void* user);

    // Held for the life of the process: native code holds only the address.
    private static readonly LogFunction KeptAlive = OnRecord;
#endif

    private static readonly object Gate = new();
    private static volatile Action<TailoraLogRecord>? handler;

    internal static void Set(Action<TailoraLogRecord> receiver, TailoraLogLevel level)
    {
        NativeLoader.EnsureLoaded();
        lock (Gate)
        {
            handler = receiver;
            var sink = new LogSink
            {
                StructSize = (uint)sizeof(LogSink),
                MaxLevel = (int)level,
#if NET8_0_OR_GREATER
                Log = &OnRecord,
#else
                Log = (delegate* unmanaged[Cdecl]<LogEvent*, void*, void>)Marshal.GetFunctionPointerForDelegate(KeptAlive),
#endif
            };
            Failure.Check(NativeMethods.tailora_set_log_sink(&sink, out ErrorHandle error), error);
        }
    }

    /// <summary>Ends the logging, unless another receiver has taken the place.</summary>
    internal static void Remove(Action<TailoraLogRecord> receiver)
    {
        lock (Gate)
        {
            if (ReferenceEquals(handler, receiver))
            {
                handler = null;
                Failure.Check(NativeMethods.tailora_set_log_sink(null, out ErrorHandle error), error);
            }
        }
    }

#if NET8_0_OR_GREATER
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
#endif
    private static void OnRecord(LogEvent* record, void* user)
    {
        try
        {
            handler?.Invoke(new TailoraLogRecord((TailoraLogLevel)record->Level, Utf8Text.Read(record->Target), Utf8Text.Read(record->Message)));
        }
        catch
        {
            // Must not unwind through native frames; and a log that cannot be written must not stop what it is about.
        }
    }
}
