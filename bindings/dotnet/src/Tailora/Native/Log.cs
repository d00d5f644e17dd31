using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>One log record, <c>tailora_log_event</c>; borrowed until the sink returns.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LogEvent
{
    internal uint StructSize;
    internal int Level;
    internal byte* Target;
    internal byte* Message;
}

/// <summary>Where log records go, <c>tailora_log_sink</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LogSink
{
    internal uint StructSize;
    internal int MaxLevel;
    internal delegate* unmanaged[Cdecl]<LogEvent*, void*, void> Log;
    internal void* User;
}

/// <summary>Log records.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_set_log_sink(LogSink* sink, out ErrorHandle err);
}
