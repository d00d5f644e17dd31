using System.Runtime.InteropServices;

namespace Tailora.Native;

/// <summary>A text while it is being generated.</summary>
internal static unsafe partial class NativeMethods
{
    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_stream_open(
        SessionHandle session,
        byte* prompt,
        nuint prompt_len,
        byte* options_json,
        CancelHandle cancel,
        out StreamHandle stream,
        out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_stream_next(StreamHandle stream, out byte* chunk, out nuint chunk_len, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_stream_summary(StreamHandle stream, out StringHandle summary_json, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_stream_usage(StreamHandle stream, out ulong prompt_tokens, out ulong completion_tokens, out ErrorHandle err);

    [DllImport(Library, ExactSpelling = true)]
    internal static extern int tailora_stream_free(nint stream);
}
